"""`python -m tests.benchmarks.assignment`: one profile and two apps for 100,000 devices, until everything is queued.

The change is made as an operator makes it, by the service; worker processes carry it out, as many as are asked for. Memory is
that of the largest worker.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable

import django
import psycopg
from django.core.management import call_command

from tests.benchmarks import server
from tests.benchmarks.lists import CHANNELS, DEVICES

PROFILE = b"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>com.example.bench</string><key>PayloadUUID</key><string>B1</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.wifi.managed</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>com.example.bench.wifi</string><key>PayloadUUID</key><string>B2</string>
<key>SSID_STR</key><string>Bench</string></dict></array></dict></plist>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    measure(url, options)


def measure(url: str, options: argparse.Namespace) -> None:
    # Django must be set up before models can be imported.
    from django.conf import settings
    from django.db import connection

    from apps_catalog.models import App, AppAssignment, AppType
    from devices.models import AssignmentGroup, BulkOperation
    from devices.services.assignment_groups import assign_member
    from devices.services.groups import default_group
    from devices.services.profiles import assign, create_profile
    from enrollment.services.accounts import open_account
    from mdm.accounts.actors import SYSTEM

    settings.CELERY_TASK_ALWAYS_EAGER = False
    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    print(f"preparing {options.devices:,} devices …", flush=True)
    device_group = default_group(account)
    _fill(url, account.pk, device_group.pk, options.devices)
    group = AssignmentGroup.objects.create(account=account, name="Everybody")
    profile = create_profile(account, "Wi-Fi", PROFILE, user_scope=False, actor=SYSTEM)
    assign(profile, group, actor=SYSTEM)
    for number in (1, 2):
        app = App.objects.create(
            account=account,
            name=f"App {number}",
            app_type=AppType.STORE,
            itunes_store_id=number,
            bundle_identifier=f"com.example.app{number}",
            platform_support="iOS",
        )
        AppAssignment.objects.create(account=account, group=group, app=app)
    begin = time.perf_counter()
    assign_member(group, device_group, SYSTEM)
    asked = time.perf_counter() - begin
    connection.close()
    connection.close_pool()  # the workers open their own
    peak = _work(options.workers)
    seconds = time.perf_counter() - begin
    operation = BulkOperation.objects.get()
    print(f"the request              {asked:6.2f} s")
    print(f"everything queued        {seconds:6.2f} s by {options.workers} workers (goal: under 60)")
    print(f"devices a second         {options.devices / seconds:6.0f}")
    print(f"memory of a worker       {peak / 1024:6.0f} MB at its most")
    print(f"operation                {operation.state}, {operation.total:,} devices, {operation.commands:,} commands")
    _check(url, options.devices)


def _work(workers: int) -> int:
    """Until no device is due. Returns the largest memory of a worker, in KB."""
    context = multiprocessing.get_context("fork")
    sizes = context.Queue()
    processes = [context.Process(target=_worker, args=(sizes,)) for _ in range(workers)]
    for process in processes:
        process.start()
    peak = max(sizes.get() for _ in processes)
    for process in processes:
        process.join()
    return peak


def _worker(sizes: "multiprocessing.Queue[int]") -> None:
    from apps_catalog.services.reconcile import reconcile_due

    reconcile: Callable[[], int] = reconcile_due
    reconcile()
    sizes.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _fill(url: str, account: int, group: int, count: int) -> None:
    values = {"account": account, "group": group, "count": count, "information": "{}", "security": "{}"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DEVICES, values)
        connection.execute(CHANNELS)
        connection.execute(
            "UPDATE mdm_channels_channel SET push_token = 'token', push_magic = 'magic', topic = 'topic'"
        )
        connection.execute("VACUUM ANALYZE")


def _check(url: str, devices: int) -> None:
    """Each device has its three commands and rows, and will be woken."""
    with psycopg.connect(url) as connection:
        for table, condition, each in (
            ("mdm_commands_command", "request_type IN ('InstallProfile', 'InstallApplication')", 3),
            ("devices_profileinstall", "state = 'pushed'", 1),
            ("apps_catalog_appinstall", "state = 'pushed'", 2),
            ("mdm_channels_channel", "push_due_at IS NOT NULL", 1),
            ("devices_duedevice", "true", 0),
        ):
            (found,) = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()
            if found != devices * each:
                raise RuntimeError(f"{table}: {found} rows instead of {devices * each}")
        (last,) = connection.execute("SELECT max(push_due_at) - min(push_due_at) FROM mdm_channels_channel").fetchone()
    print(f"pushes spread over       {last}")


if __name__ == "__main__":
    main()
