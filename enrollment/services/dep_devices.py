"""The account's devices that Apple lists: each has a row among the devices, awaiting its enrollment until it comes.

A device that is known by its serial number is only linked. A row that was made for the list goes again when Apple no longer
lists the device, unless it began to enroll: then it stays whatever Apple says.
"""

from collections.abc import Iterable, Iterator, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from devices.models import Device, DeviceGroup, DeviceState, Platform
from devices.models.device import DeviceQuerySet
from devices.services.groups import default_group
from devices.services.platforms import platform_of
from enrollment.models import DepDevice, DepKey, DepServer, DepSettings
from enrollment.services.dep_access import lock_server
from mdm.channels.models import Channel
from mdm.common.batches import rows_by_key
from mdm.common.many_rows import update_many
from mdm.events.services import build, emit_many

BATCH = 1000
_COLUMNS = ("account_id", "server_id", "serial_number", "device_id", "made_device", "os", "device_family", "model")
# Apple's `os` and `device_family`; other families are told by their beginning, as products are.
_PLATFORMS = {
    "ios": Platform.IOS,
    "ipados": Platform.IOS,
    "osx": Platform.MACOS,
    "macos": Platform.MACOS,
    "tvos": Platform.TVOS,
    "visionos": Platform.VISIONOS,
    "watchos": Platform.WATCHOS,
    "vision": Platform.VISIONOS,
}


def follow_page(server: DepServer, serials: Sequence[str]) -> None:
    """Link what a page of the list names to the account's devices, and make devices of those that nobody knows.

    In the caller's transaction. Another server of the account may list the same device at the same moment.
    """
    _lock(server)
    rows = server.dep_devices.filter(serial_number__in=serials)
    _forget_removed(rows)
    for some in rows_by_key(rows.filter(device=None).only(*_COLUMNS), BATCH):
        _link_or_make(server, some)


def follow_list(server: DepServer) -> Iterator[None]:
    """The same for all that the server lists, a thousand at a time, and for devices that changed here meanwhile.

    A device that came another way than by Apple's list takes the place of the row that awaited it. Each step is a transaction
    of its own; between them the caller may do something.
    """
    # Not by a join: the first list of a server comes before the database has any statistics of it.
    for some in rows_by_key(server.dep_devices.only(*_COLUMNS), BATCH):
        with transaction.atomic():
            lock_server(server)
            _lock(server)
            rows = server.dep_devices.filter(pk__in=[row.pk for row in some])
            _forget_removed(rows)
            _link_or_make(server, list(rows.only(*_COLUMNS)))
        yield


def forget_devices(server: DepServer, listed: QuerySet[DepDevice]) -> None:
    """Apple no longer lists these: the rows that were made for them go, if they still await their devices."""
    made = dict(listed.filter(made_device=True, device__isnull=False).values_list("device_id", "serial_number"))
    if not made:
        return
    # Another server lists it now, and goes on awaiting it.
    elsewhere = DepDevice.objects.filter(device__in=list(made)).exclude(server=server)
    elsewhere.update(made_device=True)
    going = set(made) - set(elsewhere.values_list("device_id", flat=True))
    devices = list(_still_awaited(going).without_facts())
    emit_many(
        build("device.removed", account_id=server.account_id, device=device, metadata={"name": device.name})
        for device in devices
    )
    _delete(devices)


def move_awaited(settings: DepSettings, from_groups: Iterable[int]) -> int:
    """Devices that were made for the list and still wait in one of those groups follow to the one that is named now.

    Each thousand by itself: whatever ends it, the next call goes on.
    """
    waiting = Device.objects.filter(
        group__in=set(from_groups) - {settings.device_group_id},
        state=DeviceState.AWAITING,
        removed_at=None,
        dep_devices__server=settings.server_id,
        dep_devices__made_device=True,
    )
    group, count = settings.device_group, 0
    for some in rows_by_key(waiting.without_facts(), BATCH):
        with transaction.atomic():
            # No reconciliation: a device that has not enrolled is brought to what it should have when it does.
            still = list(_still_awaited(device.pk for device in some).without_facts())
            Device.objects.filter(pk__in=[device.pk for device in still]).update(group=group)
            facts = {"device_group_id": group.pk, "device_group": group.name}
            emit_many(
                build("device.changed_group", account_id=settings.account_id, device=device, metadata=facts)
                for device in still
            )
        count += len(still)
    return count


