"""Queueing commands and taking them back. A queued command is a row; the push only wakes the device."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from mdm.accounts.actors import SYSTEM, Actor
from mdm.channels.models import Channel
from mdm.channels.services import request_push
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.common.batches import batches
from mdm.common.many_rows import insert_many
from mdm.common.rows import insert
from mdm.events.models import Event
from mdm.events.services import DeviceLike, build, emit, emit_many
from mdm.protocol.command import read_raw
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import Request, clean, split_secrets
from mdm.push.tasks import wake_soon

BATCH = 1000
FEW = 10


class CommandExists(ProtocolError):
    """The channel has a command with that CommandUUID already."""


def enqueue(
    channel: Channel,
    request: Request,
    *,
    actor: Actor = SYSTEM,
    command_uuid: str | None = None,
    expires_at: datetime | None = None,
) -> Command:
    """Store the command and wake the device after the commit. Raises InvalidCommand, CommandExists; then nothing is queued."""
    command = _row(channel, prepare(request), actor, command_uuid, expires_at)
    return store(channel, command, actor)


def enqueue_raw(channel: Channel, plist: bytes, *, actor: Actor = SYSTEM) -> Command:
    """Store an operator's own command plist: sent as it is, only its structure is checked. Raises ProtocolError."""
    request_type, command_uuid, body = read_raw(plist)
    command = Command(
        account_id=channel.account_id,
        channel=channel,
        request_type=request_type,
        raw_plist=body,
        actor_label=actor.label,
        source=actor.source,
    )
    if command_uuid:
        command.command_uuid = command_uuid
    return store(channel, command, actor)


def enqueue_recipe(channel: Channel, request_type: str, recipe: Mapping[str, Any], *, actor: Actor = SYSTEM) -> Command:
    """Store a command that is completed when it is delivered: recipe is `{"Recipe": name, …}`.

    The names are those of `mdm/endpoints/renderers.py`.
    """
    command = Command(
        account_id=channel.account_id,
        channel=channel,
        request_type=request_type,
        parameters=dict(recipe),
        actor_label=actor.label,
        source=actor.source,
    )
    return store(channel, command, actor)


@dataclass(frozen=True)
class Prepared:
    """A request that was checked, its secrets apart: made once by `prepare`, queued for any number of channels."""

    request_type: str
    parameters: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(repr=False)


def prepare(request: Request) -> Prepared:
    """Raises InvalidCommand."""
    parameters, secrets = split_secrets(request.request_type, clean(request.request_type, request.parameters))
    return Prepared(request.request_type, parameters, secrets)


def enqueue_many(
    channels: Sequence[Channel],
    requests: Iterable[Request | Prepared],
    *,
    actor: Actor = SYSTEM,
    is_logged: bool = True,
    are_due: bool = False,
) -> int:
    """Queue every request for every channel, oldest request first, in few statements. Returns the number of rows.

    channels come with their devices (`select_related("device")`): the log names them. is_logged: off where the caller's
    own line says it all. are_due: the caller has marked the channels to be pushed already.
    """
    prepared = [request if isinstance(request, Prepared) else prepare(request) for request in requests]
    rows = [_row(channel, one, actor, None, None) for channel in channels for one in prepared]
    with transaction.atomic(savepoint=False):
        if 0 < len(rows) <= FEW:
            insert(*rows)
        else:
            Command.objects.bulk_create(rows, batch_size=BATCH)
        if is_logged:
            devices = {channel.pk: channel.device for channel in channels}
            emit_many(_queued_event(row, devices[row.channel_id], actor) for row in rows)
        if not are_due:
            request_push([channel.pk for channel in channels])
        transaction.on_commit(wake_soon)
    return len(rows)


def recipe(request_type: str, name: str, **parameters: Any) -> Prepared:
    """A command that is completed when it is delivered, by the function of that name in `mdm/endpoints/renderers.py`."""
    return Prepared(request_type, {"Recipe": name, **parameters}, {})


def enqueue_each(
    orders: Sequence[tuple[Channel, Prepared]], *, actor: Actor = SYSTEM, is_logged: bool = True, wakes: bool = True
) -> list[Command]:
    """Queue one command for each (channel, request), in few statements; the channels come with their devices.

    Returns the rows in the order of the orders, without their primary keys; nothing is written or pushed for an empty list.
    is_logged: off where the caller's own line says it all. wakes: off where the caller pushes in a time of its own.
    """
    if not orders:
        return []
    commands = [_row(channel, request, actor, None, None) for channel, request in orders]
    with transaction.atomic(savepoint=False):
        insert_many(commands)
        if is_logged:
            emit_many(
                _queued_event(command, channel.device, actor)
                for command, (channel, _) in zip(commands, orders, strict=True)
            )
        if wakes:
            request_push(list({channel.pk for channel, _ in orders}))
            transaction.on_commit(wake_soon)
    return commands


