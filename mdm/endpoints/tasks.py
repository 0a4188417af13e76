"""Reading stored answers into the inventory and the log, in batches."""

import logging

from celery import shared_task
from django.db import transaction

from devices.models import Device
from devices.results.facts import jsonable
from enrollment.tasks import release_waiting_devices
from mdm.accounts.actors import DEVICE
from mdm.commands import answers
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.common.nudge import nudge
from mdm.endpoints.refusals import refuse, why_refused
from mdm.endpoints.results import RESULTS
from mdm.events.models import Event, Level
from mdm.events.services import build, emit_many
from mdm.protocol import report

logger = logging.getLogger("pomona.results")


@shared_task
def apply_results() -> int:
    """Take stored answers until none is left. Several workers may run: each claims its own rows."""
    total = 0
    while count := apply_batch():
        total += count
    return total


def apply_batch() -> int:
    """One claim. Each answer has a savepoint of its own: one that cannot be read undoes nothing of the others."""
    with answers.claim() as commands:
        devices = _lock_devices(commands)
        events: list[Event] = []
        for command in commands:
            device = devices[command.channel.device_id]
            try:
                _apply(device, command)
                events.append(_finished(device, command))
            except Exception as error:  # whatever a device sent: the answer stays stored, marked and is tried again
                logger.exception("the answer to %s %s could not be read", command.request_type, command.command_uuid)
                device.refresh_from_db()  # without what the function had set before it failed
                if answers.mark_failed(command, f"{type(error).__name__}: {error}"):
                    events.append(_unreadable(device, command))
        emit_many(events)
    if any(command.channel.awaiting_configuration for command in commands):
        nudge(release_waiting_devices)
    return len(commands)


def _lock_devices(commands: list[Command]) -> dict[int, Device]:
    """The devices of a batch, one object each: an answer builds on what the one before it stored.

    Locked in the order of their keys, so that workers with answers of the same devices wait and do not deadlock. no_key: a
    message of a device that holds its channel and only writes a line about the device need not wait for us.
    """
    ids = {command.channel.device_id for command in commands}
    locked = Device.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    return {device.pk: device for device in locked}


def _apply(device: Device, command: Command) -> None:
    answer = report.answer(command.result)
    if command.state == State.FAILED:
        command.error_chain = jsonable(report.error_chain(answer))
        with transaction.atomic():
            refuse(device, command, why_refused(command))
    elif functions := RESULTS.get(command.request_type):
        with transaction.atomic():
            for function in functions:
                function(device, answer, command)
    answers.mark_applied(command)


def _finished(device: Device, command: Command) -> Event:
    failed = command.state == State.FAILED
    metadata = {"request_type": command.request_type, "command_uuid": command.command_uuid, "status": command.status}
    if failed:
        metadata["error_chain"] = command.error_chain
    return build(
        "command.failed" if failed else "command.acknowledged",
        account_id=command.account_id,
        actor=DEVICE,
        device=device,
        level=Level.WARNING if failed else Level.INFO,
        metadata=metadata,
    )


def _unreadable(device: Device, command: Command) -> Event:
    return build(
        "result.failed",
        account_id=command.account_id,
        device=device,
        level=Level.ERROR,
        metadata={
            "request_type": command.request_type,
            "command_uuid": command.command_uuid,
            "why": command.apply_error,
        },
    )
