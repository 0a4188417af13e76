"""The log in sentences."""

from mdm.events.kinds import KINDS
from mdm.events.models import Event

# What of the metadata says most, in this order; the first two that are there stand below the sentence.
TELLING = (
    "request_type",
    "name",
    "person",
    "email",
    "why",
    "reason",
    "error",
    "device_group",
    "topic",
    "role",
    "count",
)


def sentence(event: Event) -> str:
    """What happened, for people. A name of an older version is shown as it is."""
    return KINDS.get(event.event_type, event.event_type)


def details(event: Event) -> str:
    """The most telling facts of a line: "DeviceLock · asked by hand"."""
    known = {"name"} if event.device_id else set()  # the device stands beside it
    found = [str(event.metadata[key]) for key in TELLING if event.metadata.get(key) and key not in known]
    return " · ".join(found[:2])[:160]
