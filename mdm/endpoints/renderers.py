"""Completing a stored command at the moment it is delivered: what varies or is large was left out of the row."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps_catalog.models import App
from apps_catalog.services.delivery import install_request
from apps_catalog.services.managed_configs import configuration_of, settings_of
from devices.models import Device
from devices.services import profile_content
from devices.services.agent_rollout import manifest_for
from devices.services.errors import DeviceError, NotPossible
from devices.services.script_agent import agent_profile
from enrollment.services.profile import renewal_profile
from enrollment.services.return_to_service import erase_and_return
from enrollment.services.setup_accounts import accounts_for
from enrollment.services.signing import signed_if_wanted
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.common.crypto import CannotDecrypt
from mdm.common.text import clean_text
from mdm.endpoints.refusals import refuse
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
    except (ProtocolError, DeviceError, CannotDecrypt) as error:
        raise CannotRender(str(error)) from error
    except (LookupError, ValueError, TypeError) as error:
        # A row of another version of this server. Errors of the database pass: they are no reason to give up.
        raise CannotRender(f"the stored command does not make sense ({type(error).__name__}: {error})") from error


def give_up(command: Command, why: str) -> None:
    """A command that cannot be completed would block the queue: it fails here, with the reason where people see it."""
    why = clean_text(why, 2000)
    with transaction.atomic():
        # Locked as for an answer: what waits for the command is changed by the reconciler too.
        devices = Device.objects.filter(channels=command.channel_id)
        device = devices.select_for_update(of=("self",), no_key=True).get()
        waiting = Command.objects.filter(pk=command.pk, state__in=WAITING)
        if not waiting.update(state=State.FAILED, finished_at=timezone.now(), apply_error=why):
            return  # cancelled at the same moment
        emit(
            "command.undeliverable",
            account_id=command.account_id,
            device=device,
            level=Level.ERROR,
            request_type=command.request_type,
            command_uuid=command.command_uuid,
            why=why,
        )
        refuse(device, command, why)


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


def _profile(command: Command) -> dict[str, Any]:
    """With the values of this moment filled in, where the profile asks for that; signed where the account does so."""
    channel = Channel.objects.select_related("device__account").get(pk=command.channel_id)
    profile, version = command.parameters["profile"], command.parameters["version"]
    content = profile_content.delivered(
        profile, version, channel.device, channel.user_key, command_uuid=command.command_uuid
    )
    return {"Payload": signed_if_wanted(content, channel.device.account)}


def _app(command: Command) -> dict[str, Any]:
    """Addresses that begin to expire now, and the configuration of this moment."""
    device = Channel.objects.select_related("device").get(pk=command.channel_id).device
    app = App.objects.filter(account_id=device.account_id, pk=command.parameters["app"]).first()
    if app is None:
        raise NotPossible("The app was deleted before it was delivered.")
    version = app.versions.filter(pk=command.parameters["version"]).first()
    request = install_request(app, device, version=version, configuration=configuration_of(app, device))
    if request.request_type != command.request_type:
        raise NotPossible(f"{app.name} is not installed by {command.request_type} any more.")
    return to_command(request.request_type, request.parameters)


def _app_configuration(command: Command) -> dict[str, Any]:
    """The values of this moment."""
    device = Channel.objects.select_related("device__group").get(pk=command.channel_id).device
    app = App.objects.filter(account_id=device.account_id, pk=command.parameters["app"]).first()
    if app is None:
        raise NotPossible("The app was deleted from the catalogue.")
    return settings_of(app, device)


def _script_agent(command: Command) -> dict[str, Any]:
    """The token stays out of the queue."""
    channel = Channel.objects.select_related("device__account").get(pk=command.channel_id)
    return {"Payload": agent_profile(channel.device)}


def _agent_package(command: Command) -> dict[str, Any]:
    """The package of this moment: it may be another than when the command was queued."""
    device = Channel.objects.select_related("device__account").get(pk=command.channel_id).device
    return {"Manifest": manifest_for(device)}


_RECIPES: dict[str, Callable[[Command], dict[str, Any]]] = {
    "enrollment_profile": _enrollment_profile,
    "profile": _profile,
    "app": _app,
    "app_configuration": _app_configuration,
    "return_to_service": erase_and_return,
    "script_agent": _script_agent,
    "agent_package": _agent_package,
    "account_configuration": accounts_for,
}
