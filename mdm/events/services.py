"""The only way to write the log."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction

from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.common import rows
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.events.kinds import KINDS, Namespace
from mdm.events.models import Event, Level
from mdm.events.outbox import OUTGOING, write_deliveries

METADATA_TEXT_LIMIT = 2000


class DeviceLike(Protocol):
    pk: int
    serial_number: str
    udid: str


def emit(
    event_type: str,
    *,
    account_id: int,
    actor: Actor = SYSTEM,
    device: DeviceLike | None = None,
    level: Level = Level.INFO,
    **metadata: Any,
) -> Event:
    """Write one line of the log, in the caller's transaction. metadata is shown to operators: never a secret.

    Webhooks that want to know get a delivery in the same transaction.
    """
    event = build(event_type, account_id=account_id, actor=actor, device=device, level=level, metadata=metadata)
    if event_type not in OUTGOING:
        rows.insert(event)
        _tell_forwarder([event])
        return event
    with transaction.atomic(savepoint=False):
        rows.insert(event)
        write_deliveries([event])
        _tell_forwarder([event])
    return event


def emit_many(events: Iterable[Event]) -> list[Event]:
    """Write lines made by `build`, in few statements; webhooks as with `emit`."""
    with transaction.atomic(savepoint=False):
        written = Event.objects.bulk_create(events, batch_size=500)
        write_deliveries(written)
        _tell_forwarder(written)
    return written


def build(
    event_type: str,
    *,
    account_id: int,
    actor: Actor = SYSTEM,
    device: DeviceLike | None = None,
    level: Level = Level.INFO,
    metadata: Mapping[str, Any] | None = None,
) -> Event:
    """A line not yet written. Raises KeyError for a name that is not in `kinds`."""
    KINDS[event_type]
    return Event(
        account_id=account_id,
        namespace=_namespace(actor),
        event_type=event_type,
        level=level,
        source=actor.source,
        actor_label=actor.label[:200],
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        device_id=device.pk if device else None,
        serial_number=device.serial_number if device else "",
        udid=device.udid if device else "",
        metadata={key: _bounded(value) for key, value in (metadata or {}).items()},
        is_forward_due=bool(settings.LOG_FORWARD_URL),
    )


def _tell_forwarder(events: Sequence[Event]) -> None:
    """By name: the task runs what imports this module."""
    if any(event.is_forward_due for event in events):
        transaction.on_commit(partial(nudge_named, "mdm.events.tasks.forward_log"))


def _namespace(actor: Actor) -> Namespace:
    if actor.source in (Source.ADMIN, Source.API):
        return Namespace.ADMIN
    return Namespace.DEVICE if actor.source == Source.DEVICE else Namespace.SYSTEM


def _bounded(value: Any) -> Any:
    """Text from devices may be long and hold what PostgreSQL does not store."""
    if isinstance(value, str):
        return clean_text(value, METADATA_TEXT_LIMIT)
    if isinstance(value, Mapping):
        return {_bounded(str(key)): _bounded(item) for key, item in list(value.items())[:50]}
    if isinstance(value, list | tuple):
        return [_bounded(item) for item in value[:50]]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _bounded(str(value))
