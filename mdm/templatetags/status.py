"""Times of the schedule: `{% load status %}`."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mdm.accounts.admin_html import time_tag

register = template.Library()
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@register.filter
def duration(length: timedelta) -> str:
    """ "15 seconds", "12 hours": in the largest unit that divides it."""
    seconds = int(length.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS if (seconds >= size and seconds % size == 0) or size == 1)
    number = seconds // size
    words = {
        "day": ngettext("%(number)s day", "%(number)s days", number),
        "hour": ngettext("%(number)s hour", "%(number)s hours", number),
        "minute": ngettext("%(number)s minute", "%(number)s minutes", number),
        "second": ngettext("%(number)s second", "%(number)s seconds", number),
    }
    return words[unit] % {"number": number}


@register.filter
def seconds(length: timedelta) -> str:
    """How long something took: "40 ms", "3.2 s", "75 s"."""
    whole = length.total_seconds()
    if whole < 1:
        return _("%(number)s ms") % {"number": f"{whole * 1000:.0f}"}
    return _("%(number)s s") % {"number": f"{whole:.1f}" if whole < 10 else f"{whole:.0f}"}


@register.filter
def due_tag(at: datetime) -> SafeString | str:
    """When it is due; what is only a moment away, or has passed, is now."""
    return time_tag(at) if at > timezone.now() + timedelta(minutes=1) else _("now")
