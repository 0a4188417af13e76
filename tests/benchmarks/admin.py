"""`python -m tests.benchmarks.admin`: how long the server takes for every page of the admin, on PostgreSQL, with a large account.

100,000 devices with their channels, users, apps, certificates and values, 5,000,000 commands and a million lines of the log lie
behind every list. Each page, and each of its filters, tabs and orders, is asked for three times in this process, as the web
server would run it; the median counts, the number of statements beside it. Ends with 1 when a page takes longer than the limit.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import urljoin, urlsplit

import django
from django.core.management import call_command

from tests.benchmarks import server

ROUNDS = 3
GOOD = (200, 204, 302, 405)  # 405: to be sent, not opened
MOST_OF_A_PAGE = 60
OF_SUPERUSERS = "/admin/accounts/"
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
        from tests.benchmarks.large_account import fill

        fill(devices=options.devices, commands=options.commands, lines=options.lines)
    owner = User.objects.get(email="owner@bench.example")
    client = Client()
    client.force_login(owner)
    slow = 0
    print(f"\n{'ms':>7} {'slowest':>8} {'statements':>11}  page")
    account = Account.objects.get(name="Bench")
    waiting, seen = deque(paths(account)), set(paths(account))
    while waiting:
        path = waiting.popleft()
        if options.only not in path:
            continue
        asked = ask(client, path)
        is_good = asked.median <= options.limit and asked.status in GOOD
        slow += not is_good
        mark = "" if is_good else f"   <-- {asked.status}"
        print(f"{asked.median:7.0f} {asked.slowest:8.0f} {asked.statements:11}  {path}{mark}", flush=True)
        if not urlsplit(path).query:
            more = list(dict.fromkeys(one for one in narrowed(path, asked.html) if one not in seen))[:MOST_OF_A_PAGE]
            seen.update(more)
            waiting.extend(more)
    print(f"\n{slow} of {len(seen)} pages over {options.limit} ms" if slow else f"\n{len(seen)} pages within the limit")
    return 1 if slow else 0


@dataclass(frozen=True)
class Asked:
    """Median and slowest in milliseconds; html: empty for files."""

    median: float
    slowest: float
    statements: int
    status: int
    html: str


def ask(client: object, path: str) -> Asked:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    response = client.get(path)  # templates are compiled and statements prepared once
    html = "" if response.streaming else response.content.decode(errors="replace")
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
    return Asked(statistics.median(times), max(times), len(captured), response.status_code, html)


def narrowed(path: str, html: str) -> Iterator[str]:
    """Where its links lead that stay on it: filters, tabs, orders, further pages."""
    for link in re.findall(r'(?:href|hx-get|data-watch)="([^"]+)"', html):
        url = urljoin(path, unescape(link))
        if url.startswith(f"{path}?"):
            yield url


def paths(account: object) -> Iterator[str]:
    """Home, the lists of devices by every filter, then one of everything."""
    from django.urls import reverse
    from django.utils import timezone

    from devices.models import Device, DeviceGroup
    from mdm.accounts.models import Role
    from tests.benchmarks.large_account import BUSY
    from tests.browser.pages import pages_of_the_admin, pages_without_parts

    yield reverse("admin:index")
    yield "/admin/search/?s=Mac+4242"
    devices = reverse("admin:devices_device_changelist")
    group = DeviceGroup.objects.for_account(account).order_by("-pk").first()
    for query in LISTS_OF_DEVICES.values():
        yield f"{devices}?{query.format(group=group.pk, day=timezone.now().date())}"
    # Asking about all devices at once, and the one with most behind it.
    for action in ("lock", "move", "set_attribute"):
        yield f"{devices}bulk/?action={action}&all=1"
    busy = Device.objects.for_account(account).get(udid=BUSY)
    yield reverse("admin:devices_device_change", args=[busy.pk])
    yield from pages_of_the_admin(rows_of(account), Role.OWNER)
    yield from (one for one in pages_without_parts() if one.startswith("/admin/") and not one.startswith(OF_SUPERUSERS))


def rows_of(account: object) -> object:
    """One of everything; of what differs in size, the one with most behind it."""
    from django.contrib import admin

    from apps_catalog.models import App
    from devices.models import AssignmentGroup, BulkOperation, CustomAttribute, DeviceGroup, Profile, ScriptJob
    from enrollment.models import DepServer
    from mdm.events.models import Webhook
    from tests.admin.base import Rows

    newest = (App, AssignmentGroup, BulkOperation, CustomAttribute, DepServer, DeviceGroup, Profile, ScriptJob, Webhook)
    found = {}
    for model in admin.site._registry:
        rows = model.objects.filter(pk=account.pk) if model is type(account) else model.objects.for_account(account)
        found[model] = rows.order_by("-pk" if model in newest else "pk").first()
    return Rows(found)


if __name__ == "__main__":
    main()
