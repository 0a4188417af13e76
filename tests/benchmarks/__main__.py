"""`make bench`: idle exchanges, drained commands and enrollment check-ins a second, with what each costs.

    DATABASE_URL=postgres://… REDIS_URL=redis://… make bench

Everything runs on one machine: load generator, web server and database share its cores. Workers are not started: what is
measured is the answer to the device; `applied` says how fast one worker reads the stored answers afterwards.
"""

import argparse
import os
import sys
import time

import django
import psycopg
from django.conf import settings
from django.core.management import call_command

from tests.benchmarks import server
from tests.benchmarks.load import Tally, run

ANSWER_BYTES = 5000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--commands", type=int, default=20, help="for each device")
    parser.add_argument("--idle", type=int, default=30, help="idle exchanges of each device")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["ALLOWED_HOSTS"] = "*"
    django.setup()
    call_command("migrate", verbosity=0)
    measure(url, options)


def measure(url: str, options: argparse.Namespace) -> None:
    # Django must be set up before models can be imported.
    from enrollment.services.accounts import open_account
    from mdm.endpoints.tasks import apply_results
    from tests.benchmarks import fleet

    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    print(f"preparing {options.devices} devices …", flush=True)
    phones = fleet.make_phones(account, options.devices, enrolled=True)
    uuids = fleet.queue_commands(account, phones, options.commands)
    newcomers = fleet.make_phones(account, options.devices, enrolled=False)
    idle = [[phone.idle()] * options.idle for phone in phones]
    drain = [[phone.idle(), *(phone.answer(one, ANSWER_BYTES) for one in uuids[phone.udid])] for phone in phones]
    enroll = [[phone.authenticate(), phone.token_update()] for phone in newcomers]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    port = server.free_port()
    print(f"{options.workers} web processes with {options.threads} threads, {options.connections} connections\n")
    print(f"{'':22}{'a second':>9}{'p50 ms':>8}{'p99 ms':>8}{'web ms':>8}{'db ms':>7}{'commits':>9}  answers")
    with server.web_server(port, workers=options.workers, threads=options.threads) as pid:
        run(port, [[phone.idle()] for phone in newcomers[:50]], connections=8)  # 403s: warm the workers up
        report("drained commands", port, pid, url, drain, options)
        report("idle exchanges", port, pid, url, idle, options)
        report("enrollment check-ins", port, pid, url, enroll, options)
    begin = time.perf_counter()
    settings.CELERY_TASK_ALWAYS_EAGER = True
    applied = apply_results()
    print(f"{'answers applied':22}{applied / (time.perf_counter() - begin):9.0f}  (one process)")


def report(name: str, port: int, pid: int, url: str, sequences: list[list[bytes]], options: argparse.Namespace) -> None:
    web, database = server.family(pid), server.database_pids(url)
    web_before, database_before, commits_before = (
        server.cpu_seconds(web),
        server.cpu_seconds(database),
        server.commits(url),
    )
    tally = run(port, sequences, connections=options.connections)
    time.sleep(1.2)  # the statistics of the database arrive a little later
    web_cost = (server.cpu_seconds(web) - web_before) / tally.count * 1000
    database_cost = (server.cpu_seconds(server.database_pids(url)) - database_before) / tally.count * 1000
    committed = (server.commits(url) - commits_before) / tally.count
    print(line(name, tally, web_cost, database_cost, committed), flush=True)


def line(name: str, tally: Tally, web: float, database: float, committed: float) -> str:
    return (
        f"{name:22}{tally.count / tally.seconds:9.0f}{tally.percentile(0.5):8.1f}{tally.percentile(0.99):8.1f}"
        f"{web:8.2f}{database:7.2f}{committed:9.2f}  {tally.statuses}"
    )


if __name__ == "__main__":
    main()
