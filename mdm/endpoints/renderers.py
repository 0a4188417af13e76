"""Completing a stored command at the moment it is delivered: what varies or is large was left out of the row."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from enrollment.services.profile import renewal_profile
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.common.crypto import CannotDecrypt
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol import plist
from mdm.protocol.command import render
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import join_secrets, to_command


class CannotRender(Exception):
    """The command cannot be completed; the text says why."""


def complete(command: Command) -> bytes:
    """The command's plist as the device gets it. Raises CannotRender."""
    try:
        return render(command.command_uuid, _command(command))
    except (ProtocolError, CannotDecrypt) as error:
        raise CannotRender(str(error)) from error
    except (LookupError, ValueError, TypeError) as error:
        # A row of another version of this server. Errors of the database pass: they are no reason to give up.
        raise CannotRender(f"the stored command does not make sense ({type(error).__name__}: {error})") from error


def give_up(command: Command, why: str) -> None:
    """A command that cannot be completed would block the queue: it fails here, with the reason where people see it."""
    with transaction.atomic():
        waiting = Command.objects.filter(pk=command.pk, state__in=WAITING)
        if not waiting.update(state=State.FAILED, finished_at=timezone.now(), apply_error=clean_text(why, 2000)):
            return  # cancelled at the same moment
        channel = Channel.objects.select_related("device").get(pk=command.channel_id)
        emit(
            "command.undeliverable",
            account_id=command.account_id,
            device=channel.device,
            level=Level.ERROR,
            request_type=command.request_type,
            command_uuid=command.command_uuid,
            why=why,
        )


def _command(command: Command) -> Mapping[str, Any]:
    if command.raw_plist:
        return plist.loads(command.raw_plist)
    recipe = command.parameters.get("Recipe")
    if recipe is not None:
        return {"RequestType": command.request_type, **_RECIPES[recipe](command)}
    return to_command(command.request_type, join_secrets(command.parameters, command.secrets or {}))


def _enrollment_profile(command: Command) -> dict[str, Any]:
    """A fresh challenge each time: the profile that the device installs renews its identity certificate."""
    channel = Channel.objects.select_related("device").get(pk=command.channel_id)
    return {"Payload": renewal_profile(channel.device)}


_RECIPES: dict[str, Callable[[Command], dict[str, Any]]] = {"enrollment_profile": _enrollment_profile}
