"""A request to be queued, and how builders make one."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """Request type and JSON-safe parameters with Apple's keys; its repr shows no parameters, they may be secrets."""

    request_type: str
    parameters: dict[str, Any] = field(default_factory=dict, repr=False)


def build(request_type: str, /, **parameters: Any) -> Request:
    """A request of the parameters that are not None, at any depth; bytes become base64."""
    return Request(request_type, _given(parameters))


def _given(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _given(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_given(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value
