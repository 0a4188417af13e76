"""Times, sizes and numbers in words for people, so that lists, pages and mails say them alike."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from mdm.common.counts import Number

_UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))
_MOMENT = timedelta(minutes=1)
_PREFIXES = ("bytes", "KB", "MB", "GB", "TB")


# Whatever is counted somewhere, so that each language can have its own forms.
NOUNS = {
    "app": ngettext_lazy("%(count)s app", "%(count)s apps", "number"),
    "command": ngettext_lazy("%(count)s command", "%(count)s commands", "number"),
    "day": ngettext_lazy("%(count)s day", "%(count)s days", "number"),
    "device group": ngettext_lazy("%(count)s device group", "%(count)s device groups", "number"),
    "device": ngettext_lazy("%(count)s device", "%(count)s devices", "number"),
    "enrolled device": ngettext_lazy("%(count)s enrolled device", "%(count)s enrolled devices", "number"),
    "failed message": ngettext_lazy("%(count)s failed message", "%(count)s failed messages", "number"),
    "hour": ngettext_lazy("%(count)s hour", "%(count)s hours", "number"),
    "invitation": ngettext_lazy("%(count)s invitation", "%(count)s invitations", "number"),
    "job": ngettext_lazy("%(count)s job", "%(count)s jobs", "number"),
    "key": ngettext_lazy("%(count)s key", "%(count)s keys", "number"),
    "licence": ngettext_lazy("%(count)s licence", "%(count)s licences", "number"),
    "line": ngettext_lazy("%(count)s line", "%(count)s lines", "number"),
    "Mac": ngettext_lazy("%(count)s Mac", "%(count)s Macs", "number"),
    "message": ngettext_lazy("%(count)s message", "%(count)s messages", "number"),
    "minute": ngettext_lazy("%(count)s minute", "%(count)s minutes", "number"),
    "month": ngettext_lazy("%(count)s month", "%(count)s months", "number"),
    "time": ngettext_lazy("%(count)s time", "%(count)s times", "number"),
    "certificate": ngettext_lazy("%(count)s certificate", "%(count)s certificates", "number"),
    "entry": ngettext_lazy("%(count)s entry", "%(count)s entries", "number"),
    "group": ngettext_lazy("%(count)s group", "%(count)s groups", "number"),
    "person": ngettext_lazy("%(count)s person", "%(count)s people", "number"),
    "profile": ngettext_lazy("%(count)s profile", "%(count)s profiles", "number"),
    "user": ngettext_lazy("%(count)s user", "%(count)s users", "number"),
    "value": ngettext_lazy("%(count)s value", "%(count)s values", "number"),
    "version": ngettext_lazy("%(count)s version", "%(count)s versions", "number"),
    "script": ngettext_lazy("%(count)s script", "%(count)s scripts", "number"),
    "account": ngettext_lazy("%(count)s account", "%(count)s accounts", "number"),
    "year": ngettext_lazy("%(count)s year", "%(count)s years", "number"),
}


def ago(at: datetime, now: datetime | None = None) -> str:
    """ "just now", "5 minutes ago", "in 3 days": the largest unit that fits, rounded down."""
    distance = (now or datetime.now(UTC)) - at
    if abs(distance) < _MOMENT:
        return _("just now")
    if distance < timedelta():  # "in 7 days" a minute after it was so: what is nearly a whole unit counts as one
        distance *= 1.02
    words = {"duration": duration(abs(distance))}
    return _("%(duration)s ago") % words if distance > timedelta() else _("in %(duration)s") % words


def duration(length: timedelta) -> str:
    """ "3 days", "1 hour"; less than a minute is "less than a minute"."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds >= size:
            return count_of(seconds // size, unit)
    return _("less than a minute")


def count_of(number: int | Number, noun: str) -> str:
    """ "1 device", "3 devices", "1,200 devices", "10,000+ devices". noun: one of NOUNS."""
    counted = Number(number) if isinstance(number, int) else number
    return NOUNS[noun] % {"number": counted.value, "count": str(counted)}


def named(names: Sequence[str], most: int = 5) -> str:
    """ "Wi-Fi, VPN and 3 more"."""
    shown = ", ".join(names[:most])
    if len(names) <= most:
        return shown
    return _("%(some)s and %(number)s more") % {"some": shown, "number": f"{len(names) - most:,}"}


def file_size(byte_count: float) -> str:
    """Decimal units, as Apple's devices show them: "1.5 GB"."""
    size, prefix = float(byte_count), 0
    while abs(size) >= 1000 and prefix < len(_PREFIXES) - 1:
        size, prefix = size / 1000, prefix + 1
    if prefix == 0:
        return _("%(number)s bytes") % {"number": f"{size:.0f}"}
    return f"{size:.0f} {_PREFIXES[prefix]}" if prefix < 2 else f"{size:.1f} {_PREFIXES[prefix]}"
