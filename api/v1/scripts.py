"""Scripts, which script jobs run on Macs."""

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe
from api.times import iso
from api.v1.base import ResourceView, resource
from api.v1.fields import Upload
from api.views import empty
from devices.models import Script
from devices.services.scripts import MAX_BYTES, create_script, delete_script, update_script

SCRIPT = Resource(
    "Script",
    {
        "name": serializers.CharField(),
        "content": serializers.CharField(help_text="As it was uploaded, line ends included."),
        "variable_support": serializers.BooleanField(),
        "created_at": serializers.DateTimeField(),
        "updated_at": serializers.DateTimeField(),
    },
)


class ScriptChange(serializers.Serializer):
    name = serializers.CharField(max_length=255, required=False)
    variable_support = serializers.BooleanField(
        required=False, help_text="Fill in the device's variables, such as {{serial_number}}."
    )
    file = Upload(max_bytes=MAX_BYTES, required=False)
    content = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, help_text="Instead of file: the script as text."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The script comes out as bytes under `content`, whichever way it came."""
        if "file" in attrs and "content" in attrs:
            raise serializers.ValidationError("Give either file or content, not both.")
        if "file" in attrs:
            attrs["content"] = attrs.pop("file")
        elif "content" in attrs:
            attrs["content"] = attrs["content"].encode()
        return attrs


class NewScript(ScriptChange):
    name = serializers.CharField(max_length=255)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "content" not in attrs:
            raise serializers.ValidationError("Give the script, either as file or as content.")
        return attrs


def encode_script(script: Script) -> dict[str, Any]:
    attributes = {
        "name": script.name,
        "content": script.content,
        "variable_support": script.variable_support,
        "created_at": iso(script.created_at),
        "updated_at": iso(script.updated_at),
    }
    return resource("script", script.pk, attributes)


class ScriptsView(ResourceView):
    section = "scripts"

    @describe("scripts_list", "List scripts", answers=SCRIPT.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        return self.page(self.rows(Script), encode_script)

    @describe("scripts_retrieve", "Retrieve a script", answers=SCRIPT.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.find(self.rows(Script), pk), encode_script)

    @describe("scripts_create", "Upload a script", answers=SCRIPT.one, status=201, takes=NewScript)
    def create(self, request: Request) -> Response:
        script = create_script(request.account, **self.read(NewScript), actor=request.actor)
        return self.one(script, encode_script, status=201)

    @describe("scripts_update", "Change a script; jobs keep theirs", answers=SCRIPT.one, takes=ScriptChange)
    def update(self, request: Request, pk: int) -> Response:
        script = self.find(self.rows(Script), pk)
        update_script(script, **self.read(ScriptChange), actor=request.actor)
        return self.one(script, encode_script)

    @describe("scripts_delete", "Delete a script; jobs keep theirs", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_script(self.find(self.rows(Script), pk), request.actor)
        return empty(204)
