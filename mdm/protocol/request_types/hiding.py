"""Secrets of a command: out of the row that people read, back in before delivery, dots on the screen."""

import copy
from collections.abc import Mapping
from typing import Any

from mdm.protocol.request_types.catalogue import find
from mdm.protocol.request_types.schema import Parameter

HIDDEN = "••••••"

# In an array a secret entry leaves None behind, which no cleaned value is, so that the others keep their places.
_GAP = None


def split_secrets(request_type: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(public, secret) of cleaned parameters. secret maps JSON pointers (RFC 6901) to values: {"/PIN": "123456"}.

    Whatever the catalogue does not know, or knows with another type, is taken for a secret.
    """
    secret: dict[str, Any] = {}
    public = _public_dictionary(find(request_type).parameters, parameters, "", secret)
    return public, secret


def join_secrets(public: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    """Exactly what was split; neither argument is changed."""
    joined = copy.deepcopy(dict(public))
    for pointer, value in secret.items():
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        place: Any = joined
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value
    return joined


def redacted(request_type: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for people to read: every secret is dots."""
    public, secret = split_secrets(request_type, parameters)
    return join_secrets(public, dict.fromkeys(secret, HIDDEN))


def _public_dictionary(
    parameters: tuple[Parameter, ...], values: Mapping[str, Any], pointer: str, secret: dict[str, Any]
) -> dict[str, Any]:
    by_key = {parameter.key: parameter for parameter in parameters}
    public = {}
    for key, value in values.items():
        shown = _public(by_key.get(key), value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", secret)
        if shown is not _GAP:
            public[key] = shown
    return public


def _public(parameter: Parameter | None, value: Any, pointer: str, secret: dict[str, Any]) -> Any:
    """The value without its secrets, which are noted; _GAP if it is one as a whole."""
    if parameter is None or parameter.secret or not _fits(parameter, value):
        secret[pointer] = value
        return _GAP
    if isinstance(value, list):
        alternatives = parameter.alternatives
        return [
            _public(alternatives.get(_item(entry)) if alternatives else parameter.item, entry, f"{pointer}/{i}", secret)
            for i, entry in enumerate(value)
        ]
    if isinstance(value, Mapping) and not parameter.is_free:
        return _public_dictionary(parameter.children, value, pointer, secret)
    return value


def _fits(parameter: Parameter, value: Any) -> bool:
    if parameter.type == "array":
        return isinstance(value, list)
    if parameter.type == "dictionary":
        return isinstance(value, Mapping)
    return value is not None and not isinstance(value, list | Mapping)


def _item(entry: object) -> str:
    item = entry.get("Item") if isinstance(entry, Mapping) else None
    return item if isinstance(item, str) else ""