def cancel(command: Command, *, actor: Actor = SYSTEM) -> bool:
    """Take back a command that no device has received. False if it is too late."""
    with transaction.atomic():
        done = Command.objects.filter(pk=command.pk, state=State.QUEUED).update(
            state=State.CANCELLED, finished_at=timezone.now()
        )
        if done:
            emit_many([_cancelled_event(command, command.channel.device, actor)])
    return bool(done)


def withdraw(
    command_uuids: Collection[str], channels: Iterable[Channel], *, actor: Actor = SYSTEM, is_logged: bool = True
) -> set[str]:
    """Cancel those of the commands that no device has received; returns their UUIDs. Call in a transaction.

    is_logged: off where the caller's own line says it all.

    One that is locked is being handed out at this moment: waiting for it, while the caller holds the device and perhaps the
    channel that the device's connect writes to next, could be waiting for each other.
    """
    queued = Command.objects.filter(channel__in=list(channels), state=State.QUEUED)
    done: set[str] = set()
    for some in batches(list(command_uuids)):
        done |= _withdraw(queued.filter(command_uuid__in=some), actor, is_logged=is_logged)
    return done


def _withdraw(queued: QuerySet[Command], actor: Actor, *, is_logged: bool) -> set[str]:
    commands = list(
        queued.select_for_update(of=("self",), skip_locked=True)
        .select_related("channel__device")
        .defer("result", "raw_plist", "secrets")
    )
    now = timezone.now()
    Command.objects.filter(pk__in=[command.pk for command in commands]).update(state=State.CANCELLED, finished_at=now)
    if is_logged:
        emit_many(_cancelled_event(command, command.channel.device, actor) for command in commands)
    return {command.command_uuid for command in commands}


def clear(channel: Channel, *, actor: Actor = SYSTEM, also_sent: bool = False, why: str = "") -> int:
    """Cancel everything that waits on a channel; also_sent where the device forgets what it was given (Authenticate).

    A line for the whole, and one for each command: whoever waits for one of them hears what became of it.
    """
    states = [State.QUEUED, State.SENT] if also_sent else [State.QUEUED]
    now = timezone.now()
    commands = Command.objects.filter(channel=channel)
    with transaction.atomic(savepoint=False):
        count = commands.filter(state__in=states).update(state=State.CANCELLED, finished_at=now)
        if count:
            emit(
                "queue.cleared", account_id=channel.account_id, actor=actor, device=channel.device, count=count, why=why
            )
            cleared = commands.filter(state=State.CANCELLED, finished_at=now).order_by("pk")
            emit_many(
                _cancelled_event(command, channel.device, actor)
                for command in cleared.only("account_id", "command_uuid", "request_type")
            )
    return count


def _row(
    channel: Channel, request: Prepared, actor: Actor, command_uuid: str | None, expires_at: datetime | None
) -> Command:
    command = Command(
        account_id=channel.account_id,
        channel=channel,
        request_type=request.request_type,
        parameters=request.parameters,
        secrets=request.secrets or None,
        actor_label=actor.label,
        source=actor.source,
        expires_at=expires_at,
    )
    if command_uuid:
        command.command_uuid = command_uuid
    return command


def store(channel: Channel, command: Command, actor: Actor) -> Command:
    """Insert a command that was built by its caller, with its line in the log, and wake the device after the commit.

    Raises CommandExists.
    """
    try:
        with transaction.atomic():
            command.save(force_insert=True)
            _queued_event(command, channel.device, actor).save(force_insert=True)
            request_push([channel.pk])
            transaction.on_commit(wake_soon)
    except IntegrityError as error:
        if Command.objects.filter(channel=channel, command_uuid=command.command_uuid).exists():
            raise CommandExists(f"This device has a command with the UUID {command.command_uuid} already") from error
        raise
    return command


def _queued_event(command: Command, device: DeviceLike, actor: Actor) -> Event:
    return _event("command.queued", command, device, actor)


def _cancelled_event(command: Command, device: DeviceLike, actor: Actor) -> Event:
    return _event("command.cancelled", command, device, actor)


def _event(kind: str, command: Command, device: DeviceLike, actor: Actor) -> Event:
    return build(
        kind,
        account_id=command.account_id,
        actor=actor,
        device=device,
        metadata={"request_type": command.request_type, "command_uuid": command.command_uuid},
    )
