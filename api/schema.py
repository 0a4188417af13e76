"""OpenAPI, operation by operation: the words in which the modules of the resources describe theirs."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from drf_spectacular.drainage import isolate_view_method
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers

FORMS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
LIST_PARAMETERS = [
    OpenApiParameter("limit", int, description="1 to 100; 10 if not given."),
    OpenApiParameter("starting_after", str, description="The id of the last object of the page before."),
    OpenApiParameter("page", int, description="1, 2, …: for clients that count pages instead of using a cursor."),
    OpenApiParameter("direction", str, enum=["asc", "desc"], description="asc if not given."),
]
EMPTY = OpenApiResponse(description="Done; no body.")
ACCEPTED = OpenApiResponse(description="Accepted: it happens when the device connects. No body.")
_CAPITALS = re.compile(r"(?<!^)(?=[A-Z])")


class ApiSchema(AutoSchema):
    def map_parsers(self) -> list[str]:
        """Every write takes its parameters in any of these; files by multipart only, see `api.openapi`."""
        return FORMS if self.view.takes_parameters else FORMS[:1]

    def get_description(self) -> str:
        """What the method's own docstring adds to the summary."""
        return inspect.getdoc(getattr(self.view, self.view.action)) or ""

    def get_tags(self) -> list[str]:
        """The heading under which readers find it: the view's `tag`, else the section that scopes name."""
        return [self.view.tag or self.view.section.replace("_", " ").capitalize()]

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Pages are objects with `data` and `has_more`; the generator would wrap them into an array."""
        return False


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "basic",
            "description": "The API key as the user name, with an empty password.",
        }


def shape(name: str, /, **fields: serializers.Field | serializers.Serializer) -> type[serializers.Serializer]:
    """A dictionary with these keys, called name in the schema."""
    return type(f"{name}Serializer", (serializers.Serializer,), fields)


def reference(type_name: str, *, required: bool = True) -> serializers.Serializer:
    """{data: {type, id}}: a relationship to one object."""
    return _relationship(type_name, False, ())(required=required)


def references(type_name: str, *more: str) -> serializers.Serializer:
    """{data: [{type, id}]}: a relationship to many; more: further keys of each, all text."""
    return _relationship(type_name, True, more)()


@cache
def _relationship(type_name: str, is_many: bool, more: tuple[str, ...]) -> type[serializers.Serializer]:
    name = "".join(part.capitalize() for part in type_name.split("_")) + ("Items" if is_many else "Item")
    fields = {key: serializers.CharField() for key in more}
    item = shape(name, type=type_field(type_name)(), id=serializers.IntegerField(), **fields)
    return shape(f"{name}Relationship", data=item(many=is_many))


@cache
def type_field(type_name: str) -> type[serializers.CharField]:
    """The word by which every object says what it is."""
    field = type("TypeField", (serializers.CharField,), {})
    return extend_schema_field({"type": "string", "example": type_name})(field)


class Resource:
    """The documented form of one type of object: `one` is {data: …}, `many` a page of them.

    identifier: the type of its id; None for the account, which has none. type_name: what `type` says, where that is
    another word than the name.
    """

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, serializers.Field],
        relationships: Mapping[str, serializers.Serializer] | None = None,
        identifier: type[serializers.Field] | None = serializers.IntegerField,
        type_name: str = "",
    ) -> None:
        fields: dict[str, Any] = {"type": type_field(type_name or _CAPITALS.sub("_", name).lower())()}
        if identifier:
            fields["id"] = identifier()
        fields["attributes"] = shape(f"{name}Attributes", **attributes)()
        if relationships:
            fields["relationships"] = shape(f"{name}Links", **relationships)()
        data = shape(name, **fields)
        self.one = shape(f"{name}Object", data=data())
        self.many = shape(f"{name}Page", data=data(many=True), has_more=serializers.BooleanField())


def describe(
    operation: str,
    summary: str,
    *,
    answers: Any = EMPTY,
    status: int = 200,
    takes: type[serializers.Serializer] | dict[str, Any] | None = None,
    query: list[OpenApiParameter] | None = None,
    example: dict[str, Any] | None = None,
) -> Callable:
    """One operation. answers: the shape of its answer; takes: that of its parameters; example: of these, as JSON."""
    described = extend_schema(
        operation_id=operation,
        summary=summary,
        request=takes,
        responses={status: answers},
        parameters=query or [],
        examples=[OpenApiExample("Example", example, request_only=True)] if example else None,
    )

    def decorate(method: Callable) -> Callable:
        method = described(method)
        method.operation = operation
        return method

    return decorate


def under_other_names(rename: Callable[[str], str], description: str) -> Callable[[type], type]:
    """For a view that only repeats its base's operations at other paths: each needs an id of its own in the schema."""

    def decorate(view: type) -> type:
        for name, method in vars(view.__base__).items():
            if hasattr(method, "operation"):
                again = extend_schema(operation_id=rename(method.operation), description=description)
                again(isolate_view_method(view, name))
        return view

    return decorate
