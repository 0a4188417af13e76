"""`python -m tests.benchmarks.bulk`: a restart of 100,000 devices, from the click until everything is queued.

The action is started as the admin starts it; worker processes carry it out, as many as are asked for. Memory is that of the
largest worker. Then the operation's page is loaded, with commands of other days beside those of the operation.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import time

import django
import psycopg
from django.core.management import call_command

from tests.benchmarks import server
from tests.benchmarks.lists import CHANNELS, DEVICES

ROUNDS = 9
# Answered long ago, on all devices alike, in the order in which they came.
OLD_COMMANDS = """
INSERT INTO mdm_commands_command (secret_id, account_id, channel_id, command_uuid, request_type, parameters, state, actor_label,
    source, created_at, finished_at, status, apply_state, apply_attempts, apply_error, not_now_count)
SELECT gen_random_uuid(), account_id, id, 'OLD' || n || '-' || id, 'DeviceInformation', '{}', 'acknowledged', '', 'system', now(),
    now(), 'Acknowledged', 'applied', 0, '', 0
FROM generate_series(1, %(each)s) AS n CROSS JOIN mdm_channels_channel ORDER BY n, id
"""
ANSWERED = """
UPDATE mdm_commands_command SET finished_at = now(), state = CASE WHEN id % 10 = 0 THEN 'failed' ELSE 'acknowledged' END
WHERE request_type = 'RestartDevice' AND id % 3 > 0
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--old-commands", type=int, default=50, help="that each device has answered before")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"], "pomona_bench_bulk")
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["ALLOWED_HOSTS"] = "*"
    django.setup()
    call_command("migrate", verbosity=0)
    measure(url, options)


def measure(url: str, options: argparse.Namespace) -> None:
    # Django must be set up before models can be imported.
    from django.conf import settings
    from django.db import connection

    from devices.models import BulkOperation, Device
    from devices.services.bulk import start
    from devices.services.bulk_orders import send_command
    from devices.services.groups import default_group
    from enrollment.services.accounts import open_account
    from mdm.accounts.actors import SYSTEM
    from mdm.protocol.request_types.power import restart_device

    settings.CELERY_TASK_ALWAYS_EAGER = False
    account, owner = open_account("Bench", owner_email="bench@example.com", password="not used here")
    print(f"preparing {options.devices:,} devices …", flush=True)
    _fill(url, account.pk, default_group(account).pk, options)
    begin = time.perf_counter()
    devices = Device.objects.for_account(account)
    operation = start(devices, send_command(restart_device()), account_id=account.pk, actor=SYSTEM)
    asked = time.perf_counter() - begin
    own_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection.close()
    connection.close_pool()  # the workers open their own
    peak = _work(options.workers)
    seconds = time.perf_counter() - begin
    operation = BulkOperation.objects.get()
    print(f"the request              {asked:6.2f} s, {own_memory / 1024:.0f} MB")
    print(f"everything queued        {seconds:6.2f} s by {options.workers} workers")
    print(f"devices a second         {options.devices / seconds:6.0f}")
    print(f"memory of a worker       {peak / 1024:6.0f} MB at its most")
    print(f"operation                {operation.state}, {operation.total:,} devices, {operation.commands:,} commands")
    _check(url, options.devices)
    _pages(url, account, operation)


def _work(workers: int) -> int:
    """Until no step waits. Returns the largest memory of a worker, in KB."""
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
    from devices.services.bulk_steps import work_on_operations

    while work_on_operations():  # a task ends after some minutes, and asks for another
        pass
    sizes.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _fill(url: str, account: int, group: int, options: argparse.Namespace) -> None:
    values = {"account": account, "group": group, "count": options.devices, "information": "{}", "security": "{}"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DEVICES, values)
        connection.execute(CHANNELS)
        connection.execute(
            "UPDATE mdm_channels_channel SET push_token = 'token', push_magic = 'magic', topic = 'topic'"
        )
        print(f"preparing {options.devices * options.old_commands:,} commands of other days …", flush=True)
        connection.execute(OLD_COMMANDS, {"each": options.old_commands})
        connection.execute("VACUUM ANALYZE")


def _check(url: str, devices: int) -> None:
    """Each device has one command, one step that names it, and will be woken."""
    with psycopg.connect(url) as connection:
        for what, query in (
            ("commands", "SELECT count(*) FROM mdm_commands_command WHERE request_type = 'RestartDevice'"),
            ("channels", "SELECT count(*) FROM mdm_channels_channel WHERE push_due_at IS NOT NULL"),
            ("steps", "SELECT count(DISTINCT command_id) FROM devices_operationdevice WHERE state = 'done'"),
        ):
            (found,) = connection.execute(query).fetchone()
            if found != devices:
                raise RuntimeError(f"{what}: {found} instead of {devices}")
        (last,) = connection.execute("SELECT max(push_due_at) - min(push_due_at) FROM mdm_channels_channel").fetchone()
    print(f"pushes spread over       {last}")


def _pages(url: str, account: object, operation: object) -> None:
    """Median milliseconds of the server for the operation's page, two thirds of its devices having answered."""
    from django.test import Client
    from django.urls import reverse

    from mdm.accounts.models import User

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ANSWERED)
        connection.execute("VACUUM ANALYZE mdm_commands_command")
        connection.execute("VACUUM ANALYZE devices_operationdevice")
    client = Client()
    client.force_login(User.objects.get(email="bench@example.com"))
    page = reverse("admin:devices_bulkoperation_change", args=[operation.pk])
    bulk = reverse("admin:devices_device_bulk")
    for name, address in (
        ("its page", page),
        ("its failed devices", f"{page}?outcome=failed"),
        ("one device of it", f"{page}?q=LIST99999"),
        ("list of operations", reverse("admin:devices_bulkoperation_changelist")),
        ("asking about all", f"{bulk}?all=1&query=&action=restart"),
    ):
        times = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            response = client.get(address)
            times.append((time.perf_counter() - begin) * 1000)
            if response.status_code != 200:
                raise RuntimeError(f"{address}: {response.status_code}")
        print(f"{name:24} {statistics.median(times):6.0f} ms (goal: under 300)")


if __name__ == "__main__":
    main()
