"""Who does something: a person in the admin, a program with an API key, a device, or Pomona itself."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext_lazy


class Source(StrEnum):
    ADMIN = "admin ui"
    API = "api"
    DEVICE = "device"
    SYSTEM = "system"


# For lists and pages, where nobody is named.
SOURCE_WORDS = {
    Source.ADMIN: gettext_lazy("admin ui"),
    Source.API: gettext_lazy("api"),
    Source.DEVICE: gettext_lazy("device"),
    Source.SYSTEM: gettext_lazy("system"),
}


@dataclass(frozen=True)
class Actor:
    """label is shown in the log: an e-mail address, the API key's name, a serial number."""

    source: Source
    label: str = ""
    user_id: int | None = None
    api_key_id: int | None = None


SYSTEM = Actor(Source.SYSTEM)
DEVICE = Actor(Source.DEVICE)


def who(label: str, source: str) -> str:
    """Who did something, for people: the actor's name, else what kind of actor it was; a source of older rows as it is."""
    return label or str(SOURCE_WORDS.get(source, source))
