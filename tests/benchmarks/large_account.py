"""An account as large as they get, made by SQL within minutes. Django must be set up before this is imported."""

import os
import time
from collections.abc import Mapping

import psycopg
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.models import Model

from apps_catalog.models import AppInstall
from devices.models import Device, DeviceUser, InstalledApp, ProfileInstall
from mdm.accounts.models import Membership, Role, User
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.admin.base import make_rows
from tests.factories import (
    make_account,
    make_app,
    make_command,
    make_device,
    make_device_user,
    make_event,
    make_group,
    make_installed_app,
    make_profile,
)

GROUPS, APPS_OF_A_DEVICE, ITEMS = 50, 10, 3
STILL_QUEUED = 20_000
INFORMATION = {
    "ModelName": "MacBook Air",
    "ProductName": "Mac14,2",
    "OSVersion": "15.1",
    "BuildVersion": "24B83",
    "DeviceCapacity": 494.38,
    "AvailableDeviceCapacity": 211.2,
    "BatteryLevel": 0.83,
    "IsAppleSilicon": True,
    "HostName": "mac.local",
    "LocalHostName": "mac",
    "TimeZone": "Europe/Berlin",
    "WiFiMAC": "aa:bb:cc:dd:ee:ff",
    "SoftwareUpdateSettings": {f"setting {number}": "value" * 5 for number in range(30)},
}


def fill(*, devices: int, commands: int, lines: int) -> None:
    """An account "Bench" with one of everything, and then that many devices, commands and lines of the log over 90 days."""
    begin = time.perf_counter()
    account = make_account("Bench")
    owner = User.objects.create(email="owner@bench.example", password=make_password(None))
    Membership.objects.create(account=account, user=owner, role=Role.OWNER)
    make_rows(account)
    device = make_device(account, platform="macOS", information=INFORMATION, security={"FDE_Enabled": True})
    fill_devices(device, devices)
    fill_what_devices_have(device, devices)
    fill_commands(device, devices, commands)
    fill_log(device, devices, lines)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as vacuuming:
        vacuuming.execute("VACUUM ANALYZE")
    print(f"{devices:,} devices and {commands:,} commands made in {time.perf_counter() - begin:.0f} s")


def fill_devices(device: Device, count: int) -> None:
    """With the channel of each, and a user of every second."""
    groups = [make_group(device.account, f"Group {number}") for number in range(GROUPS)]
    multiply(Device, device, count, {
        "uuid": "gen_random_uuid()",
        "name": "'Mac ' || n",
        "group_id": f"{groups[0].pk} + n % {GROUPS}",
        "state": "CASE WHEN n % 20 = 0 THEN 'unenrolled' WHEN n % 33 = 0 THEN 'awaiting_enrollment' ELSE 'enrolled' END",
        "platform": "(ARRAY['macOS', 'iOS', 'iOS', 'tvOS'])[1 + n % 4]",
        "os_version": "(15 + n % 4) || '.' || (n % 7) || CASE WHEN n % 3 = 0 THEN '.1' ELSE '' END",
        "udid": "upper(md5(n::text))",
        "serial_number": "'SER' || lpad(n::text, 7, '0')",
        "wifi_mac": "left(md5(n::text), 12)",
        "enrolled_at": "now() - n * interval '600 days' / 100000",
        "is_supervised": "n % 3 > 0",
        "has_filevault": "CASE WHEN n % 4 = 0 THEN n % 8 = 0 END",
    })  # fmt: skip
    multiply(Channel, device.device_channel, count, {
        "secret_id": "gen_random_uuid()",
        "device_id": f"{device.pk} + n",
        "device_key": "upper(md5(n::text))",
        "fingerprint": "md5(n::text) || md5(n::text)",
        "last_seen_at": "now() - (n % 4000) * interval '20 minutes'",
        "push_token_dead_at": "CASE WHEN n % 500 = 0 THEN now() END",
    })  # fmt: skip
    user = make_device_user(device, "base")
    multiply(DeviceUser, user, count // 2, {
        "device_id": f"{device.pk} + 2 * n", "username": "'user' || n", "full_name": "'Person ' || n",
    })  # fmt: skip


def fill_what_devices_have(device: Device, count: int) -> None:
    """Apps they told of, and profiles and apps they should have."""
    app = make_installed_app(device, "com.example.base")
    for number in range(APPS_OF_A_DEVICE):
        multiply(InstalledApp, app, count, {
            "device_id": f"{device.pk} + n", "identifier": f"'com.example.app{number}'", "name": f"'App {number}'",
        })  # fmt: skip
    for number in range(ITEMS):
        multiply_install(AppInstall, {"app": make_app(device.account, name=f"App {number}")}, device, count)
        profile = make_profile(device.account, name=f"Profile {number}")
        multiply_install(ProfileInstall, {"profile": profile, "version": 1}, device, count)


def fill_commands(device: Device, devices: int, count: int) -> None:
    """The newest wait, of the others one in 200 failed."""
    command = make_command(device, "DeviceInformation", state="acknowledged")
    created = f"now() - ({count} - n) * interval '90 days' / {count}"
    still = f"n > {count} - {STILL_QUEUED}"
    multiply(Command, command, count, {
        "secret_id": "gen_random_uuid()",
        "channel_id": f"{device.device_channel.pk} + 1 + n % {devices}",
        "command_uuid": "upper(gen_random_uuid()::text)",
        "request_type": "(ARRAY['DeviceInformation', 'SecurityInfo', 'InstalledApplicationList', 'ProfileList'])[1 + n % 4]",
        "state": f"CASE WHEN {still} THEN 'queued' WHEN n % 200 = 0 THEN 'failed' ELSE 'acknowledged' END",
        "created_at": created,
        "finished_at": f"CASE WHEN NOT {still} THEN {created} END",
    })  # fmt: skip


def fill_log(device: Device, devices: int, count: int) -> None:
    multiply(Event, make_event(device.account, device=device), count, {
        "log_id": "md5('line' || n)",
        "device_id": f"{device.pk} + n % {devices}",
        "at": f"now() - ({count} - n) * interval '90 days' / {count}",
    })  # fmt: skip


def multiply(model: type[Model], row: Model, count: int, changes: Mapping[str, str]) -> None:
    """Copies of a row by SQL; changes: column → expression of n, 1 to count. The order of the keys is that of n."""
    fields = [one for one in model._meta.concrete_fields if not one.primary_key and not one.generated]
    columns = [one.column for one in fields]
    unknown = set(changes) - set(columns)
    if unknown:
        raise ValueError(f"{model.__name__} has no column {', '.join(sorted(unknown))}")
    values = ", ".join(changes.get(column, f'base."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} base, generate_series(1, {count}) n "
            f"WHERE base.id = {row.pk} ORDER BY n"
        )


def multiply_install(model: type[Model], fields: Mapping[str, object], device: Device, count: int) -> None:
    row = model.objects.create(account=device.account, device=device, **fields)
    states = (
        "(ARRAY['installed', 'installed', 'pushed', 'failed'])[1 + (CASE WHEN n % 40 = 0 THEN n / 40 % 4 ELSE 0 END)]"
    )
    multiply(model, row, count, {"device_id": f"{device.pk} + n", "state": states})
