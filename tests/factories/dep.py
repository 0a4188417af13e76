"""DEP servers, their keys and devices."""

from datetime import timedelta

from django.utils import timezone

from devices.services.groups import default_group
from enrollment.models import DepDevice, DepKey, DepServer, DepSettings
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_dep_key(account: Account | None = None, **fields: object) -> DepKey:
    """Without a real key pair: `enrollment.services.dep_tokens.make_key` makes one."""
    values = {"certificate_pem": "no certificate", "key_pem": "no key"}
    return DepKey.objects.create(account=account or make_account(), **(values | fields))


def make_dep_server(account: Account | None = None, name: str = "", **fields: object) -> DepServer:
    """A server whose token is good for a year; it is not due for a sync."""
    n = number()
    account = account or make_account()
    values = {
        "name": name or f"DEP server {n}",
        "consumer_key": f"CK_{n}",
        "consumer_secret": f"CS_{n}",
        "access_token": f"AT_{n}",
        "access_secret": f"AS_{n}",
        "token_expires_at": timezone.now() + timedelta(days=365),
    }
    if "key" not in fields:
        values["key"] = make_dep_key(account)
    return DepServer.objects.create(account=account, **(values | fields))


def make_dep_device(server: DepServer | None = None, serial_number: str = "", **fields: object) -> DepDevice:
    server = server or make_dep_server()
    values = {"serial_number": serial_number or f"DMPF{number():08d}", "model": "iPhone 14", "seen_at": timezone.now()}
    return DepDevice.objects.create(account_id=server.account_id, server=server, **(values | fields))


def make_dep_settings(server: DepServer | None = None, **fields: object) -> DepSettings:
    """Settings that are not at Apple yet, and due; options: Apple's keys."""
    server = server or make_dep_server()
    values = {"options": {"profile_name": "Office"}, "due_at": timezone.now()}
    if "device_group" not in fields:
        values["device_group"] = default_group(server.account)
    return DepSettings.objects.create(account_id=server.account_id, server=server, **(values | fields))
