"""Which lines of the log somebody asks for: the same filters for pages, exports and the API, and all of them together.

The log grows to millions of lines, and its pages are ordered by key. So a time becomes a range of keys first: two short looks
into the index of times, after which every other index serves the order as well.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy

from mdm.accounts.actors import Source
from mdm.accounts.models import Account
from mdm.events.models import Event, Level
from mdm.events.topics import kinds_of

# A line is written a moment after its time: no transaction takes longer than this.
LATEST_WRITE = timedelta(hours=1)
# Words may fit many devices; the lines of so many are looked for at the most.
MOST_DEVICES = 50
RANGES = {
    "hour": (gettext_lazy("Last hour"), timedelta(hours=1)),
    "day": (gettext_lazy("Last 24 hours"), timedelta(days=1)),
    "week": (gettext_lazy("Last 7 days"), timedelta(days=7)),
    "month": (gettext_lazy("Last 30 days"), timedelta(days=30)),
}
# Who did it, in words; one person or one key is "person-5" or "key-3".
ACTORS = {
    "people": (gettext_lazy("People"), Source.ADMIN),
    "programs": (gettext_lazy("Programs"), Source.API),
    "devices": (gettext_lazy("Devices"), Source.DEVICE),
    "pomona": (gettext_lazy("Pomona itself"), Source.SYSTEM),
}
LEVELS = {str(level.value) for level in Level}
MOST_CHARACTERS = 200
TROUBLE = (Level.WARNING, Level.ERROR)
ANY_TROUBLE = "trouble"
Devices = list[tuple[int, str]]
YEARS = range(2000, 2200)  # beyond, arithmetic with times ends


@dataclass(frozen=True)
class LogFilters:
    """Everything that is not given lets every line through. since is the first moment, until the first one after.

    device_words: a name, serial number or UDID, or a part of it. Several of a kind (event_types, levels, …): any of them.
    faults: names of what was given and not understood. Then no line fits: all of them would look like an answer.
    """

    since: datetime | None = None
    until: datetime | None = None
    device_id: int | None = None
    device_words: str = ""
    serial_number: str = ""
    actor: str = ""
    event_types: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    namespaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What is set, for the log."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items() if value
        }


def narrow(
    events: QuerySet[Event], account: Account | int, wanted: LogFilters, devices: Devices | None = None
) -> QuerySet[Event]:
    """events: of that account. devices: what `devices_named` found, for callers that want to know it too.

    The order is the caller's.
    """
    if wanted.faults:
        return events.none()
    found = between(events, account, wanted.since, wanted.until)
    if wanted.device_id is not None:
        found = found.filter(device_id=wanted.device_id)
    if wanted.device_words:
        some = devices_named(account, wanted.device_words) if devices is None else devices
        found = found.filter(about(some, wanted.device_words))
    if wanted.serial_number:
        found = found.filter(serial_number=wanted.serial_number)
    if wanted.actor:
        found = found.filter(by(wanted.actor))
    several = {
        "event_type": wanted.event_types,
        "level": wanted.levels,
        "namespace": wanted.namespaces,
        "source": wanted.sources,
    }
    for column, values in several.items():
        if values:
            found = found.filter(any_of(column, values))
    return found


def between(
    events: QuerySet[Event], account: Account | int, since: datetime | None, until: datetime | None
) -> QuerySet[Event]:
    """Lines of that time. Keys follow times, but for lines whose transactions took longer than those of others."""
    every = Event.objects.for_account(account)
    if since is not None:
        events = events.filter(at__gte=since)
        before = every.filter(at__lt=since - LATEST_WRITE).order_by("-at").values_list("pk", flat=True)[:1]
        if key := next(iter(before), None):
            events = events.filter(pk__gt=key)
    if until is not None:
        events = events.filter(at__lt=until)
        after = every.filter(at__gt=until + LATEST_WRITE).order_by("at").values_list("pk", flat=True)[:1]
        if key := next(iter(after), None):
            events = events.filter(pk__lt=key)
    return events


def by(actor: str) -> Q:
    """No line at all for an actor that there is not."""
    if actor in ACTORS:
        return Q(source=ACTORS[actor][1])
    kind, _, number = actor.partition("-")
    column = {"person": "user_id", "key": "api_key_id"}.get(kind)
    if column is None or not _is_key(number):
        return Q(pk__in=[])
    return Q(**{column: int(number)})


def any_of(column: str, values: Iterable[Any]) -> Q:
    """One value is asked for as one: its index then has the lines in their order."""
    values = tuple(values)
    return Q(**{column: values[0]}) if len(values) == 1 else Q(**{f"{column}__in": values})


def devices_named(account: Account | int, words: str) -> Devices:
    """Key and serial number of the devices that words fit, newest first; MOST_DEVICES + 1 of them stand for more."""
    devices = Event._meta.get_field("device").related_model.objects.filter(account=account)
    return list(devices.search(words).order_by("-pk").values_list("pk", "serial_number")[: MOST_DEVICES + 1])


def about(devices: Devices, words: str) -> Q:
    """Lines of these devices, and those of a serial number that has no device any more, or none yet."""
    some = devices[:MOST_DEVICES]
    serials = {words, words.upper()} | {serial for _, serial in some if serial}
    return Q(device_id__in=[key for key, _ in some]) | Q(serial_number__in=sorted(serials))


def read(parameters: Mapping[str, str]) -> LogFilters:
    """What an address of the log's page says: `time` or `since` and `until`, `q`, `device`, `actor`, `event_type`, `level`.

    event_type may be a topic. A value that makes no sense fits no line; of those in `faults` the page says why.
    """
    since, until = read_time(parameters.get("since", "")), read_time(parameters.get("until", ""))
    if since is None and until is None and parameters.get("time") in RANGES:
        since = timezone.now() - RANGES[parameters["time"]][1]
    wanted, level = parameters.get("event_type", ""), parameters.get("level", "")
    device = parameters.get("device", "")
    return LogFilters(
        since=since,
        until=until,
        device_id=int(device) if _is_key(device) else (0 if device else None),
        device_words=parameters.get("q", "").strip()[:MOST_CHARACTERS],
        actor=parameters.get("actor", ""),
        event_types=tuple(kinds_of(wanted)) or ((wanted,) if wanted else ()),
        levels=TROUBLE if level == ANY_TROUBLE else (int(level),) if level in LEVELS else (),
        faults=_faults(parameters),
    )


def _faults(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the parameters that hold no time, no range of time or no level, though they should."""
    understood: dict[str, Callable[[str], object]] = {
        "since": read_time,
        "until": read_time,
        "time": RANGES.get,
        "level": {*LEVELS, ANY_TROUBLE}.__contains__,
    }
    return tuple(name for name, reads in understood.items() if parameters.get(name) and not reads(parameters[name]))


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def read_time(text: str) -> datetime | None:
    """ISO 8601, UTC where nothing else is said; None for text that is no such time."""
    try:
        at = parse_datetime(text.strip())
    except ValueError:
        return None
    if at is None or at.year not in YEARS:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
