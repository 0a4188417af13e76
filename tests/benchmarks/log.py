"""`python -m tests.benchmarks.log`: the log with a million lines in PostgreSQL.

- Pages: each filter of the admin's page and several of them together, the first hundred lines; medians, in this process.
- Export: all lines as CSV, and what memory it takes.
- Retention: all lines but those of the last month go.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from datetime import timedelta

import django
import psycopg
from django.core.management import call_command
from django.utils import timezone

from tests.benchmarks import server

PAGE = 101
# A year of lines: nine of ten are of devices and of Pomona itself, one in a hundred a warning, one in a thousand an error.
LINES = """
INSERT INTO mdm_events_event (account_id, log_id, namespace, event_type, level, source, actor_label, user_id, api_key_id,
    device_id, serial_number, udid, at, metadata, is_forward_due)
SELECT %(account)s, md5(n::text), 'device',
    CASE WHEN n %% 5000 = 0 THEN 'account.updated'
         ELSE (ARRAY['command.queued', 'command.acknowledged', 'device.updated', 'profile.installed',
             'app.installed'])[1 + n %% 5] END,
    CASE WHEN n %% 1000 = 0 THEN 2 WHEN n %% 100 = 0 THEN 1 ELSE 0 END,
    CASE WHEN n %% 5000 = 0 THEN 'admin ui' WHEN n %% 10 = 0 THEN 'api' WHEN n %% 2 = 0 THEN 'device' ELSE 'system' END,
    'somebody', CASE WHEN n %% 5000 = 0 THEN %(user)s END, CASE WHEN n %% 10 = 0 AND n %% 5000 <> 0 THEN %(key)s END,
    %(device)s + n %% %(devices)s, 'LOG' || n %% %(devices)s, '', now() - (%(count)s - n) * (interval '365 days' / %(count)s),
    '{"request_type": "DeviceInformation", "name": "iPhone"}', false
FROM generate_series(1, %(count)s) AS n ORDER BY n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--plans", action="store_true", help="show how PostgreSQL finds each page")
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"], "pomona_bench_log")
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    measure(url, options)


def _pages(owner: int, key: int, devices: list[int]) -> dict[str, dict[str, str]]:
    """Words → the parameters of the log's page. Keys of a person, an API key and some devices."""
    now = timezone.now()
    year_ago = f"{now - timedelta(days=300):%Y-%m-%dT%H:%M}"
    nine_months_ago = f"{now - timedelta(days=299):%Y-%m-%dT%H:%M}"
    return {
        "everything": {},
        "the last hour": {"time": "hour"},
        "one day, 300 days ago": {"since": year_ago, "until": nine_months_ago},
        "a frequent kind": {"event_type": "app.installed"},
        "a rare kind": {"event_type": "account.updated"},
        "a kind that never was": {"event_type": "device.unenrolled"},
        "a topic": {"event_type": "apps"},
        "errors": {"level": "2"},
        "warnings and errors": {"level": "trouble"},
        "people": {"actor": "people"},
        "programs": {"actor": "programs"},
        "one person": {"actor": f"person-{owner}"},
        "one API key": {"actor": f"key-{key}"},
        "one device": {"device": str(devices[7])},
        "a serial number": {"q": "LOG777"},
        "a name that fits 50 devices": {"q": "iphone"},
        "rare kind, one day long ago": {"event_type": "account.updated", "since": year_ago, "until": nine_months_ago},
        "errors of one device": {"level": "2", "device": str(devices[0])},
        "a kind that no person did": {"event_type": "app.installed", "actor": "people"},
        "errors that Pomona made": {"level": "2", "actor": "pomona"},
        "all at once": {
            "time": "month",
            "event_type": "app.installed",
            "level": "trouble",
            "actor": "programs",
            "q": "LOG4",
        },
    }


def measure(url: str, options: argparse.Namespace) -> None:
    # Django must be set up before models can be imported.
    from devices.models import Device
    from devices.services.groups import default_group
    from enrollment.services.accounts import open_account
    from mdm.accounts.actors import SYSTEM
    from mdm.accounts.services import create_api_key
    from mdm.common.planning import planned_for_each_value
    from mdm.events.export import export
    from mdm.events.log_filters import LogFilters, narrow, read
    from mdm.events.models import Event
    from mdm.events.retention import prune

    account, owner = open_account("Bench", owner_email="bench@example.com", password="not used here")
    key, _ = create_api_key(account, name="Bench")
    group = default_group(account)
    devices = Device.objects.bulk_create(
        Device(account=account, group=group, name=f"iPhone {n}", serial_number=f"LOG{n}")
        for n in range(options.devices)
    )
    print(f"preparing {options.lines:,} lines …", flush=True)
    values = {"account": account.pk, "user": owner.pk, "key": key.pk, "device": devices[0].pk}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LINES, {**values, "devices": options.devices, "count": options.lines})
        connection.execute("VACUUM ANALYZE")
    pages = _pages(owner.pk, key.pk, [device.pk for device in devices])
    for words, parameters in pages.items():
        spent, found, events = [], 0, Event.objects.none()
        for _ in range(options.rounds):
            begin = time.perf_counter()
            with planned_for_each_value():
                events = narrow(Event.objects.for_account(account), account, read(parameters)).select_related("device")
                found = len(events.order_by("-pk")[:PAGE])
            spent.append((time.perf_counter() - begin) * 1000)
        print(f"{words:32} {statistics.median(spent):9.1f} ms, {min(found, 100):3} lines", flush=True)
        if options.plans:
            print(events.order_by("-pk")[:PAGE].explain(analyze=True), end="\n\n")
    _time(
        "export of all lines as CSV",
        lambda: sum(map(len, export(account, LogFilters(), format_name="csv", actor=SYSTEM).pieces)),
    )
    _time("retention, what is older than 40 days", lambda: _until_done(prune))


def _until_done(prune: object) -> int:
    count = 0
    os.environ["LOG_RETENTION_DAYS"] = "40"
    from django.conf import settings

    settings.LOG_RETENTION_DAYS = 40
    while some := prune():
        count += some
    return count


def _time(words: str, work: object) -> None:
    before, begin = _peak_megabytes(), time.perf_counter()
    result = work()
    print(
        f"{words}: {result:,} in {time.perf_counter() - begin:.1f} s, peak memory {before} to {_peak_megabytes()} MB",
        flush=True,
    )


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
