"""One order for many devices: the command that each of them gets, or why it cannot obey."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from devices.models import Device, OperationOrder, Platform
from devices.services.bulk_orders import CLEAR_PASSCODE
from devices.services.security_chip import has_security_chip
from devices.services.sending import plain_target
from mdm.channels.models import Channel
from mdm.commands.services import Prepared, prepare
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES, Request, Target, check_target, clean, join_secrets
from mdm.protocol.request_types.lock import clear_passcode

Lines = Mapping[int, Mapping[str, Channel]]
# A command that was made ready, or the sentence why there is none.
Answer = Prepared | str

NOT_ENROLLED = "The device is not enrolled."
LEFT = "The device has left the account."
NEEDS_PIN = "A Mac is locked with a PIN of six digits, which unlocks it again; none was given."
NEEDS_PIN_TO_WIPE = "This Mac has neither a T2 chip nor Apple silicon: to wipe it, a PIN of six digits is needed."
NOTHING_TO_UNLOCK_WITH = "The device has sent no unlock token, and without it its passcode cannot be cleared."
# They do the same everywhere; what some platforms can be told besides, the others do without.
OPTIONS_ARE_EXTRAS = frozenset({"RestartDevice", "DeviceLock", "EraseDevice"})


def commands_for(order: OperationOrder, devices: Sequence[Device], lines: Lines) -> dict[int, Answer]:
    """Device pk → its command. A few statements for all; devices of one kind get the same, worked out once."""
    given = join_secrets(order.parameters, order.secrets or {})
    shared = shared_ipads(devices)
    known: dict[Target, Answer] = {}
    found: dict[int, Answer] = {}
    for device in devices:
        if reason := why_not_reached(device, lines):
            found[device.pk] = reason
            continue
        target = replace(plain_target(device), is_shared_ipad=device.pk in shared)
        if target not in known:
            known[target] = _for_target(order.request_type, given, target)
        found[device.pk] = known[target]
    by_itself = _BY_ITSELF.get(order.request_type)
    return by_itself(found, devices, lines, given) if by_itself else found


def why_not_reached(device: Device, lines: Lines) -> str:
    """Empty if it can be sent a command at all."""
    if device.removed_at:
        return LEFT
    return "" if device.is_enrolled and "" in lines.get(device.pk, {}) else NOT_ENROLLED


def shared_ipads(devices: Sequence[Device]) -> set[int]:
    """Which of them share themselves among several people: only their long answer tells, and is not loaded for it."""
    pks = [device.pk for device in devices if device.platform == Platform.IOS]
    found = Device.objects.filter(pk__in=pks, information__IsMultiUser=True) if pks else Device.objects.none()
    return set(found.values_list("pk", flat=True))


def sentence(error: ProtocolError, request_type: str) -> str:
    """ "RestartDevice needs a supervised device" as people read it: "Needs a supervised device."."""
    words = str(error).removeprefix(request_type).lstrip(": ").removeprefix("is ").removeprefix("was ")
    return f"{words[:1].upper()}{words[1:]}."


def _for_target(request_type: str, given: Mapping[str, Any], target: Target) -> Answer:
    if request_type == CLEAR_PASSCODE:
        return _checked(request_type, {}, target) or Prepared(request_type, {}, {})
    parameters = dict(given)
    if request_type in OPTIONS_ARE_EXTRAS:
        parameters = {key: parameters[key] for key in parameters if _knows(request_type, key, target)}
    if request_type == "DeviceLock" and target.platform == Platform.MACOS and not parameters.get("PIN"):
        return NEEDS_PIN
    try:
        parameters = clean(request_type, parameters)
    except ProtocolError as error:
        return sentence(error, request_type)
    return _checked(request_type, parameters, target) or prepare(Request(request_type, parameters))


def _checked(request_type: str, parameters: Mapping[str, Any], target: Target) -> str:
    try:
        check_target(request_type, parameters, target)
    except ProtocolError as error:
        return sentence(error, request_type)
    return ""


def _knows(request_type: str, key: str, target: Target) -> bool:
    """Whether the platform has that parameter; of an unknown platform nothing is known that speaks against it."""
    definition = REQUEST_TYPES[request_type]
    above = definition.support(target.platform) if target.platform else None
    parameter = definition.parameter(key)
    return above is None or parameter is None or parameter.support(target.platform, above).is_available


def _with_tokens(
    found: dict[int, Answer], devices: Sequence[Device], lines: Lines, given: Mapping[str, Any]
) -> dict[int, Answer]:
    """ClearPasscode: each device with the token that it entrusted to us."""
    of_channel = {lines[pk][""].pk: pk for pk, answer in found.items() if isinstance(answer, Prepared)}
    tokens = {}
    for channel in Channel.objects.filter(pk__in=of_channel).only("unlock_token", "secret_id"):
        tokens[of_channel[channel.pk]] = channel.unlock_token
    for pk in of_channel.values():
        token = tokens.get(pk)
        found[pk] = prepare(clear_passcode(token)) if token else NOTHING_TO_UNLOCK_WITH
    return found


def _with_chip(
    found: dict[int, Answer], devices: Sequence[Device], lines: Lines, given: Mapping[str, Any]
) -> dict[int, Answer]:
    """EraseDevice without a PIN: not for Macs that would ask for one and never get it."""
    macs = [device.pk for device in devices if device.is_mac and isinstance(found[device.pk], Prepared)]
    if given.get("PIN") or not macs:
        return found
    for mac in Device.objects.filter(pk__in=macs).only("product_name", "information", "security"):
        if has_security_chip(mac) is False:
            found[mac.pk] = NEEDS_PIN_TO_WIPE
    return found


_BY_ITSELF: dict[str, Callable[..., dict[int, Answer]]] = {CLEAR_PASSCODE: _with_tokens, "EraseDevice": _with_chip}
