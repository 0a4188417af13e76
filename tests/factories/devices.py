"""Devices with their groups and inventory."""

import uuid

from django.utils import timezone

from devices.models import Device, DeviceGroup, DeviceState, DeviceUser, InstalledApp, InstalledProfile
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.channels import make_channel
from tests.factories.numbers import number

IOS = {
    "model": "MG4W2LL",
    "model_name": "iPhone",
    "product_name": "iPhone14,7",
    "os_version": "17.5",
    "build_version": "21F79",
}
MACOS = {
    "model": "MLY33LL",
    "model_name": "MacBook Air",
    "product_name": "Mac14,2",
    "os_version": "14.5",
    "build_version": "23F79",
}
TVOS = {
    "model": "MN893LL",
    "model_name": "Apple TV",
    "product_name": "AppleTV14,1",
    "os_version": "17.5",
    "build_version": "21L569",
}
FACTS = {"iOS": IOS, "macOS": MACOS, "tvOS": TVOS}


def make_group(account: Account | None = None, name: str = "", **fields: object) -> DeviceGroup:
    return DeviceGroup.objects.create(account=account or make_account(), name=name or f"Group {number()}", **fields)


def make_default_group(account: Account) -> DeviceGroup:
    """The account's default group, made if it has none."""
    group, _ = DeviceGroup.objects.get_or_create(account=account, is_default=True, defaults={"name": "Default"})
    return group


def make_device(
    account: Account | None = None, *, enrolled: bool = True, platform: str = "iOS", **fields: object
) -> Device:
    """enrolled: known, supervised, with an open device channel (pushable); otherwise it awaits its enrollment.

    platform is Apple's name: "iOS", "macOS" or "tvOS". The channel is `device.device_channel`.
    """
    group = fields.pop("group", None)
    account = account or (group.account if group else make_account())
    n = number()
    values: dict[str, object] = {"name": f"Device {n}", "group": group or make_default_group(account)}
    if enrolled:
        values |= {
            "state": DeviceState.ENROLLED,
            "platform": platform,
            "udid": str(uuid.uuid4()).upper(),
            "serial_number": f"C02{n:09d}",
            "device_name": f"Device's own name {n}",
            "is_supervised": True,
            "enrolled_at": timezone.now(),
            **FACTS.get(platform, {}),
        }
    device = Device.objects.create(account=account, **(values | fields))
    if enrolled:
        make_channel(device)
    return device


def make_installed_app(device: Device, identifier: str = "", **fields: object) -> InstalledApp:
    n = number()
    values = {"name": f"App {n}", "version": "100", "short_version": "1.0", "bundle_size": 1000, "dynamic_size": 10}
    return InstalledApp.objects.create(
        account=device.account, device=device, identifier=identifier or f"com.example.app{n}", **(values | fields)
    )


def make_installed_profile(device: Device, identifier: str = "", **fields: object) -> InstalledProfile:
    n = number()
    return InstalledProfile.objects.create(
        account=device.account, device=device, identifier=identifier or f"com.example.profile{n}", **fields
    )


def make_device_user(device: Device, username: str = "", **fields: object) -> DeviceUser:
    n = number()
    return DeviceUser.objects.create(account=device.account, device=device, username=username or f"user{n}", **fields)
