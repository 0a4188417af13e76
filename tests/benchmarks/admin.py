"""`python -m tests.benchmarks.admin`: how long the server takes for every page of the admin, on PostgreSQL, with a large account.

100,000 devices with their channels, users and apps, 5,000,000 commands and a million lines of the log lie behind every list. Each
page is asked for three times in this process, as the web server would run it; the median counts, the number of statements beside
it. Ends with 1 when a page takes longer than the limit.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping

import django
import psycopg
from django.core.management import call_command

from tests.benchmarks import server

ROUNDS = 3
LISTS_OF_DEVICES = {
    "by state": "state=enrolled",
    "by platform": "platform=macOS",
    "by version": "os=iOS 18.3",
    "seen in a day": "seen=day",
    "not seen for a month": "seen=not-month",
    "supervised": "supervised=yes",
    "FileVault": "filevault=no",
    "of a group": "group={group}",
    "cannot be woken": "push=dead",
    "enrolled one day": "enrolled={day}",
    "serial number": "q=SER0077777",
    "part of a name": "q=Mac 4242",
    "a user": "q=user4242",
    "nothing found": "q=nowhere to be found",
    "ordered by name": "o=1",
    "ordered by last seen": "o=7",
    "last page": "p=1000",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--commands", type=int, default=5_000_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=300, help="milliseconds")
    parser.add_argument("--only", default="", help="pages whose address contains this")
    parser.add_argument("--keep", action="store_true", help="use the database of the last run")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"]
    if not options.keep:
        url = server.fresh_database(url, "pomona_bench_admin")
    os.environ["DATABASE_URL"] = url.rpartition("/")[0] + "/pomona_bench_admin"
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["ALLOWED_HOSTS"] = "*"
    django.setup()
    call_command("migrate", verbosity=0)
    sys.exit(measure(options))


def measure(options: argparse.Namespace) -> int:
    # Django must be set up before models can be imported.
    from django.test import Client

    from mdm.accounts.models import Account, User

    if not options.keep:
        fill(options)
    owner = User.objects.get(email="owner@bench.example")
    client = Client()
    client.force_login(owner)
    slow = 0
    print(f"\n{'ms':>7} {'slowest':>8} {'statements':>11}  page")
    for path in paths(Account.objects.get(name="Bench")):
        if options.only in path:
            middle, slowest, statements, status = ask(client, path)
            mark = "" if middle <= options.limit and status in (200, 302) else f"   <-- {status}"
            slow += bool(mark)
            print(f"{middle:7.0f} {slowest:8.0f} {statements:11}  {path}{mark}", flush=True)
    print(f"\n{slow} pages over {options.limit} ms" if slow else f"\nevery page within {options.limit} ms")
    return 1 if slow else 0


def ask(client: object, path: str) -> tuple[float, float, int, int]:
    """Median and slowest in milliseconds, statements and status."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(path)  # templates are compiled and statements prepared once
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        response = client.get(path)
        if response.streaming:
            next(iter(response.streaming_content), b"")
            response.close()
        times.append((time.perf_counter() - begin) * 1000)
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return statistics.median(times), max(times), len(captured), response.status_code


def paths(account: object) -> Iterator[str]:
    """Home, the lists of devices by every filter, then one of everything."""
    from django.urls import reverse
    from django.utils import timezone

    from devices.models import DeviceGroup
    from mdm.accounts.models import Role
    from tests.browser.pages import pages_of_the_admin

    yield reverse("admin:index")
    yield "/admin/search/?s=Mac+4242"
    devices = reverse("admin:devices_device_changelist")
    group = DeviceGroup.objects.for_account(account).order_by("-pk").first()
    for query in LISTS_OF_DEVICES.values():
        yield f"{devices}?{query.format(group=group.pk, day=timezone.now().date())}"
    yield from pages_of_the_admin(rows_of(account), Role.OWNER)


def rows_of(account: object) -> object:
    """One of everything; of devices, groups, profiles and apps the one with most behind it."""
    from django.contrib import admin

    from apps_catalog.models import App
    from devices.models import DeviceGroup, Profile
    from tests.admin.base import Rows

    found = {}
    for model in admin.site._registry:
        rows = model.objects.filter(pk=account.pk) if model is type(account) else model.objects.for_account(account)
        found[model] = rows.order_by("-pk" if model in (App, DeviceGroup, Profile) else "pk").first()
    return Rows(found)


