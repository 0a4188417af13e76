"""`python -m tests.benchmarks.licences`: a location of Apps and Books with 100,000 licences on devices.

Apple's service is the fake one, in a process of its own, 500 licences a page. Memory is the peak of the one process that reads.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import django
from django.core.management import call_command

from tests.benchmarks import server
from tests.benchmarks.dep import peak

STORE_ID = 361309726


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--licences", type=int, default=100_000)
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    asset = f"{STORE_ID}:{options.licences + 100}"
    command = [sys.executable, "-m", "tests.fakes.vpp", "--asset", asset, "--given", str(options.licences)]
    fake = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(fake.stdout.readline())
        os.environ["VPP_URL"] = said["url"]
        os.environ["APP_STORE_URL"] = "http://127.0.0.1:9"
        django.setup()
        call_command("migrate", verbosity=0)
        measure(options.licences, said["token"].encode())
    finally:
        fake.terminate()
        fake.wait(20)


def measure(count: int, token_file: bytes) -> None:
    # Django must be set up before models can be imported.
    from django.utils import timezone

    from apps_catalog.models import ContentToken, LicenceAssignment
    from apps_catalog.services.licence_tokens import add_token
    from apps_catalog.services.vpp_work import manage_due
    from enrollment.services.accounts import open_account
    from mdm.accounts.actors import SYSTEM

    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    add_token(account, token_file, actor=SYSTEM)

    def sync() -> None:
        ContentToken.objects.update(sync_due_at=timezone.now(), paused_until=None)
        manage_due()

    def whole_list_again() -> None:
        ContentToken.objects.update(assignments_version="")
        sync()

    print(f"{count:,} licences; the process has {peak():.0f} MB before", flush=True)
    _timed("first sync", sync)
    assert LicenceAssignment.objects.count() == count
    _timed("nothing changed", sync)
    _timed("whole list again", whole_list_again)


def _timed(name: str, work: Callable[[], object]) -> None:
    begin = time.perf_counter()
    work()
    print(f"{name:28}{time.perf_counter() - begin:8.1f} s   peak {peak():6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
