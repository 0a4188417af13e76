"""OpenAPI: the shapes that the resources' modules declare, and what all operations have in common."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework import serializers

FORMS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
ERROR = "Error"
# Of every operation; 404, 409 and the like come with the operations that have an object to miss.
ERROR_STATUSES = {
    "400": "The request cannot be read.",
    "401": "No API key, or one that is not known.",
    "403": "The API key is read-only.",
    "404": "The object does not exist in this account.",
    "422": "What was asked for makes no sense or is not possible; the title says why.",
    "429": "Too much in too short a time; see Retry-After.",
}
LIST_PARAMETERS = [
    OpenApiParameter("limit", int, description="1 to 100; 10 if not given."),
    OpenApiParameter("starting_after", str, description="The id of the last object of the page before."),
    OpenApiParameter("page", int, description="1, 2, …: for clients that count pages instead of using a cursor."),
    OpenApiParameter("direction", str, enum=["asc", "desc"], description="asc if not given."),
]
EMPTY = OpenApiResponse(description="Done; no body.")
ACCEPTED = OpenApiResponse(description="Accepted: it happens when the device connects. No body.")
SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PATH_CONVERTER_OVERRIDES": {"id": int},
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "api.schema.add_errors"],
}


class ApiSchema(AutoSchema):
    def map_parsers(self) -> list[str]:
        """Every write takes its parameters in any of these."""
        return FORMS


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "basic",
            "description": "The API key as the user name, with an empty password.",
        }


class SchemaView(SpectacularAPIView):
    custom_settings = SETTINGS


class SwaggerView(SpectacularSwaggerView):
    url_name = "api-schema"


def shape(name: str, /, **fields: serializers.Field | serializers.Serializer) -> type[serializers.Serializer]:
    """A dictionary with these keys, called name in the schema."""
    return type(f"{name}Serializer", (serializers.Serializer,), fields)


def reference(type_name: str) -> serializers.Serializer:
    """{data: {type, id}}: a relationship to one object."""
    return _relationship(type_name, False, ())()


def references(type_name: str, *more: str) -> serializers.Serializer:
    """{data: [{type, id}]}: a relationship to many; more: further keys of each, all text."""
    return _relationship(type_name, True, more)()


@cache
def _relationship(type_name: str, is_many: bool, more: tuple[str, ...]) -> type[serializers.Serializer]:
    name = "".join(part.capitalize() for part in type_name.split("_")) + ("Items" if is_many else "Item")
    fields = {key: serializers.CharField() for key in more}
    item = shape(name, type=serializers.CharField(), id=serializers.IntegerField(), **fields)
    return shape(f"{name}Relationship", data=item(many=is_many))


class Resource:
    """The documented form of one type of object: `one` is {data: …}, `many` a page of them.

    identifier: the type of its id; None for the account, which has none.
    """

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, serializers.Field],
        relationships: Mapping[str, serializers.Serializer] | None = None,
        identifier: type[serializers.Field] | None = serializers.IntegerField,
    ) -> None:
        fields: dict[str, Any] = {"type": serializers.CharField()}
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
    takes: type[serializers.Serializer] | None = None,
    query: list[OpenApiParameter] | None = None,
) -> Callable:
    """One operation. answers: the shape of its answer; takes: that of its parameters."""
    return extend_schema(
        operation_id=operation,
        summary=summary,
        request=takes,
        responses={status: answers},
        parameters=query or [],
    )


def add_errors(
    result: dict[str, Any], generator: SchemaGenerator, request: HttpRequest | None, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook: the one shape of errors, and the answers that any operation may give."""
    title = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    result["components"]["schemas"][ERROR] = {
        "type": "object",
        "properties": {"errors": {"type": "array", "items": title}, "error": {"type": "string"}},
        "required": ["errors"],
    }
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ERROR}"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            for status, text in ERROR_STATUSES.items():
                operation["responses"].setdefault(status, {"description": text, "content": content})
    return result