# --- the large account --------------------------------------------------------------------------------------------------
def fill(options: argparse.Namespace) -> None:
    from django.conf import settings
    from django.contrib.auth.hashers import make_password

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

    settings.CELERY_TASK_ALWAYS_EAGER = False
    count = options.devices
    begin = time.perf_counter()
    account = make_account("Bench")
    owner = User.objects.create(email="owner@bench.example", password=make_password(None))
    Membership.objects.create(account=account, user=owner, role=Role.OWNER)
    make_rows(account)
    groups = [make_group(account, f"Group {number}") for number in range(50)]
    device = make_device(account, platform="macOS", information=INFORMATION, security={"FDE_Enabled": True})
    channel = device.device_channel
    first = device.pk
    multiply(Device, device, count, {
        "uuid": "gen_random_uuid()",
        "name": "'Mac ' || n",
        "group_id": f"{groups[0].pk} + n % 50",
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
    multiply(Channel, channel, count, {
        "secret_id": "gen_random_uuid()",
        "device_id": f"{first} + n",
        "device_key": "upper(md5(n::text))",
        "fingerprint": "md5(n::text) || md5(n::text)",
        "last_seen_at": "now() - (n % 4000) * interval '20 minutes'",
        "push_token_dead_at": "CASE WHEN n % 500 = 0 THEN now() END",
    })  # fmt: skip
    user = make_device_user(device, "base")
    multiply(DeviceUser, user, count // 2, {
        "device_id": f"{first} + 2 * n", "username": "'user' || n", "full_name": "'Person ' || n",
    })  # fmt: skip
    app = make_installed_app(device, "com.example.base")
    for number in range(10):
        multiply(InstalledApp, app, count, {
            "device_id": f"{first} + n", "identifier": f"'com.example.app{number}'", "name": f"'App {number}'",
        })  # fmt: skip
    for number in range(3):
        multiply_install(AppInstall, {"app": make_app(account, name=f"App {number}")}, device, first, count)
        profile = make_profile(account, name=f"Profile {number}")
        multiply_install(ProfileInstall, {"profile": profile, "version": 1}, device, first, count)
    command = make_command(device, "DeviceInformation", state="acknowledged")
    multiply(Command, command, options.commands, {
        "secret_id": "gen_random_uuid()",
        "channel_id": f"{channel.pk} + 1 + n % {count}",
        "command_uuid": "upper(gen_random_uuid()::text)",
        "request_type": "(ARRAY['DeviceInformation', 'SecurityInfo', 'InstalledApplicationList', 'ProfileList'])[1 + n % 4]",
        "state": f"CASE WHEN n > {options.commands} - 20000 THEN 'queued' WHEN n % 200 = 0 THEN 'failed' ELSE 'acknowledged' END",
        "created_at": f"now() - ({options.commands} - n) * interval '90 days' / {options.commands}",
        "finished_at": f"CASE WHEN n <= {options.commands} - 20000 "
        f"THEN now() - ({options.commands} - n) * interval '90 days' / {options.commands} END",
    })  # fmt: skip
    event = make_event(account, device=device)
    multiply(Event, event, options.lines, {
        "log_id": "md5('line' || n)",
        "device_id": f"{first} + n % {count}",
        "at": f"now() - ({options.lines} - n) * interval '90 days' / {options.lines}",
    })  # fmt: skip
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    print(f"{count:,} devices and {options.commands:,} commands made in {time.perf_counter() - begin:.0f} s")


def multiply(model: type, row: object, count: int, changes: Mapping[str, str]) -> None:
    """Copies of a row by SQL; changes: column → expression of n, 1 to count. The order of the keys is that of n."""
    from django.db import connection

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


def multiply_install(model: type, fields: Mapping[str, object], device: object, first: int, count: int) -> None:
    row = model.objects.create(account=device.account, device=device, **fields)
    states = (
        "(ARRAY['installed', 'installed', 'pushed', 'failed'])[1 + (CASE WHEN n % 40 = 0 THEN n / 40 % 4 ELSE 0 END)]"
    )
    multiply(model, row, count, {"device_id": f"{first} + n", "state": states})


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

if __name__ == "__main__":
    main()
