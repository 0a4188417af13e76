"""The raw endpoint's flat JSON: snake_case for Apple's keys, both ways.

Apple's own spelling is accepted as well, and whatever differs only in capitals, "_" and "-" (`username`, `hostname`).
Clients of the same API also send what this module forgives: nulls and empty PINs for "not given",
empty keys that belong to another setting, numbers as strings, an app configuration as base64 of a property list.
"""

from collections.abc import Mapping
from typing import Any

from mdm.protocol import plist
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types.catalogue import find
from mdm.protocol.request_types.cleaning import MAX_ENTRIES, alternative, join, unknown_key
from mdm.protocol.request_types.errors import InvalidCommand
from mdm.protocol.request_types.names import folded, snake_case
from mdm.protocol.request_types.schema import Parameter
from mdm.protocol.request_types.values import decode_data, expected

# Keys of the request around the command.
_ENVELOPE = frozenset({"udid", "requesttype", "commanduuid"})

# Spellings that no rule explains: a slip in the API's first implementation, and an 's' too many.
_ALIASES = {
    ("InstalledApplicationList", "managedappdonly"): "ManagedAppsOnly",
    ("ActiveNSExtensions", "filterextensionspoints"): "FilterExtensionPoints",
}

# Keys that Apple no longer has for these request types; harmless as long as they ask for nothing.
_GONE = frozenset(
    {
        ("SetFirmwarePassword", "requestrequiresnetworktether"),
        ("SetRecoveryLock", "requestrequiresnetworktether"),
        ("SetRecoveryLock", "alloworoms"),
    }
)

# A manifest's own keys are neither snake_case nor Apple's usual capitals. Source: Apple, "ManifestURL".
_MANIFEST_KEYS = {
    folded(key): key
    for key in (
        *("items", "assets", "kind", "md5-size", "md5s", "sha256-size", "sha256s", "url", "needs-shine"),
        *("metadata", "bundle-identifier", "bundle-version", "sizeInBytes", "subtitle", "title"),
    )
} | {"manifestitems": "items"}


def from_snake_case(request_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with Apple's keys from a flat JSON body; `udid`, `request_type` and `command_uuid` are passed over.

    Only names are translated: run `clean` on the outcome. Raises InvalidCommand naming an unknown or repeated key.
    """
    definition = find(request_type)
    if not isinstance(body, Mapping):
        raise InvalidCommand(str(expected("a dictionary", body)))
    own = {}
    for key, value in body.items():
        name = folded(key) if isinstance(key, str) else ""
        if name in _ENVELOPE or ((definition.name, name) in _GONE and not value):
            continue
        own[_ALIASES.get((definition.name, name), key)] = value
    return _apples(definition.parameters, own, "")


def to_snake_case(request_type: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Apple's keys as snake_case, for the endpoint's answer; free subtrees keep their own keys."""
    return _snakes(find(request_type).parameters, parameters)


def _apples(
    parameters: tuple[Parameter, ...], body: Mapping[Any, Any], path: str, siblings: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """siblings: folded keys of the other alternatives; an empty value under one of them means "not given"."""
    by_name = {folded(parameter.key): parameter for parameter in parameters}
    found: dict[str, Any] = {}
    for key, value in body.items():
        parameter = by_name.get(folded(key)) if isinstance(key, str) else None
        if parameter is None:
            if isinstance(key, str) and folded(key) in siblings and value in (None, "", False):
                continue
            raise unknown_key(key, [snake_case(known.key) for known in parameters], path)
        if parameter.key in found:
            raise InvalidCommand(f"{join(path, key)}: given twice, in two spellings")
        if value is not None and not (value == "" and parameter.format and not parameter.required):
            found[parameter.key] = _apple(parameter, value, join(path, key))
    return found


def _apple(parameter: Parameter, value: Any, path: str) -> Any:
    if parameter.key == "Manifest":
        return _manifest(value)
    if parameter.is_free and isinstance(value, str) and value:
        return _from_plist(value, path)
    if isinstance(value, Mapping) and parameter.type == "dictionary" and not parameter.is_free:
        return _apples(parameter.children, value, path)
    if isinstance(value, list) and parameter.item is not None:
        return [_apple(parameter.item, entry, f"{path}[{index}]") for index, entry in enumerate(value)]
    if isinstance(value, list) and parameter.type == "array":
        return _alternatives(parameter.alternatives, value, path)
    if (
        parameter.type == "integer"
        and isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) < 20
    ):
        return int(value)
    if parameter.key == "iTunesStoreID" and parameter.type == "string" and isinstance(value, int):
        return str(value)
    return value


def _alternatives(shapes: Mapping[str, Parameter], entries: list[Any], path: str) -> list[dict[str, Any]]:
    if len(entries) > MAX_ENTRIES:
        raise InvalidCommand(f"{path}: more than {MAX_ENTRIES} entries")
    every = frozenset(folded(child.key) for shape in shapes.values() for child in shape.children)
    found = []
    for index, entry in enumerate(entries):
        place = f"{path}[{index}]"
        if isinstance(entry, Mapping) and "Item" not in entry and "item" in entry:
            entry = {"Item": entry["item"], **{key: value for key, value in entry.items() if key != "item"}}
        found.append(_apples(alternative(shapes, entry, place).children, entry, place, every))
    return found


def _manifest(value: Any, depth: int = 0) -> Any:
    """Known keys in a manifest's spelling, others as they came; too deep ones are left to `clean`."""
    if depth < 16 and isinstance(value, Mapping):
        return {
            _MANIFEST_KEYS.get(folded(key), key) if isinstance(key, str) else key: _manifest(inner, depth + 1)
            for key, inner in value.items()
            if inner is not None
        }
    if depth < 16 and isinstance(value, list):
        return [_manifest(inner, depth + 1) for inner in value]
    return value


def _from_plist(value: str, path: str) -> Any:
    try:
        return plist.loads(decode_data(value))
    except (ValueError, ProtocolError) as error:
        raise InvalidCommand(f"{path}: expected a dictionary, or base64 of a property list") from error


def _snakes(parameters: tuple[Parameter, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    by_key = {parameter.key: parameter for parameter in parameters}
    return {snake_case(key) if key in by_key else key: _snake(by_key.get(key), inner) for key, inner in values.items()}


def _snake(parameter: Parameter | None, value: Any) -> Any:
    if parameter is None or parameter.is_free:
        return value
    if isinstance(value, list) and parameter.type == "array":
        shapes = parameter.alternatives
        return [
            _snake(shapes.get(entry.get("Item")) if shapes and isinstance(entry, Mapping) else parameter.item, entry)
            for entry in value
        ]
    if isinstance(value, Mapping) and parameter.type == "dictionary":
        return _snakes(parameter.children, value)
    return value
