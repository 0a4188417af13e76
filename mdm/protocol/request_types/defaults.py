"""What a request means that says nothing: scripts send DeviceInformation and ScheduleOSUpdate with no parameters."""

from collections.abc import Callable, Mapping
from typing import Any

from mdm.protocol.request_types.catalogue import find
from mdm.protocol.request_types.queries import default_queries
from mdm.protocol.request_types.schema import Platform
from mdm.protocol.request_types.updates import DEFAULT_UPDATES

_DEFAULTS: dict[tuple[str, str], Callable[[Platform | None], Any]] = {
    ("DeviceInformation", "Queries"): default_queries,
    ("ScheduleOSUpdate", "Updates"): lambda platform: [dict(update) for update in DEFAULT_UPDATES],
}


def with_defaults(request_type: str, parameters: Mapping[str, Any], platform: Platform | None) -> dict[str, Any]:
    """Parameters with what is required and missing filled in, where there is one sensible answer.

    DeviceInformation asks all that makes sense on the platform; ScheduleOSUpdate wants the default action on whatever
    is available; a required key with a single choice (MediaType, ProgramID) gets it. The rest is for `clean` to refuse.
    """
    definition = find(request_type)
    filled = dict(parameters)
    for parameter in definition.parameters:
        default = _DEFAULTS.get((definition.name, parameter.key))
        if default is not None and not filled.get(parameter.key):
            filled[parameter.key] = default(platform)
        elif parameter.required and len(parameter.choices) == 1:
            filled.setdefault(parameter.key, parameter.choices[0])
    return filled
