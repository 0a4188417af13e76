"""Managed app configuration: keys and values that apps read from their management.

Values are kept as they were given and read each time they are delivered, with what is known of the device filled in.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps_catalog.models import App, AppInstall, ManagedConfig
from apps_catalog.services.config_values import parse
from apps_catalog.services.errors import CatalogError, InvalidValue
from devices.models import Device, DeviceState, InstalledApp, ItemState
from devices.services.due import mark_due
from devices.services.variables import BUILT_IN, fill, variables_of
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import Prepared, recipe
from mdm.commands.states import State
from mdm.common.batches import batches
from mdm.common.many_rows import insert_many
from mdm.events.services import emit
from mdm.protocol import plist
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import NotSupported, Target, check_target
from mdm.protocol.request_types.settings import settings_application_configuration

RECIPE = "app_configuration"
# What is known of a device may also be written $imei: a word of its own, and no custom attribute. {{…}} is passed over.
_NAME = re.compile(r"\{\{[^{}]{0,300}\}\}|(?<![\w$])\$([a-z_]+)(?!\w)", re.ASCII)


def set_config(app: App, *, key: str, value: str, value_type: str, actor: Actor) -> ManagedConfig:
    """Give the key this value. A key that is there already gets the new one, so that the same request may come again.

    Devices hear of it by `push`, or when they install the app. Raises InvalidValue, and App.DoesNotExist when the app was
    deleted meanwhile; then nothing is changed.
    """
    _check_plist(key, parse(value, value_type))
    with transaction.atomic():
        # One at a time: of two simultaneous requests for one key the second finds the first one's row.
        App.objects.select_for_update(no_key=True).get(pk=app.pk, removed_at=None)
        config = ManagedConfig.objects.filter(app=app, key=key).first()
        if config is not None and (config.value, config.value_type) == (value, value_type):
            return config
        kind = "managed_config.created" if config is None else "managed_config.updated"
        config = config or ManagedConfig(account_id=app.account_id, app=app, key=key)
        config.value, config.value_type = value, value_type
        config.save()
        _emit(kind, config, app, actor)
    return config


def remove_config(config: ManagedConfig, *, actor: Actor) -> None:
    with transaction.atomic():
        _emit("managed_config.removed", config, config.app, actor)
        config.delete()


def configuration_of(app: App, device: Device) -> dict[str, Any]:
    """What the app reads on this device: key → value for a plist; empty when nothing is configured."""
    configs = list(ManagedConfig.objects.filter(app=app).order_by("pk"))
    if not configs:
        return {}
    fill_in = partial(_fill_in, known=variables_of(device))
    return {config.key: _filled(parse(config.value, config.value_type), fill_in) for config in configs}


def settings_of(app: App, device: Device) -> dict[str, Any]:
    """The keys of the Settings command that configures the app on this device; without any value it takes all away."""
    request = settings_application_configuration(app.bundle_identifier, configuration_of(app, device) or None)
    return dict(request.parameters)


def push(app: App, *, actor: Actor) -> int:
    """Have the configuration sent to every device that has the app from us. Returns to how many.

    It becomes the next edition, which the reconciler sends where an older one was sent; the command is completed when it is
    delivered. Raises CatalogError.
    """
    if not app.bundle_identifier:
        raise CatalogError(
            "The bundle identifier of this app is not known yet, so no device can be told its configuration."
        )
    there = AppInstall.objects.filter(app=app, state__in=(ItemState.INSTALLED, ItemState.PUSHED))
    unknown = _managed_without_us(app)
    devices = Device.objects.filter(Q(pk__in=there.values("device")) | Q(pk__in=unknown))
    with transaction.atomic():
        App.objects.filter(pk=app.pk).update(configuration=F("configuration") + 1)
        total = mark_due(devices, why=f"Push the configuration of {app.name}", actor=actor)
        _take_note(app, unknown)
        if total:
            emit(
                "managed_config.pushed",
                account_id=app.account_id,
                actor=actor,
                app_id=app.pk,
                name=app.name,
                devices=total,
            )
    return total


def _managed_without_us(app: App) -> QuerySet:
    """Keys of devices that manage the app although we did not send it."""
    known = AppInstall.objects.filter(app=app).values("device")
    reported = InstalledApp.objects.filter(account_id=app.account_id, identifier=app.bundle_identifier, is_managed=True)
    enrolled = reported.filter(device__state=DeviceState.ENROLLED, device__removed_at=None)
    return enrolled.exclude(device__in=known).values("device")


def _take_note(app: App, devices: QuerySet) -> None:
    """Rows for them, after they were marked, as the reconciler would make some too: configured there, never removed by us."""
    for some in batches(list(devices.values_list("device", flat=True).distinct())):
        rows = [
            AppInstall(account_id=app.account_id, app=app, device_id=pk, state=ItemState.INSTALLED, is_by_hand=True)
            for pk in some
        ]
        insert_many(rows)


def with_configuration(app: App, target: Target) -> Prepared | None:
    """The command by which such a device is told the app's configuration; None where it cannot be told."""
    return recipe("Settings", RECIPE, app=app.pk) if _can_be_configured(target) else None


def waiting_configurations(channels: Collection[Channel]) -> set[tuple[int, int]]:
    """(channel pk, app pk) of configurations that are queued and not delivered yet. One statement."""
    waiting = Command.objects.filter(
        channel__in=channels, state=State.QUEUED, request_type="Settings", parameters__Recipe=RECIPE
    )
    return {
        (channel_id, parameters.get("app")) for channel_id, parameters in waiting.values_list("channel", "parameters")
    }


@lru_cache(maxsize=1024)
def _can_be_configured(target: Target) -> bool:
    request = settings_application_configuration("com.example", {})
    try:
        check_target(request.request_type, request.parameters, target)
    except NotSupported:
        return False
    return True


def _check_plist(key: str, value: Any) -> None:
    try:
        plist.dumps({key: value})
    except ProtocolError as error:
        raise InvalidValue(f"This cannot be sent to a device: {error}") from error


def _filled(value: Any, fill_in: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return fill_in(value)
    return [_filled(item, fill_in) for item in value] if isinstance(value, list) else value


def _fill_in(text: str, known: Mapping[str, str]) -> str:
    """Both forms are replaced in one pass: what a device says of itself may look like the name of something else."""
    return fill(_NAME.sub(_in_braces, text), known, escape=False)


def _in_braces(match: re.Match[str]) -> str:
    return f"{{{{{match[1]}}}}}" if match[1] in BUILT_IN else match[0]


def _emit(kind: str, config: ManagedConfig, app: App, actor: Actor) -> None:
    """Without the value: it may be a password."""
    emit(
        kind,
        account_id=app.account_id,
        actor=actor,
        app_id=app.pk,
        name=app.name,
        key=config.key,
        value_type=config.value_type,
    )
