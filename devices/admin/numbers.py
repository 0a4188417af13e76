"""Numbers with their noun, in the reader's language: "1 device", "1,200 devices"."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def devices_in_words(number: int) -> str:
    return ngettext("%(number)s device", "%(number)s devices", number) % {"number": f"{number:,}"}


def enrolled_in_words(number: int) -> str:
    words = ngettext("%(number)s enrolled device", "%(number)s enrolled devices", number)
    return words % {"number": f"{number:,}"}


def device_groups_in_words(number: int) -> str:
    return ngettext("%(number)s device group", "%(number)s device groups", number) % {"number": f"{number:,}"}


def profiles_in_words(number: int) -> str:
    return ngettext("%(number)s profile", "%(number)s profiles", number) % {"number": f"{number:,}"}


def apps_in_words(number: int) -> str:
    return ngettext("%(number)s app", "%(number)s apps", number) % {"number": f"{number:,}"}


def bounded(number: int, most: int) -> str:
    """ "1,000+" for whatever is more than that: nobody counted further."""
    return f"{most:,}+" if number > most else f"{number:,}"


def named(names: list[str], most: int = 5) -> str:
    """ "Wi-Fi, VPN and 3 more"."""
    shown = ", ".join(names[:most])
    if len(names) <= most:
        return shown
    return _("%(some)s and %(number)s more") % {"some": shown, "number": f"{len(names) - most:,}"}
