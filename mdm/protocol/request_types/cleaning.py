"""From what a script, a form or another service gives to parameters that can be stored, and on to the command itself.

The way of a raw request: `from_snake_case`, `with_defaults`, `clean`, `check_target`, store (`split_secrets`); and at
delivery `join_secrets`, `to_command`.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mdm.protocol.request_types.catalogue import find
from mdm.protocol.request_types.errors import InvalidCommand, NothingGiven
from mdm.protocol.request_types.formats import FORMATS
from mdm.protocol.request_types.schema import Parameter
from mdm.protocol.request_types.values import (
    DATA_TAG,
    DATE_TAG,
    MAX_DEPTH,
    SCALARS,
    clean_boolean,
    clean_data,
    clean_date,
    clean_real,
    clean_string,
    decode_data,
    decode_date,
    expected,
    tagged,
)

MAX_SIZE = 1_000_000
MAX_ENTRIES = 10_000


def clean(request_type: str, parameters: Mapping[str, Any], *, max_size: int = MAX_SIZE) -> dict[str, Any]:
    """Check parameters with Apple's keys and return them JSON-safe; cleaning twice changes nothing.

    Bytes become base64, times ISO 8601 (UTC, whole seconds); in free subtrees they are tagged. max_size: bytes of JSON.
    Raises InvalidCommand naming path and fault: "Settings[0].DeviceName: expected a string, got a number".
    """
    definition = find(request_type)
    if not isinstance(parameters, Mapping):
        raise InvalidCommand(str(expected("the parameters as a dictionary", parameters)))
    cleaned = _children(definition.parameters, parameters, "")
    if definition.at_least_one and not any(key in cleaned for key in definition.at_least_one):
        raise NothingGiven(f"{definition.name} needs one of {', '.join(definition.at_least_one)}")
    if len(json.dumps(cleaned, ensure_ascii=False).encode()) > max_size:
        raise InvalidCommand(f"The parameters are larger than {max_size} bytes")
    return cleaned


def to_command(request_type: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Cleaned parameters as the Command dictionary of a property list, with bytes and aware UTC times."""
    definition = find(request_type)
    by_key = {parameter.key: parameter for parameter in definition.parameters}
    command: dict[str, Any] = {"RequestType": definition.name}
    for key, value in parameters.items():
        try:
            command[key] = _native(by_key.get(key), value)
        except ValueError as error:
            raise InvalidCommand(f"{key}: {error}") from error
    return command


def unknown_key(key: object, known: Iterable[str], path: str) -> InvalidCommand:
    """The refusal of a key, with the one that was probably meant."""
    if not isinstance(key, str):
        return InvalidCommand(f"{path or 'The parameters'}: keys must be strings")
    return InvalidCommand(f"{join(path, key)}: unknown parameter{_hint(key, known)}")


def join(path: str, key: str) -> str:
    """The path one level down; keys of strangers are cut and made printable."""
    shown = key[:100] if key.isprintable() else ascii(key[:100])[1:-1]
    return f"{path}.{shown}" if path else shown


def alternative(shapes: Mapping[str, Parameter], value: object, path: str) -> Parameter:
    """Which of the alternatives of an array an entry is, by its `Item`."""
    if not isinstance(value, Mapping):
        raise InvalidCommand(f"{path}: {expected('a dictionary', value)}")
    item = value.get("Item")
    found = shapes.get(item) if isinstance(item, str) else None
    if found is None:
        fault = "is missing" if item is None else "is none of the known items"
        hint = _hint(item, shapes) or f": {', '.join(shapes)}"
        raise InvalidCommand(f"{join(path, 'Item')}: {fault}{hint}")
    return found


def _hint(given: object, known: Iterable[object]) -> str:
    """The known name that was probably meant, whatever its capitals; nothing if none is near."""
    names = {str(name).lower(): str(name) for name in known}
    near = difflib.get_close_matches(given[:100].lower(), names, n=1) if isinstance(given, str) else []
    return f"; did you mean {names[near[0]]}?" if near else ""


def _children(parameters: tuple[Parameter, ...], value: Mapping[str, Any], path: str) -> dict[str, Any]:
    by_key = {parameter.key: parameter for parameter in parameters}
    for key in value:
        if not isinstance(key, str) or key not in by_key:
            raise unknown_key(key, by_key, path)
    cleaned = {}
    for key, parameter in by_key.items():
        if key in value:
            cleaned[key] = _value(parameter, value[key], join(path, key))
        elif parameter.required:
            raise InvalidCommand(f"{join(path, key)}: is required")
    return cleaned


