"""Asking a device for its inventory. What else it can be told to do stands beside this, in modules by subject."""

from dataclasses import replace
from functools import lru_cache

from django.db import transaction

from devices.models import Device
from devices.services.sending import find_channel, send, target_of
from mdm.accounts.actors import SYSTEM, Actor
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import Prepared, prepare
from mdm.commands.states import WAITING
from mdm.protocol.request_types import NotSupported, Platform, Request, Target, check_target
from mdm.protocol.request_types.information import device_information, security_info
from mdm.protocol.request_types.lists import certificate_list, installed_application_list, profile_list
from mdm.protocol.request_types.users import user_list


def refresh(device: Device, actor: Actor = SYSTEM) -> list[Command]:
    """Queue the whole inventory; what is waiting already is not queued twice. Raises NotEnrolled."""
    channel = find_channel(device)
    waiting = waiting_request_types(channel)
    with transaction.atomic():
        return [
            send(device, request, actor=actor)
            for request in inventory_requests(device)
            if request.request_type not in waiting
        ]


def inventory_requests(device: Device) -> tuple[Request, ...]:
    """Everything that this device can tell about itself, as far as is known of it."""
    return _inventory(target_of(device))


def prepared_inventory(device: Device) -> tuple[Prepared, ...]:
    """The same, ready for `enqueue_many`: devices of one kind get the same, so it is worked out once."""
    return _prepared_inventory(target_of(device))


def inventory_of(target: Target, *, is_shared_ipad: bool) -> tuple[Prepared, ...]:
    """The same for one of many devices, whose long answers are not loaded."""
    return _prepared_inventory(replace(target, is_shared_ipad=is_shared_ipad))


@lru_cache(maxsize=1024)
def _inventory(target: Target) -> tuple[Request, ...]:
    requests = [
        device_information(platform=target.platform),
        security_info(),
        installed_application_list(),
        profile_list(),
        certificate_list(),
    ]
    if target.platform == Platform.MACOS:
        requests.append(user_list())
    return tuple(request for request in requests if _is_supported(target, request))


@lru_cache(maxsize=1024)
def _prepared_inventory(target: Target) -> tuple[Prepared, ...]:
    return tuple(prepare(request) for request in _inventory(target))


def _is_supported(target: Target, request: Request) -> bool:
    """Whether the catalogue lets it have it; a Mac that is known to be unsupervised has no UserList, for example."""
    try:
        check_target(request.request_type, request.parameters, target)
    except NotSupported:
        return False
    return True


def waiting_request_types(channel: Channel) -> set[str]:
    return set(channel.commands.filter(state__in=WAITING).values_list("request_type", flat=True))
