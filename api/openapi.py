"""The OpenAPI document as a whole: its headings, what all operations have in common, and the pages that show it."""

from collections.abc import Iterator
from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from api.errors import NOT_FOUND

JSON = "application/json"
MULTIPART = "multipart/form-data"
DESCRIPTION = """\
Sign in by HTTP Basic with an API key as the user name and an empty password.

Parameters may come in the query, as a form, as multipart or as JSON, also mixed. Lists are paged by `limit` and
`starting_after`; `has_more` says whether to go on. What goes wrong is `{"errors": [{"title": …}]}`.
"""
# The headings in the order of the page.
TAGS = {
    "Account": "The account that the API key belongs to.",
    "Devices": "Every device with its attributes, and what it reported of itself.",
    "Device actions": "Commands for one device: queued at once, obeyed when the device connects.",
    "Assigned items": "The profiles and apps that a device should have: why, and how far each has come.",
    "Lost Mode": "Supervised iPhones and iPads that are lost: lock them, find them.",
    "Installed apps": "One app on one device.",
    "Device groups": "Every device is in exactly one.",
    "Assignment groups": "Which apps and profiles go to which devices and device groups.",
    "App groups": "Assignment groups under their older name.",
    "Operations": "Changes for many devices, which reach them little by little.",
    "Apps": "The catalogue: apps of the App Store, and uploaded apps and packages.",
    "Managed app configs": "Keys and values that an app reads from its management.",
    "Profiles": "Profiles of every kind, and where they are assigned.",
    "Custom configuration profiles": "Profiles that you upload.",
    "Custom attributes": "Values for devices, used as variables in profiles, scripts and app configurations. The value of "
    "the device itself counts before those of its groups, these before the default.",
    "Scripts": "Scripts for Macs.",
    "Script jobs": "Scripts that run, or ran in the last month, and what came of it.",
    "Enrollments": "Links by which devices come in.",
    "DEP servers": "Your servers at Apple Business or School Manager, and the devices that Apple lists for them.",
    "Push certificate": "By which Apple's servers wake your devices.",
    "Webhooks": "Addresses that are told of events.",
    "Logs": "What people, programs and devices did.",
    "Raw commands": "Any of Apple's commands, as flat JSON or as a property list.",
}
ERROR = "Error"
# Status → what it means, and a title that comes with it.
ERROR_STATUSES = {
    "400": ("The request cannot be read.", "The JSON body must be an object."),
    "401": ("No API key, or one that is not known.", "Unauthorized"),
    "403": ("The API key may not do this.", "This API key is read-only."),
    "404": ("The object does not exist in this account.", NOT_FOUND),
    "422": (
        "What was asked for makes no sense or is not possible; the title says why.",
        "name: This field is required.",
    ),
    "429": ("Too much in too short a time; see Retry-After.", "Too many requests."),
}
# Of operations that may carry a body.
BODY_STATUSES = {
    "411": ("A body whose length is not told.", "Send the request with a Content-Length."),
    "413": ("The body is too large.", "The request is too large."),
    "415": (
        "A body of an unknown kind.",
        "Content type text/plain is not supported; send JSON, a form or multipart.",
    ),
}
# Of operations that take a command with a UUID of the caller's.
COMMAND_STATUSES = {"409": ("There is a command with this UUID.", "There is a command with this UUID already.")}
COMMAND_PATH = "/v1/commands"
SETTINGS = {
    "DESCRIPTION": DESCRIPTION,
    "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
    "OAS_VERSION": "3.1.0",
    # Files are `binary` in requests only, and read-only keys are no parameters.
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PATH_CONVERTER_OVERRIDES": {"id": int},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.openapi.only_multipart_carries_files",
        "api.openapi.add_errors",
        "api.schema_examples.add_examples",
    ],
}
_SCHEMA_LOCK = Lock()
# Redoc's footer would fetch a picture from its makers' server, and templates their fonts from yet another one.
OWN_SERVER_ONLY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'"
)


class SchemaView(SpectacularAPIView):
    """Anybody may ask for the schema, and to make it takes a second: done once for each process and form of it."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        form = request.accepted_renderer
        kind = f"{form.media_type}; charset={form.charset}" if form.charset else form.media_type
        headers = {"Content-Disposition": f'inline; filename="Pomona API.{form.format}"'}
        return HttpResponse(_rendered(type(form)), content_type=kind, headers=headers)


class SwaggerView(SpectacularSwaggerView):
    url_name = "api-schema"

    def finalize_response(self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:
        return _from_here(super().finalize_response(request, response, *args, **kwargs))


class RedocView(SpectacularRedocView):
    url_name = "api-schema"
    template_name = "api/redoc.html"

    def finalize_response(self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:
        return _from_here(super().finalize_response(request, response, *args, **kwargs))


def only_multipart_carries_files(
    result: dict[str, Any], generator: SchemaGenerator, request: HttpRequest | None, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook: the other encodings are offered without the files, and not at all where one is required."""
    schemas = result["components"]["schemas"]
    for _, _, operation in _operations(result):
        content = operation.get("requestBody", {}).get("content", {})
        name = content.get(MULTIPART, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        shape = schemas.get(name, {})
        files = {key for key, field in shape.get("properties", {}).items() if field.get("format") == "binary"}
        if not files:
            continue
        others = {} if files & set(shape.get("required", ())) else content
        rest = {key: field for key, field in shape["properties"].items() if key not in files}
        without = f"{name.removesuffix('Request')}WithoutFileRequest"
        operation["requestBody"]["content"] = {MULTIPART: content[MULTIPART]} | {
            kind: media | {"schema": {"$ref": f"#/components/schemas/{without}"}}
            for kind, media in others.items()
            if kind != MULTIPART
        }
        if others:
            schemas[without] = shape | {"properties": rest}
    return result


def add_errors(
    result: dict[str, Any], generator: SchemaGenerator, request: HttpRequest | None, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook: the one shape of errors, and the answers that any operation may give."""
    title_shape = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    result["components"]["schemas"][ERROR] = {
        "type": "object",
        "properties": {
            "errors": {"type": "array", "items": title_shape},
            "error": {"type": "string", "description": "The same in one text; raw commands only."},
        },
        "required": ["errors"],
    }
    for path, method, operation in _operations(result):
        statuses = ERROR_STATUSES | ({} if method == "get" else BODY_STATUSES)
        if path.startswith(COMMAND_PATH) and method in ("post", "put"):
            statuses |= COMMAND_STATUSES
        for status, (text, title) in statuses.items():
            operation["responses"].setdefault(status, {"description": text, "content": _error(title)})
    return result


def _error(title: str) -> dict[str, Any]:
    return {
        JSON: {
            "schema": {"$ref": f"#/components/schemas/{ERROR}"},
            "example": {"errors": [{"title": title}]},
        }
    }


@cache
def _rendered(form: type[BaseRenderer]) -> bytes:
    # The patch is the whole process's: a thread that ends first would take the settings from the next one.
    with _SCHEMA_LOCK, patched_settings(SETTINGS):
        schema = SchemaGenerator().get_schema(request=None, public=True)
    return form().render(schema, form.media_type, {})


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation)."""
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _from_here(response: HttpResponse) -> HttpResponse:
    response.headers["Content-Security-Policy"] = OWN_SERVER_ONLY
    return response
