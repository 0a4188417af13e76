"""Wiping a device, and what goes with it on our side."""

from typing import Any

from django.db import transaction

from devices.models import AttributeValue, Device, Profile, ProfileAssignment
from devices.services.attributes import set_values
from devices.services.errors import NotPossible
from devices.services.locking import refuse_pin_without_mac
from devices.services.profiles import unassign
from devices.services.security_chip import has_security_chip
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.commands.services import enqueue_recipe
from mdm.protocol.request_types import Request, check_target, clean
from mdm.protocol.request_types.lock import erase_device

# Completed at delivery by `enrollment/services/return_to_service.py`.
RETURN_TO_SERVICE = "return_to_service"
WIFI = "com.apple.wifi.managed"


def wipe(
    device: Device,
    *,
    actor: Actor,
    pin: str = "",
    return_to_service: bool = False,
    wifi_profile: Profile | None = None,
    disable_activation_lock: bool = False,
    clear_custom_attributes: bool = False,
    unassign_direct_profiles: bool = False,
    **options: Any,
) -> Command:
    """Queue EraseDevice, and forget in the same transaction what is to be forgotten.

    options: those of `erase_device`. pin: for Macs, which need it without T2 chip and Apple silicon. wifi_profile: by
    which the device gets online to return to service.
    Raises NotEnrolled, NotPossible, InvalidCommand, NotSupported; then nothing is changed. Source: Apple, "Erase Device
    Command".
    """
    find_channel(device)
    _check(device, pin, disable_activation_lock)
    if wifi_profile is not None and not return_to_service:
        raise NotPossible("wifi_profile_id is for the return to service only.")
    request = erase_device(pin=pin or None, return_to_service=return_to_service, **options)
    with transaction.atomic():
        # Attributes, then the device, then its channel: everybody writes to them in this order.
        if clear_custom_attributes:
            _clear_attributes(device, actor)
        if unassign_direct_profiles:
            _unassign_profiles(device, actor)
        if return_to_service:
            return _send_to_return(device, request, wifi_profile, pin, actor)
        return send(device, request, actor=actor)


def _check(device: Device, pin: str, disable_activation_lock: bool) -> None:
    refuse_pin_without_mac(device, pin)
    if device.is_mac and not pin and has_security_chip(device) is False:
        raise NotPossible("This Mac has neither a T2 chip nor Apple silicon: to wipe it, give six digits as pin.")
    if disable_activation_lock:
        raise NotPossible("The Activation Lock bypass code of this device is not known: the lock cannot be taken off.")


def _send_to_return(device: Device, request: Request, wifi_profile: Profile | None, pin: str, actor: Actor) -> Command:
    """The profiles that it returns with are put in at delivery: they are large and hold passwords."""
    if pin:
        raise NotPossible("A PIN is for Macs, and Macs do not return to service by themselves.")
    parameters = clean(request.request_type, request.parameters)
    check_target(request.request_type, parameters, target_of(device))
    if wifi_profile is not None:
        _check_wifi(wifi_profile)
    recipe = {"Recipe": RETURN_TO_SERVICE, "Keys": parameters, "WiFiProfile": wifi_profile and wifi_profile.pk}
    return enqueue_recipe(find_channel(device), request.request_type, recipe, actor=actor)


def _check_wifi(profile: Profile) -> None:
    version = profile.versions.filter(number=profile.version).first()
    if version is None or WIFI not in version.payload_types:
        raise NotPossible("The profile for the return to service holds no Wi-Fi network.")


def _clear_attributes(device: Device, actor: Actor) -> None:
    values = AttributeValue.objects.filter(device=device).select_related("attribute")
    set_values([(device, value.attribute, "") for value in values], actor)


def _unassign_profiles(device: Device, actor: Actor) -> None:
    for assignment in ProfileAssignment.objects.filter(device=device).select_related("profile"):
        unassign(assignment.profile, device, actor=actor)
