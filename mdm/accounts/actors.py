"""Who does something: a person in the admin, a program with an API key, a device, or Pomona itself."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    ADMIN = "admin ui"
    API = "api"
    DEVICE = "device"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """label is shown in the log: an e-mail address, the API key's name, a serial number."""

    source: Source
    label: str = ""
    user_id: int | None = None
    api_key_id: int | None = None


SYSTEM = Actor(Source.SYSTEM)
DEVICE = Actor(Source.DEVICE)
