"""Whether a device can obey a command."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mdm.protocol.request_types.catalogue import find
from mdm.protocol.request_types.cleaning import join
from mdm.protocol.request_types.errors import NotSupported
from mdm.protocol.request_types.schema import FORBIDDEN, REQUIRED, Parameter, Platform, RequestType, Support

_VERSION = re.compile(r"\d{1,9}(?:\.\d{1,9})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of one channel of a device. None (or "" for the version) is unknown: no reason to refuse."""

    platform: Platform | None
    os_version: str = ""
    is_supervised: bool | None = None
    is_user_channel: bool = False
    is_user_enrollment: bool = False
    is_dep: bool | None = None
    is_shared_ipad: bool | None = False


def check_target(request_type: str, parameters: Mapping[str, Any], target: Target) -> None:
    """Raise NotSupported, with a sentence, when the target cannot obey the request type or one of its parameters.

    parameters are cleaned ones. Queries of DeviceInformation are not looked at: a device passes over those it does not
    know, and clients send one list to all of theirs.
    """
    definition = find(request_type)
    if target.platform is None:
        return
    support = definition.support(target.platform)
    if support is None:
        raise NotSupported(f"{definition.name} is not available on {target.platform}")
    _check(definition.name, support, target)
    removed = definition.removed_in
    if removed and _version(target.os_version) >= _version(removed):
        raise NotSupported(f"{definition.name} was removed in {target.platform} {removed}")
    for path, used, own in _used(definition, parameters, support, target.platform):
        subject = f"{definition.name}: {path}"
        if not own.is_available:
            raise NotSupported(f"{subject} is not available on {target.platform}")
        if used:
            _check(subject, own, target)


def is_older(version: str, than: str) -> bool:
    """Numerically: 10.13.4 is older than 11. Unknown versions are not older than anything."""
    known = _version(version)
    return bool(known) and known < _version(than)


def _version(text: str) -> tuple[int, ...]:
    match = _VERSION.match(text.strip())
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _used(
    definition: RequestType, parameters: Mapping[str, Any], support: Support, platform: Platform
) -> Iterator[tuple[str, bool, Support]]:
    """(path, says something of its own, complete support) of every parameter given, at any depth."""
    for parameter in definition.parameters:
        if parameter.key in parameters:
            yield from _walk(parameter, parameters[parameter.key], parameter.key, support, platform)


def _walk(
    parameter: Parameter, value: Any, path: str, above: Support, platform: Platform
) -> Iterator[tuple[str, bool, Support]]:
    own = parameter.support(platform, above)
    yield path, platform in parameter.platforms, own
    if isinstance(value, Mapping) and not parameter.is_free:
        for child in parameter.children:
            if child.key in value:
                yield from _walk(child, value[child.key], join(path, child.key), own, platform)
    elif isinstance(value, list | tuple):
        shapes = parameter.alternatives
        for index, entry in enumerate(value):
            shape = shapes.get(str(entry.get("Item"))) if isinstance(entry, Mapping) and shapes else parameter.item
            if shape is not None:
                name = f" ({shape.key})" if shapes else ""
                yield from _walk(shape, entry, f"{path}[{index}]{name}", own, platform)


def _check(subject: str, support: Support, target: Target) -> None:
    _check_version(subject, support, target)
    if support.supervised and target.is_supervised is False:
        raise NotSupported(f"{subject} needs a supervised device")
    if support.requires_dep and target.is_dep is False:
        raise NotSupported(f"{subject} needs a device from Automated Device Enrollment")
    if support.user_enrollment == FORBIDDEN and target.is_user_enrollment:
        raise NotSupported(f"{subject} is not available with User Enrollment")
    if support.user_enrollment == REQUIRED and not target.is_user_enrollment:
        raise NotSupported(f"{subject} is only available with User Enrollment")
    if target.platform is Platform.IOS and support.shared_ipad is not None:
        if support.shared_ipad.mode == FORBIDDEN and target.is_shared_ipad:
            raise NotSupported(f"{subject} is not available on a Shared iPad")
        if support.shared_ipad.mode == REQUIRED and target.is_shared_ipad is False and not target.is_user_channel:
            raise NotSupported(f"{subject} is only available on a Shared iPad")
    _check_channel(subject, support, target)


def _check_version(subject: str, support: Support, target: Target) -> None:
    if support.introduced and is_older(target.os_version, support.introduced):
        raise NotSupported(
            f"{subject} needs {target.platform} {support.introduced} or later; this device has {target.os_version}"
        )
    if support.removed and target.os_version and _version(target.os_version) >= _version(support.removed):
        raise NotSupported(f"{subject} was removed in {target.platform} {support.removed}")


def _check_channel(subject: str, support: Support, target: Target) -> None:
    """iOS has a user channel on Shared iPad only, so its answer stands under shared_ipad."""
    rules: Any = support
    if target.platform is Platform.IOS and (target.is_shared_ipad or target.is_user_channel):
        rules = support.shared_ipad
    if not (rules.user_channel if target.is_user_channel else rules.device_channel):
        name = "user" if target.is_user_channel else "device"
        raise NotSupported(f"{subject} is not available on the {name} channel")
