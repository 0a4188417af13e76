"""`python -m tests.benchmarks.dep`: a DEP server with 100,000 devices, from its first sync to enrollment settings on all.

Apple's service is the fake one, in a process of its own, whose time is part of what is measured: it answers in about 20 ms a
page. Memory is the peak of the one process that syncs and assigns, and by how much it grew over what Django takes.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import django
from django.core.management import call_command

from tests.benchmarks import server
from tests.fakes.dep import ACCESS, CONSUMER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100_000)
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    command = [sys.executable, "-m", "tests.fakes.dep", "--devices", str(options.devices)]
    fake = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        os.environ["DEP_URL"] = json.loads(fake.stdout.readline())["url"]
        django.setup()
        call_command("migrate", verbosity=0)
        measure(options.devices)
    finally:
        fake.terminate()
        fake.wait(20)


def measure(count: int) -> None:
    # Django must be set up before models can be imported.
    from django.utils import timezone

    from devices.models import Device
    from enrollment.models import DepServer
    from enrollment.services.accounts import open_account
    from enrollment.services.dep_assign import assign_due
    from enrollment.services.dep_settings import remove_settings, update_settings
    from enrollment.services.dep_sync import sync_due
    from mdm.accounts.actors import SYSTEM
    from tests.factories import make_dep_server

    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    token = ("consumer_key", CONSUMER[0]), ("consumer_secret", CONSUMER[1])
    access = ("access_token", ACCESS[0]), ("access_secret", ACCESS[1])
    listed = make_dep_server(account, "Bench", **dict((*token, *access)), sync_due_at=timezone.now())

    def sync() -> None:
        DepServer.objects.update(sync_due_at=timezone.now())
        while sync_due():
            pass

    def whole_list_again() -> None:
        DepServer.objects.update(cursor="")
        sync()

    settings = update_settings(listed, actor=SYSTEM, device_group=_group(account), options={"profile_name": "Bench"})
    print(f"{count:,} devices; the process has {peak():.0f} MB before", flush=True)
    _timed("first sync, devices made", sync)
    assert Device.objects.count() == count
    _timed("settings assigned", assign_due)
    _timed("the changes that this made", sync)
    _timed("nothing to assign", assign_due)
    _timed("whole list again", whole_list_again)
    remove_settings(settings, SYSTEM)
    _timed("settings taken back", assign_due)


def _group(account: object) -> object:
    from devices.services.groups import default_group

    return default_group(account)


def _timed(name: str, work: Callable[[], object]) -> None:
    begin = time.perf_counter()
    work()
    print(f"{name:28}{time.perf_counter() - begin:8.1f} s   peak {peak():6.0f} MB", flush=True)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
