"""Managed app configurations: keys and values that an app reads from its management."""

import json
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import ACCEPTED, LIST_PARAMETERS, Resource, describe
from api.v1.base import ResourceView, resource
from api.v1.fields import choice
from api.views import empty
from apps_catalog.models import App, ManagedConfig, ValueType
from apps_catalog.services.config_values import MAX_VALUE_LENGTH
from apps_catalog.services.managed_configs import push, remove_config, set_config

MANAGED_CONFIG = Resource(
    "ManagedConfig",
    {
        "key": serializers.CharField(),
        "value": serializers.CharField(),
        "value_type": serializers.ChoiceField(ValueType.choices),
    },
)


class ValueField(serializers.CharField):
    """Text as it is; numbers, booleans and lists of a JSON body become the text that stands for them."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, list):
            data = ",".join(_item(item) for item in data)
        elif isinstance(data, bool):
            data = json.dumps(data)
        return super().to_internal_value(data)


class NewManagedConfig(serializers.Serializer):
    key = serializers.CharField(max_length=255)
    value = ValueField(
        allow_blank=True,
        trim_whitespace=False,
        max_length=MAX_VALUE_LENGTH,
        help_text='As its type is written: 1, 0.5, 2017-01-01T12:31:15-07:00, "one","two". Variables are filled in.',
    )
    value_type = choice(ValueType.choices)


def _item(item: Any) -> str:
    """Texts in quotes, as a string array is written."""
    if isinstance(item, str):
        return '"' + item.replace('"', '""') + '"'
    return json.dumps(item)


def encode_managed_config(config: ManagedConfig) -> dict[str, Any]:
    attributes = {"key": config.key, "value": config.value, "value_type": config.value_type}
    return resource("managed_config", config.pk, attributes)


class ManagedAppConfigsView(ResourceView):
    section = "apps"
    tag = "Managed app configs"

    @describe(
        "managed_configs_list",
        "List the managed configuration of an app",
        answers=MANAGED_CONFIG.many,
        query=[*LIST_PARAMETERS],
    )
    def list(self, request: Request, pk: int) -> Response:
        app = self.find(self.rows(App), pk)
        return self.page(self.rows(ManagedConfig).filter(app=app), encode_managed_config)

    @describe(
        "managed_configs_create",
        "Give a key of an app's configuration a value, in place of the one that it has; push sends it to devices",
        answers=MANAGED_CONFIG.one,
        status=201,
        takes=NewManagedConfig,
        example={"key": "server", "value": "vpn.example.com", "value_type": "string"},
    )
    def create(self, request: Request, pk: int) -> Response:
        app = self.find(self.rows(App), pk)
        config = set_config(app, **self.read(NewManagedConfig), actor=request.actor)
        return self.one(config, encode_managed_config, status=201)

    @describe("managed_configs_delete", "Take a key out of an app's configuration", status=204)
    def destroy(self, request: Request, pk: int, config_id: int) -> HttpResponse:
        app = self.find(self.rows(App), pk)
        configs = self.rows(ManagedConfig).filter(app=app).select_related("app")
        remove_config(self.find(configs, config_id), actor=request.actor)
        return empty(204)

    @describe(
        "managed_configs_push",
        "Send an app's configuration to the devices that have the app from us",
        answers=ACCEPTED,
        status=202,
    )
    def push(self, request: Request, pk: int) -> HttpResponse:
        push(self.find(self.rows(App), pk), actor=request.actor)
        return empty(202)
