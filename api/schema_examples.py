"""Examples in the OpenAPI schema: of every answer and of every set of parameters, made from the shapes themselves.

A field's example is found by its name, else by its format or type; a shape that changes changes its example.
"""

from typing import Any

from django.http import HttpRequest
from drf_spectacular.generators import SchemaGenerator

# By the name of the field, where its type allows it.
NAMED: dict[str, Any] = {
    "name": "Reception",
    "device_name": "Reception",
    "serial_number": "C02XL0THJHD3",
    "udid": "4A08359C-1D3A-5D3E-939E-FFA6A561321D",
    "unique_identifier": "4A08359C-1D3A-5D3E-939E-FFA6A561321D",
    "os_version": "17.5.1",
    "model_name": "iPhone 15",
    "product_name": "iPhone15,4",
    "identifier": "com.example.app",
    "bundle_identifier": "com.example.app",
    "profile_identifier": "com.example.wifi",
    "app_store_id": 361309726,
    "itunes_store_id": 361309726,
    "pin": "123456",
    "message": "Please call the number below.",
    "phone_number": "+15555550123",
    "time_zone": "Europe/Berlin",
    "contact": "person@example.com",
    "email": "person@example.com",
    "apple_id": "apple@example.com",
    "apple_store_country_code": "US",
    "url": "https://example.com/hook",
    "value": "Building 4",
    "version": "2.2",
    "short_version": "2.2",
    "content": "#!/bin/sh\necho Hello\n",
    "request_type": "DeviceInformation",
    "command_uuid": "8E9B1F2C-6D50-4C1E-9F0A-3B7D5E2A1C4F",
    "at": "07/01/24 21:32:19",
    "battery_level": "93%",
}
BY_FORMAT = {
    "date-time": "2024-07-01T21:32:19.000Z",
    "date": "2024-07-01",
    "uri": "https://example.com/",
    "email": "person@example.com",
    "uuid": "8e9b1f2c-6d50-4c1e-9f0a-3b7d5e2a1c4f",
    "double": 1.5,
}
BY_TYPE = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}
MAX_DEPTH = 12


def add_examples(
    result: dict[str, Any], generator: SchemaGenerator, request: HttpRequest | None, public: bool
) -> dict[str, Any]:
    """drf-spectacular's hook. Files have no example."""
    schemas = result["components"]["schemas"]
    for operations in result["paths"].values():
        for operation in operations.values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for answer in operation["responses"].values()]
            for content in contents:
                for kind, media in content.items():
                    if kind in ("application/json", "application/x-www-form-urlencoded") and "examples" not in media:
                        media.setdefault("example", example_of(media["schema"], schemas))
    return result


def example_of(schema: dict[str, Any], schemas: dict[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value that the schema allows."""
    if "example" in schema:
        return schema["example"]
    if "enum" in schema:
        return next((value for value in schema["enum"] if value not in (None, "")), schema["enum"][0])
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    for combined in ("allOf", "oneOf", "anyOf"):
        if combined in schema:
            return example_of(schema[combined][0], schemas, name, depth)
    kind = schema.get("type", "object")
    kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
    if kind == "object":
        fields = schema.get("properties", {}) if depth < MAX_DEPTH else {}
        return {key: example_of(field, schemas, key, depth + 1) for key, field in fields.items()}
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, name, depth + 1)]
    return _scalar(schema, kind, name)


def _scalar(schema: dict[str, Any], kind: str, name: str) -> Any:
    named = NAMED.get(name)
    if named is not None and "format" not in schema and isinstance(named, str) == (kind == "string"):
        return named
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    value = BY_TYPE[kind]
    return max(value, schema["minimum"]) if kind in ("integer", "number") and "minimum" in schema else value
