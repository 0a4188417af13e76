"""What happened last, for pages that show a few lines: without what devices are asked for again and again."""

from dataclasses import dataclass

from django.db.models import QuerySet

from mdm.accounts.actors import Source
from mdm.events.models import Event
from mdm.events.words import details, sentence

# So many of the newest lines are looked at; the log has millions. A device that enrolls writes about a dozen.
LOOKED_AT = 300
# What the lines of a page need of the log.
COLUMNS = ("device", "event_type", "level", "source", "actor_label", "at", "metadata")
# What Pomona asks for by itself when a device enrolls, day by day, and after changes.
ROUTINE = frozenset(
    (
        "DeviceInformation",
        "SecurityInfo",
        "InstalledApplicationList",
        "ProfileList",
        "CertificateList",
        "UserList",
        "ManagedApplicationList",
        "ManagedApplicationFeedback",
    )
)
ROUTINE_KINDS = ("command.queued", "command.cancelled", "command.acknowledged")

Line = tuple[Event, str, str]  # with its sentence, and the facts below it


@dataclass(frozen=True)
class Newest:
    """is_only_routine: something happened, but nothing that is worth a line."""

    lines: list[Line]
    is_only_routine: bool


def newest(events: QuerySet[Event], most: int) -> Newest:
    """One statement. events: of an account or a device, of which an index knows the newest."""
    found = list(events.order_by("-id")[:LOOKED_AT])
    shown = [event for event in found if not is_routine(event)][:most]
    return Newest([(event, sentence(event), details(event)) for event in shown], bool(found and not shown))


def is_routine(event: Event) -> bool:
    """What people and programs ask for is worth a line, and so is what a device could not do."""
    is_by_itself = event.source in (Source.DEVICE, Source.SYSTEM)
    return is_by_itself and event.event_type in ROUTINE_KINDS and event.metadata.get("request_type") in ROUTINE
