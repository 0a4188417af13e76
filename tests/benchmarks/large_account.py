"""An account as large as they get, made by SQL within minutes. Django must be set up before this is imported."""

import os
import time
from collections.abc import Mapping

import psycopg
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from apps_catalog.models import AppInstall
from devices.models import (
    AttributeValue,
    Device,
    DeviceGroup,
    DeviceUser,
    InstalledApp,
    OperationDevice,
    ProfileInstall,
    ScriptRun,
)
from enrollment.models import DepDevice, IdentityCertificate
from mdm.accounts.models import Membership, Role, User
from mdm.channels.models import Channel
from mdm.commands.models import ROUTINE, Command
from mdm.events.models import Event, WebhookDelivery
from tests.admin.base import make_rows
from tests.factories import (
    make_account,
    make_app,
    make_app_assignment,
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_command,
    make_delivery,
    make_dep_device,
    make_dep_server,
    make_device,
    make_device_user,
    make_event,
    make_group,
    make_installed_app,
    make_operation,
    make_profile,
    make_profile_assignment,
    make_script_job,
    make_webhook,
)

BUSY = "0" * 40  # the UDID of the device that is asked most
GROUPS, APPS_OF_A_DEVICE, ITEMS = 50, 10, 3
MACS = 4  # every fourth device is one
MESSAGES_OF_A_DEVICE = 5
ROUTINE_ARRAY = "ARRAY[" + ", ".join(f"'{name}'" for name in ROUTINE) + "]"
STILL_QUEUED = 20_000
OF_ONE_DEVICE = 5_000
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
    device = make_device(account, platform="macOS", udid=BUSY, information=INFORMATION, security={"FDE_Enabled": True})
    fill_devices(device, devices)
    fill_what_devices_have(device, devices)
    fill_what_is_done_with_many(device, devices)
    fill_what_stands_beside(device, devices)
    fill_commands(device, devices, commands)
    fill_one_device(device)
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
    """Apps they told of, and profiles and apps that all of them should have."""
    everybody = make_assignment_group(
        device.account, "Everybody", members=DeviceGroup.objects.for_account(device.account)
    )
    app = make_installed_app(device, "com.example.base")
    for number in range(APPS_OF_A_DEVICE):
        multiply(InstalledApp, app, count, {
            "device_id": f"{device.pk} + n", "identifier": f"'com.example.app{number}'", "name": f"'App {number}'",
        })  # fmt: skip
    for number in range(ITEMS):
        app = make_app(device.account, name=f"App {number}")
        make_app_assignment(everybody, app)
        multiply_install(AppInstall, {"app": app}, device, count)
        profile = make_profile(device.account, name=f"Profile {number}")
        make_profile_assignment(profile, everybody)
        multiply_install(ProfileInstall, {"profile": profile, "version": 1}, device, count)


def fill_what_is_done_with_many(device: Device, count: int) -> None:
    """An operation that is over, and a script on every Mac; one in ten did not go well."""
    command = make_command(device, "RestartDevice", state="acknowledged")
    operation = make_operation(
        device.account, kind="send_command", title="Restart", total=count, state="done", finished_at=timezone.now()
    )
    step = OperationDevice.objects.create(
        account=device.account, operation=operation, device=device, state="done", command=command
    )
    multiply(OperationDevice, step, count, {
        "device_id": f"{device.pk} + n",
        "state": "CASE WHEN n % 10 = 0 THEN 'refused' ELSE 'done' END",
        "fault": "CASE WHEN n % 10 = 0 THEN 'It is not enrolled.' ELSE '' END",
        "command_id": "CASE WHEN n % 10 > 0 THEN base.command_id + 1 + n END",
    })  # fmt: skip
    job = make_script_job(device.account, devices=[device], state="completed")
    multiply(ScriptRun, job.runs.get(), count // MACS, {
        "device_id": f"{device.pk} + {MACS} * n",
        "state": "CASE WHEN n % 10 = 0 THEN 'error' ELSE 'completed' END",
        "status_code": "CASE WHEN n % 10 = 0 THEN '1' ELSE '0' END",
        "response": "'Output of ' || n",
        "finished_at": "now() - interval '1 day'",
    })  # fmt: skip


def fill_what_stands_beside(device: Device, count: int) -> None:
    """For each device a certificate, a value of an attribute, a row at Apple and five messages to a webhook."""
    identity = IdentityCertificate.objects.for_account(device.account).first()
    multiply(IdentityCertificate, identity, count, {
        "device_id": f"{device.pk} + n",
        "serial_number": "md5('serial' || n)",
        "fingerprint": "md5(n::text) || md5('print' || n)",
        "not_after": "now() + (n % 395 - 30) * interval '1 day'",
    })  # fmt: skip
    value = make_attribute_value(device, make_attribute(device.account, "desk"))
    multiply(AttributeValue, value, count, {"device_id": f"{device.pk} + n", "plain": "'Room ' || n % 500"})
    dep_device = make_dep_device(make_dep_server(device.account))
    multiply(DepDevice, dep_device, count, {
        "serial_number": "'SER' || lpad(n::text, 7, '0')", "device_id": f"CASE WHEN n % 3 > 0 THEN {device.pk} + n END",
    })  # fmt: skip
    delivery = make_delivery(make_webhook(device.account), state="delivered", delivered_at=timezone.now())
    multiply(WebhookDelivery, delivery, MESSAGES_OF_A_DEVICE * count, {
        "message_id": "md5('message' || n)",
        "order_key": f"{device.pk} + n % {count}",
        "state": "CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'delivered' END",
        "created_at": f"now() - ({MESSAGES_OF_A_DEVICE * count} - n) * interval '7 days' / {MESSAGES_OF_A_DEVICE * count}",
    })  # fmt: skip


def fill_commands(device: Device, devices: int, count: int) -> None:
    """The newest wait, of the others one in 200 failed."""
    command = make_command(device, "DeviceInformation", state="acknowledged")
    created = f"now() - ({count} - n) * interval '90 days' / {count}"
    still = f"n > {count} - {STILL_QUEUED}"
    multiply(Command, command, count, {
        "secret_id": "gen_random_uuid()",
        "channel_id": f"{device.device_channel.pk} + 1 + n % {devices}",
        "command_uuid": "upper(gen_random_uuid()::text)",
        "request_type": f"({ROUTINE_ARRAY})[1 + n % {len(ROUTINE)}]",
        "state": f"CASE WHEN {still} THEN 'queued' WHEN n % 200 = 0 THEN 'failed' ELSE 'acknowledged' END",
        "created_at": created,
        "finished_at": f"CASE WHEN NOT {still} THEN {created} END",
    })  # fmt: skip


def fill_one_device(device: Device) -> None:
    """One that is asked more often than any other."""
    command = make_command(device, "DeviceInformation", state="acknowledged")
    multiply(Command, command, OF_ONE_DEVICE, {
        "secret_id": "gen_random_uuid()",
        "command_uuid": "upper(gen_random_uuid()::text)",
        "state": "CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'acknowledged' END",
        "finished_at": "now()",
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