def _value(parameter: Parameter, value: Any, path: str) -> Any:
    if parameter.type == "array":
        return _array(parameter, value, path)
    if parameter.type == "dictionary":
        if not isinstance(value, Mapping):
            raise InvalidCommand(f"{path}: {expected('a dictionary', value)}")
        if parameter.is_free:
            return _free_dictionary(value, path, 1)
        return _children(parameter.children, value, path)
    if parameter.type == "any":
        return _free(value, path, 1)
    return _scalar(parameter, value, path)


def _array(parameter: Parameter, value: Any, path: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InvalidCommand(f"{path}: {expected('an array', value)}")
    if len(value) > MAX_ENTRIES:
        raise InvalidCommand(f"{path}: more than {MAX_ENTRIES} entries")
    entries = []
    shapes = parameter.alternatives
    for index, entry in enumerate(value):
        place = f"{path}[{index}]"
        shape = alternative(shapes, entry, place) if parameter.item is None else parameter.item
        entries.append(_value(shape, entry, place))
    return entries


def _scalar(parameter: Parameter, value: Any, path: str) -> Any:
    try:
        cleaned = SCALARS[parameter.type](value)
        _check_limits(parameter, cleaned)
    except ValueError as error:
        raise InvalidCommand(f"{path}: {error}") from error
    return cleaned


def _check_limits(parameter: Parameter, value: Any) -> None:
    if parameter.values and value not in parameter.values and value not in parameter.legacy_choices:
        hint = _hint(value, parameter.values)
        listed = ", ".join(str(choice) for choice in parameter.values[:16])
        raise ValueError(f"unknown value{hint}" if hint else f"must be one of: {listed}")
    if parameter.minimum is not None and value < parameter.minimum:
        raise ValueError(f"must be at least {parameter.minimum}")
    if parameter.maximum is not None and value > parameter.maximum:
        raise ValueError(f"must be at most {parameter.maximum}")
    if parameter.format and not FORMATS[parameter.format].fullmatch(value):
        raise ValueError(f"must be {parameter.format}")


def _free_dictionary(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    cleaned = {}
    for key, inner in value.items():
        try:
            name = clean_string(key)
        except ValueError as error:
            raise InvalidCommand(f"{path}: a key {error}") from error
        cleaned[name] = _free(inner, join(path, name), depth + 1)
    return cleaned


def _free(value: Any, path: str, depth: int) -> Any:
    """A value of any type, JSON-safe; property lists know no null, so it is refused."""
    if depth > MAX_DEPTH:
        raise InvalidCommand(f"{path}: nested more than {MAX_DEPTH} levels deep")
    try:
        if isinstance(value, bytes | bytearray | memoryview):
            return {DATA_TAG: clean_data(value)}
        tag = tagged(value)
        if tag is not None:
            kind, inner = tag
            return {kind: clean_data(inner) if kind == DATA_TAG else clean_date(inner)}
        if isinstance(value, bool):
            return clean_boolean(value)
        if isinstance(value, str):
            return clean_string(value)
        if isinstance(value, int | float):
            return clean_real(value)
        if isinstance(value, datetime):
            return {DATE_TAG: clean_date(value)}
    except ValueError as error:
        raise InvalidCommand(f"{path}: {error}") from error
    if isinstance(value, Mapping):
        return _free_dictionary(value, path, depth)
    if isinstance(value, list | tuple):
        return [_free(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    raise InvalidCommand(f"{path}: {expected('a value that a property list can hold', value)}")


def _native(parameter: Parameter | None, value: Any) -> Any:
    """A cleaned value with bytes and times; without a parameter, or in a free subtree, by the tags."""
    if isinstance(value, list):
        shape = parameter.item if parameter is not None else None
        shapes = parameter.alternatives if parameter is not None else {}
        return [_native(shapes.get(_item(entry)) if shapes else shape, entry) for entry in value]
    if parameter is not None and parameter.type == "data":
        return decode_data(value)
    if parameter is not None and parameter.type == "date":
        return decode_date(value)
    if not isinstance(value, Mapping):
        return value
    if parameter is None or parameter.type == "any":
        tag = tagged(value)
        if tag is not None:
            return decode_data(tag[1]) if tag[0] == DATA_TAG else decode_date(tag[1])
        return {key: _native(None, inner) for key, inner in value.items()}
    by_key = {} if parameter.is_free else {child.key: child for child in parameter.children}
    return {key: _native(by_key.get(key), inner) for key, inner in value.items()}


def _item(entry: object) -> str:
    item = entry.get("Item") if isinstance(entry, Mapping) else None
    return item if isinstance(item, str) else ""
