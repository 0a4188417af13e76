"""Custom attributes of the account. Their id is their name, whose case makes no difference in paths."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, Resource, describe
from api.v1.base import ResourceView, resource
from api.v1.secrets import Secrets, SecretsFilter, require_secrets
from api.views import empty
from devices.models import CustomAttribute
from devices.services.attributes import (
    MAX_VALUE_BYTES,
    change_attribute,
    create_attribute,
    default_of,
    delete_attribute,
    named,
)

OF = "custom_attribute"  # in the log
CUSTOM_ATTRIBUTE = Resource(
    "CustomAttribute",
    {
        "name": serializers.CharField(),
        "default_value": serializers.CharField(help_text="Empty if there is none; of a secret one unless asked for."),
        "secret": serializers.BooleanField(),
    },
    identifier=serializers.CharField,
)


class ValueField(serializers.CharField):
    """A value as it is, spaces and all; null and nothing are an empty one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=MAX_VALUE_BYTES, allow_blank=True, allow_null=True, trim_whitespace=False, **options
        )

    def run_validation(self, data: Any = serializers.empty) -> str:
        """Null comes out as an empty text."""
        return super().run_validation(data) or ""


class AttributeChange(serializers.Serializer):
    default_value = ValueField(required=False)
    secret = serializers.BooleanField(required=False)


class NewAttribute(AttributeChange):
    name = serializers.CharField()


class CustomAttributesView(ResourceView):
    section = "custom_attributes"

    @describe(
        "custom_attributes_list",
        "List custom attributes",
        answers=CUSTOM_ATTRIBUTE.many,
        query=[SecretsFilter, *LIST_PARAMETERS],
    )
    def list(self, request: Request) -> Response:
        secrets = Secrets(request, of=OF)
        answer = self.page(self.rows(CustomAttribute), encoder(secrets), find_cursor=self._cursor)
        secrets.log()
        return answer

    @describe(
        "custom_attributes_retrieve", "Show a custom attribute", answers=CUSTOM_ATTRIBUTE.one, query=[SecretsFilter]
    )
    def retrieve(self, request: Request, name: str) -> Response:
        return self._answer(find_attribute(self, name), Secrets(request, of=OF))

    @describe(
        "custom_attributes_create",
        "Define a custom attribute",
        answers=CUSTOM_ATTRIBUTE.one,
        status=201,
        takes=NewAttribute,
        example={"name": "room", "default_value": "none"},
    )
    def create(self, request: Request) -> Response:
        secrets = Secrets(request, of=OF)
        given = self.read(NewAttribute)
        attribute = create_attribute(
            request.account,
            name=given["name"],
            default_value=given.get("default_value", ""),
            is_secret=given.get("secret", False),
            actor=request.actor,
        )
        return self._answer(attribute, secrets, status=201)

    @describe(
        "custom_attributes_update",
        "Change the default or the secrecy of an attribute",
        status=204,
        takes=AttributeChange,
        example={"default_value": "none"},
    )
    def update(self, request: Request, name: str) -> HttpResponse:
        return self._change(name)

    @describe(
        "custom_attributes_replace",
        "Change an attribute, as by PATCH",
        status=204,
        takes=AttributeChange,
        example={"default_value": "none"},
    )
    def replace(self, request: Request, name: str) -> HttpResponse:
        return self._change(name)

    @describe("custom_attributes_delete", "Delete a custom attribute with all its values", status=204)
    def destroy(self, request: Request, name: str) -> HttpResponse:
        delete_attribute(find_attribute(self, name), request.actor)
        return empty(204)

    def _change(self, name: str) -> HttpResponse:
        attribute = find_attribute(self, name)
        given = self.read(AttributeChange)
        is_secret = given.get("secret")
        if attribute.is_secret and is_secret is False:
            require_secrets(self.request)  # everybody who reads would see its values
        change_attribute(
            attribute, default_value=given.get("default_value"), is_secret=is_secret, actor=self.request.actor
        )
        return empty(204)

    def _answer(self, attribute: CustomAttribute, secrets: Secrets, *, status: int = 200) -> Response:
        answer = self.one(attribute, encoder(secrets), status=status)
        secrets.log()
        return answer

    def _cursor(self, name: str) -> int:
        return find_attribute(self, name).pk


def find_attribute(view: ResourceView, name: str) -> CustomAttribute:
    """404 for a name that the account does not have."""
    attribute = named(view.rows(CustomAttribute), name).first()
    if attribute is None:
        raise Http404
    return attribute


def encoder(secrets: Secrets) -> Callable[[CustomAttribute], dict[str, Any]]:
    def encode(attribute: CustomAttribute) -> dict[str, Any]:
        default = secrets.value(default_of(attribute), attribute.name, attribute.pk)
        attributes = {"name": attribute.name, "default_value": default, "secret": attribute.is_secret}
        return resource("custom_attribute", attribute.name, attributes)

    return encode
