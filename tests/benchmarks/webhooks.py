"""`python -m tests.benchmarks.webhooks`: 10,000 messages to a receiver that is quick, and what each costs.

The receiver is a process of its own, the sockets are real, one process delivers. What a bare load generator gets out of the same
receiver, which neither reads a database nor writes into one, stands beside it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import django
import httpx
from django.core.management import call_command

from tests.benchmarks import load, server

SECRET = "not used elsewhere"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--webhooks", type=int, default=1, help="that share the messages")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if not os.environ.get("DATABASE_URL"):
        sys.exit("DATABASE_URL is not set: the figures are for PostgreSQL.")
    url = os.environ["DATABASE_URL"] = server.fresh_database(os.environ["DATABASE_URL"])
    os.environ["DJANGO_SETTINGS_MODULE"] = "mdm.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    os.environ["WEBHOOK_ALLOW_PRIVATE"] = "true"
    receiver = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.receiver"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(receiver.stdout.readline())
        django.setup()
        call_command("migrate", verbosity=0)
        measure(options, url, port, receiver.pid)
    finally:
        receiver.terminate()
        receiver.wait(20)


def measure(options: argparse.Namespace, url: str, port: int, receiver_pid: int) -> None:
    # Django must be set up before models can be imported.
    from enrollment.services.accounts import open_account
    from mdm.events.delivery import deliver_due
    from mdm.events.lanes import LANES
    from mdm.events.models import DeliveryState, Webhook, WebhookAttempt, WebhookDelivery

    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    address = f"http://127.0.0.1:{port}/hook"
    webhooks = [Webhook.objects.create(account=account, url=address, secret=SECRET) for _ in range(options.webhooks)]
    bare = _bare(port, options.messages, LANES)
    print(f"{'':26}{'a second':>9}{'worker ms':>11}{'database ms':>13}{'receiver ms':>13}   CPU of each message")
    print(f"{'a bare load generator':26}{bare:9.0f}", flush=True)
    rates = []
    for number in range(options.runs):
        WebhookAttempt.objects.all().delete()
        WebhookDelivery.objects.all().delete()
        WebhookDelivery.objects.bulk_create(
            (_message(webhooks[n % len(webhooks)], n % options.devices) for n in range(options.messages)),
            batch_size=1000,
        )
        before = _count(port)
        pids = [[os.getpid()], server.database_pids(url), [receiver_pid]]
        costs = [server.cpu_seconds(some) for some in pids]
        begin = time.perf_counter()
        tried = deliver_due()
        seconds = time.perf_counter() - begin
        used = [1000 * (server.cpu_seconds(some) - cost) / tried for some, cost in zip(pids, costs, strict=True)]
        rates.append(tried / seconds)
        assert WebhookDelivery.objects.filter(state=DeliveryState.DELIVERED).count() == options.messages
        assert WebhookAttempt.objects.count() == options.messages == _count(port) - before
        print(
            f"{f'delivered, run {number + 1}':26}{rates[-1]:9.0f}{used[0]:11.2f}{used[1]:13.2f}{used[2]:13.2f}",
            flush=True,
        )
    print(f"{'median':26}{statistics.median(rates):9.0f}   least {min(rates):.0f}, most {max(rates):.0f}")


def _message(webhook: object, device: int) -> object:
    from mdm.events.models import WebhookDelivery

    body = (
        f'{{"type": "device.enrolled", "at": "2026-07-01T21:32:19.000Z", "data": {{"device": {{"id": {device}, '
        f'"udid": "00008030-{device:016X}", "serial_number": "C02{device:09d}", "device_group_id": 1}}}}}}'
    )
    return WebhookDelivery(
        account_id=webhook.account_id, webhook=webhook, event_type="device.enrolled", order_key=device, body=body
    )


def _bare(port: int, count: int, connections: int) -> float:
    request = load.request_bytes("/hook", b"x" * 170, "x" * 71, "application/json")
    each = count // connections
    tally = load.run(port, [[request] * each for _ in range(connections)], connections=connections)
    return tally.count / tally.seconds


def _count(port: int) -> int:
    return int(httpx.get(f"http://127.0.0.1:{port}/").text)


if __name__ == "__main__":
    main()
