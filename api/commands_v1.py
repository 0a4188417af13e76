"""The raw command endpoint: any of Apple's commands as flat JSON, or a whole property list; the queue of a device; a push."""

import base64
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.parsing import MAX_BODY_BYTES, check_length, load_json
from api.schema import describe, shape
from api.views import ApiView
from devices.models import Device
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send, send_raw, target_of
from mdm.accounts.models import ApiKey
from mdm.channels.services import request_push
from mdm.commands.models import Command
from mdm.commands.services import clear
from mdm.commands.states import WAITING
from mdm.protocol import plist
from mdm.protocol.command import render
from mdm.protocol.report import MAX_COMMAND_UUID_LENGTH
from mdm.protocol.request_types import Request as CommandRequest
from mdm.protocol.request_types import from_snake_case, join_secrets, to_command, to_snake_case, with_defaults
from mdm.push.tasks import wake_soon

_ENVELOPE = ("udid", "request_type", "command_uuid")
_COMMAND = {
    "command_uuid": serializers.CharField(required=False, help_text="Yours; Pomona makes one otherwise."),
    "udid": serializers.CharField(help_text="UDID, or EnrollmentID of a user enrollment."),
    "request_type": serializers.CharField(help_text="Apple's name, such as DeviceInformation."),
}
NEW_COMMAND = shape("RawCommand", **_COMMAND)
SENT_COMMAND = shape(
    "SentCommand",
    payload=shape(
        "SentCommandPayload",
        command_uuid=serializers.CharField(),
        CommandUUID=serializers.CharField(),
        command=shape("SentSnakeCaseCommand", request_type=serializers.CharField())(),
        Command=shape("SentAppleCommand", request_type=serializers.CharField(), RequestType=serializers.CharField())(),
    )(),
)
SENT_PLIST = shape(
    "SentPlist",
    payload=shape(
        "SentPlistPayload",
        udid=serializers.CharField(),
        command_uuid=serializers.CharField(),
        command=serializers.DictField(),
        payload=serializers.CharField(help_text="base64 of the property list."),
    )(),
)
QUEUE = shape(
    "CommandQueue",
    commands=shape("QueuedCommand", uuid=serializers.CharField(), payload=serializers.CharField())(many=True),
)
PROPERTY_LIST = {"application/xml": OpenApiTypes.BINARY}
PUSHED = shape("Pushed", status=serializers.CharField())


class RawView(ApiView):
    """Bodies are read as what the path says, whatever the Content-Type: curl calls all of them forms."""

    section = "commands"
    tag = "Raw commands"
    takes_parameters = False

    def body(self) -> bytes:
        request = self.request._request
        check_length(request, MAX_BODY_BYTES)
        return request.body

    def device(self, udid: str) -> Device:
        device = self.rows(Device).filter(Q(udid=udid) | Q(enrollment_id=udid)).first() if udid else None
        if device is None:
            raise Http404
        return device


class CommandsView(RawView):
    @describe("commands_send", "Send a command as flat JSON", answers=SENT_COMMAND, status=201, takes=NEW_COMMAND)
    def create(self, request: Request) -> Response:
        """The command's own keys stand beside these, in snake_case. Read as JSON whatever the Content-Type says."""
        body = load_json(self.body())
        udid, request_type = (_required(body, name) for name in ("udid", "request_type"))
        device = self.device(udid)
        target = target_of(device)
        parameters = with_defaults(request_type, from_snake_case(request_type, body), target.platform)
        command = send(
            device,
            CommandRequest(request_type, parameters),
            actor=request.actor,
            command_uuid=_command_uuid(body),
        )
        return Response({"payload": _payload(command)}, status=201)


class QueueView(RawView):
    @describe("commands_queue", "List the commands that wait for a device", answers=QUEUE)
    def list(self, request: Request, udid: str) -> Response:
        device = self.device(udid)
        waiting = Command.objects.filter(channel__in=device.channels.filter(user_key=""), state__in=WAITING)
        shows_secrets = request.api_key.access == ApiKey.Access.READ_WRITE
        commands = [
            {"uuid": command.command_uuid, "payload": _plist(command, shows_secrets=shows_secrets)}
            for command in waiting.order_by("pk").defer("result")
        ]
        return Response({"commands": commands})

    @describe("commands_clear", "Cancel what the device has not received yet", answers=OpenApiTypes.OBJECT)
    def destroy(self, request: Request, udid: str) -> Response:
        for channel in self.device(udid).channels.filter(user_key="").select_related("device"):
            clear(channel, actor=request.actor, why="cleared through the API")
        return Response({})

    @describe(
        "commands_send_plist", "Send a property list as it is", answers=SENT_PLIST, status=201, takes=PROPERTY_LIST
    )
    def create(self, request: Request, udid: str) -> Response:
        command = send_raw(self.device(udid), self.body(), actor=request.actor)
        payload = {
            "udid": udid,
            "command_uuid": command.command_uuid,
            "command": {"request_type": command.request_type},
            "payload": _plist(command, shows_secrets=True),
        }
        return Response({"payload": payload}, status=201)

    @describe(
        "commands_put_plist", "Send a property list, as by POST", answers=SENT_PLIST, status=201, takes=PROPERTY_LIST
    )
    def replace(self, request: Request, udid: str) -> Response:
        return self.create(request, udid)


class PushView(RawView):
    """A GET that does something: a read-only key is not enough."""

    changes_always = True

    @describe("push", "Wake a device, so that it connects", answers=PUSHED)
    def push(self, request: Request, udid: str) -> Response:
        channel = find_channel(self.device(udid))
        with transaction.atomic():
            if not request_push([channel.pk]):
                raise NotPossible("The device has no push token that works.")
            transaction.on_commit(wake_soon)
        return Response({"status": "success"})


def _required(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise ApiError(400, f"{name} is required.")
    if not isinstance(value, str):
        raise ApiError(400, f"{name} must be a string.")
    return value


def _command_uuid(body: dict[str, Any]) -> str | None:
    value = body.get("command_uuid")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_COMMAND_UUID_LENGTH or not value.isprintable():
        raise ApiError(400, f"command_uuid must be a string of at most {MAX_COMMAND_UUID_LENGTH} printable characters.")
    return value


def _payload(command: Command) -> dict[str, Any]:
    """Clients of different ages look for either spelling; under Command, too, some look for request_type."""
    parameters = join_secrets(command.parameters, command.secrets or {})
    name = {"request_type": command.request_type}
    return {
        "command_uuid": command.command_uuid,
        "CommandUUID": command.command_uuid,
        "command": name | to_snake_case(command.request_type, parameters),
        "Command": name | {"RequestType": command.request_type} | parameters,
    }


def _plist(command: Command, *, shows_secrets: bool) -> str:
    """base64 of what the device gets; nothing but its name where that may hold secrets the caller must not see.

    Parts that are made at delivery (a renewed profile) are not in it.
    """
    body: dict[str, Any] = {"RequestType": command.request_type}
    if shows_secrets or not (command.raw_plist or command.secrets):
        if command.raw_plist:
            body = plist.loads(command.raw_plist)
        elif "Recipe" not in command.parameters:
            body = to_command(command.request_type, join_secrets(command.parameters, command.secrets or {}))
    return base64.b64encode(render(command.command_uuid, body)).decode()
