"""The log in sentences."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.events.kinds import KINDS
from mdm.events.models import Event, Level
from mdm.protocol.request_types import REQUEST_TYPES

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

LEVELS = {
    Level.INFO: gettext_lazy("info"),
    Level.WARNING: gettext_lazy("warning"),
    Level.ERROR: gettext_lazy("error"),
}


def level_words(event: Event) -> str:
    """What the log calls its level, in the reader's language; programs get the level's own label."""
    return str(LEVELS[Level(event.level)])


def sentence(event: Event) -> str:
    """What happened, for people, in their language. A name of an older version is shown as it is."""
    return _(KINDS[event.event_type]) if event.event_type in KINDS else event.event_type


def details(event: Event) -> str:
    """The most telling facts of a line: "Lock · asked by hand"."""
    known = {"name"} if event.device_id else set()  # the device stands beside it
    found = [_fact(key, event.metadata[key]) for key in TELLING if event.metadata.get(key) and key not in known]
    return " · ".join(found[:2])[:160]


def _fact(key: str, value: object) -> str:
    """A request type is called what the catalogue calls it; one that it does not know keeps its name."""
    known = REQUEST_TYPES.get(str(value)) if key == "request_type" else None
    return _(known.label) if known else str(value)
