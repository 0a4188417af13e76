"""`python -m tests.benchmarks.lists`: pages of devices, with a million rows in PostgreSQL.

- Encoding: CPU of turning 100 loaded devices into the answer's bytes, their groups and attribute values asked for.
- First and last page: the whole request, in this process, over the list of all devices; how the two compare.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import django
import httpx
import psycopg
from django.core.management import call_command

from tests.benchmarks import server

PAGE = 100
# Written by the database itself: rows of a million devices in one statement each.
DEVICES = """
INSERT INTO devices_device (account_id, group_id, uuid, name, state, platform, udid, enrollment_id, serial_number,
    imei, meid, device_name, model, model_name, product_name, os_version, build_version, wifi_mac, bluetooth_mac,
    ethernet_mac, phone_number, email, is_supervised, is_user_enrollment, information, security, created_at, enrolled_at)
SELECT %(account)s, %(group)s, gen_random_uuid(), 'iPhone ' || n, 'enrolled', 'iOS', upper(gen_random_uuid()::text), '',
    'LIST' || n, '', '', 'iPhone ' || n, 'MTLX3LL', 'iPhone 15', 'iPhone15,4', '17.5.1', '21F90', '', '', '', '', '',
    true, false, CASE WHEN n <= 1000 OR n > %(count)s - 1000 THEN %(information)s::jsonb ELSE '{}' END,
    CASE WHEN n <= 1000 OR n > %(count)s - 1000 THEN %(security)s::jsonb ELSE '{}' END, now(), now()
FROM generate_series(1, %(count)s) AS n ORDER BY n
"""
CHANNELS = """
INSERT INTO mdm_channels_channel (secret_id, account_id, device_id, device_key, user_key, user_short_name, user_long_name,
    is_user_enrollment, state, fingerprint, topic, push_token, push_magic, awaiting_configuration, last_seen_at,
    last_seen_ip, push_attempts, push_error)
SELECT gen_random_uuid(), account_id, id, udid, '', '', '', false, 'open', '', '', '', '', false, now(), '203.0.113.7', 0, ''
FROM devices_device
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=60)
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
    from api.rendering import JSONRenderer
    from api.v1.device_encoding import encode_devices, loaded
    from api.v1.secrets import Secrets
    from devices.models import Device
    from devices.services.groups import default_group
    from enrollment.services.accounts import open_account
    from mdm.accounts.services import create_api_key
    from tests.base import ApiClient

    account, _ = open_account("Bench", owner_email="bench@example.com", password="not used here")
    _, key = create_api_key(account, name="Bench")
    print(f"preparing {options.devices:,} devices …", flush=True)
    _fill(url, account.pk, default_group(account).pk, options.devices)
    last = Device.objects.order_by("-pk").values_list("pk", flat=True)[PAGE]
    api = ApiClient(key)

    def first_page() -> None:
        _check(api.get("/api/v1/devices", {"limit": PAGE}).json())

    def last_page() -> None:
        _check(api.get("/api/v1/devices", {"limit": PAGE, "starting_after": last}).json())

    devices = list(loaded(Device.objects.for_account(account)).order_by("pk")[:PAGE])
    request = SimpleNamespace(params={}, auth=None, account=account)
    encoding = _cpu(lambda: JSONRenderer().render(encode_devices(devices, Secrets(request))), options.rounds)
    first, end = _alternating(first_page, last_page, options.rounds)
    print(f"encoding {PAGE} devices            {encoding:6.2f} ms of CPU (goal: under 10)")
    print(f"first page of {options.devices:,}     {first:6.2f} ms")
    print(f"last page of {options.devices:,}      {end:6.2f} ms: {end / first:.2f} times the first (goal: at most 1.2)")


def _fill(url: str, account: int, group: int, count: int) -> None:
    information, security = _facts()
    values: dict[str, Any] = {"account": account, "group": group, "count": count}
    values |= {"information": json.dumps(information), "security": json.dumps(security)}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(DEVICES, values)
        connection.execute(CHANNELS)
        connection.execute("VACUUM ANALYZE")


def _facts() -> tuple[dict[str, Any], dict[str, Any]]:
    """What an iPhone tells about itself, as it is stored."""
    from devices.results.facts import jsonable
    from mdm.protocol.request_types.information import device_information
    from mdm.virtual.answers import compose
    from mdm.virtual.device import VirtualDevice

    phone = VirtualDevice("ios", client=httpx.Client())
    phone.identity, phone.profile = SimpleNamespace(), SimpleNamespace(identifier="", mdm={})
    queries = device_information().parameters["Queries"]
    information = compose(phone.scene(None), {"RequestType": "DeviceInformation", "Queries": queries}).response
    security = compose(phone.scene(None), {"RequestType": "SecurityInfo"}).response
    information, security = information["QueryResponses"], security["SecurityInfo"]
    return jsonable(information), jsonable(security)


def _check(page: dict[str, Any]) -> None:
    if len(page["data"]) != PAGE:
        raise RuntimeError(f"the page holds {len(page['data'])} devices")


def _cpu(function: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of CPU."""
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        function()
        spent.append(time.process_time() - begin)
    return statistics.median(spent) * 1000


def _alternating(one: Callable[[], None], other: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Median milliseconds of each, taken in turns so that both meet the same hour."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, times in ((one, spent[0]), (other, spent[1])):
            begin = time.perf_counter()
            function()
            times.append(time.perf_counter() - begin)
    return statistics.median(spent[0]) * 1000, statistics.median(spent[1]) * 1000


if __name__ == "__main__":
    main()