def group_for(server: DepServer) -> DeviceGroup:
    """Where devices that the server lists begin."""
    settings = DepSettings.objects.select_related("device_group").filter(server=server, removed_at=None).first()
    return settings.device_group if settings else default_group(server.account)


def platform_of_listed(listed: DepDevice) -> str:
    for word in (listed.os, listed.device_family):
        if platform := _PLATFORMS.get(word.lower()):
            return platform
    return platform_of(listed.device_family, listed.model)


def _lock(server: DepServer) -> None:
    """One writer of such rows an account: its oldest key stands for all its servers, and nobody else locks it."""
    keys = DepKey.objects.filter(account=server.account_id).order_by("pk").select_for_update(no_key=True)
    keys.values_list("pk", flat=True).first()


def _forget_removed(rows: QuerySet[DepDevice]) -> None:
    rows.filter(device__removed_at__isnull=False).update(device=None, made_device=False)


def _link_or_make(server: DepServer, listed: list[DepDevice]) -> None:
    if unknown := _link(server, listed):
        _make(server, unknown, group_for(server))


def _link(server: DepServer, listed: list[DepDevice]) -> list[DepDevice]:
    """Let the rows point to the devices with the same serial numbers: the enrolled one counts, else the latest.

    Returns those that nobody has.
    """
    same = Device.objects.for_account(server.account_id).filter(serial_number__in=[row.serial_number for row in listed])
    facts = sorted(
        same.values_list("pk", "serial_number", "state"), key=lambda one: (one[2] == DeviceState.ENROLLED, one[0])
    )
    found = {serial: pk for pk, serial, _ in facts}
    moving = [row for row in listed if row.device_id != found.get(row.serial_number, row.device_id)]
    # What awaited the device is a second row of the same one now.
    doubles = [row.device_id for row in moving if row.made_device and row.device_id]
    for row in moving:
        row.device_id, row.made_device = found[row.serial_number], False
    update_many(moving, ["device", "made_device"])
    if doubles:
        _delete(_still_awaited(doubles))
    return [row for row in listed if row.device_id is None]


def _make(server: DepServer, listed: list[DepDevice], group: DeviceGroup) -> None:
    devices = [
        Device(
            account_id=server.account_id,
            group=group,
            name=row.serial_number,
            serial_number=row.serial_number,
            platform=platform_of_listed(row),
            model_name=row.model[: Device._meta.get_field("model_name").max_length],
        )
        for row in listed
    ]
    Device.objects.bulk_create(devices)
    for row, device in zip(listed, devices, strict=True):
        row.device, row.made_device = device, True
    update_many(listed, ["device", "made_device"])
    emit_many(
        build(
            "device.created",
            account_id=server.account_id,
            device=device,
            metadata={"device_id": device.pk, "name": device.name, "dep_server_id": server.pk},
        )
        for device in devices
    )


def _delete(devices: Iterable[Device]) -> None:
    Device.objects.filter(pk__in=[device.pk for device in devices]).delete()


def _still_awaited(keys: Iterable[int]) -> DeviceQuerySet:
    """Those of them that never began to enroll, locked so that none begins now."""
    began = Exists(Channel.objects.filter(device=OuterRef("pk")))
    rows = Device.objects.filter(
        ~began, pk__in=list(keys), state=DeviceState.AWAITING, enrolled_at=None, removed_at=None
    )
    return rows.order_by("pk").select_for_update()
