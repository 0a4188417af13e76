"""A school as it could be: devices, people, apps and what happened lately, for pictures of pages and for tests that need many.

Runs within the server's own settings and database: `manage.py shell --command "from tests.browser.demo import fill; fill(…)"`.
"""

import json
import random
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from devices.models import Device, DeviceGroup, ItemState
from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Account, Role, User
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.events.models import Event
from mdm.push.apns import Credentials
from mdm.push.models import PushCertificate
from tests.benchmarks.fleet import Phone, make_phones
from tests.factories import (
    make_app,
    make_assignment_group,
    make_command,
    make_device,
    make_event,
    make_installed_app,
    make_profile,
    make_script,
    make_script_job,
    make_user,
)
from tests.factories.apps import make_app_install
from tests.factories.profiles import make_profile_assignment, make_profile_install
from tests.mdm.push.certificates import make_push_certificate

IPAD = {"platform": "iOS", "model_name": "iPad", "product_name": "iPad13,18", "model": "MPQ13FD/A"}
IPHONE = {"platform": "iOS", "model_name": "iPhone 15", "product_name": "iPhone15,4", "model": "MTP03ZD/A"}
MAC = {"platform": "macOS", "model_name": "MacBook Air", "product_name": "Mac14,2", "model": "MLY33D/A"}
STUDIO = {"platform": "macOS", "model_name": "Mac mini", "product_name": "Mac14,3", "model": "MMFJ3D/A"}
VERSIONS = {"iOS": ("18.5", "18.5", "18.4.1", "17.7"), "macOS": ("15.5", "15.5", "15.4", "14.7.6")}
# Group, what its devices are called, what they are, and how often they come among a hundred.
GROUPS = (
    ("Classroom iPads", "iPad 5{letter}-{number:02d}", IPAD, 50),
    ("Reading room", "Library {number}", IPAD, 14),
    ("Staff", "{person}'s iPhone", IPHONE, 14),
    ("Teachers", "{person}'s MacBook", MAC, 16),
    ("Media lab", "Lab Mac {number}", STUDIO, 6),
)
PEOPLE = (
    "Amara",
    "Björn",
    "Chiara",
    "Dilek",
    "Emil",
    "Fatou",
    "Giulia",
    "Hanna",
    "Ivo",
    "Jana",
    "Kofi",
    "Lena",
    "Milan",
    "Nadia",
)
APPS = (
    ("Pages", "com.apple.Pages", "iOS", "14.4", True),
    ("GarageBand", "com.apple.mobilegarageband", "iOS", "2.3.16", True),
    ("Timetable", "org.orchard.timetable", "iOS", "3.2", False),
    ("Lab tools", "org.orchard.labtools", "macOS", "1.9", False),
)
PROFILES = (
    ("Wi-Fi Orchard", "org.orchard.wifi"),
    ("Passcode rules", "org.orchard.passcode"),
    ("Home screen, year 5", "org.orchard.home"),
)
CLEAN_UP = "#!/bin/sh\n# Old downloads of the media lab\nfind /Users/Shared/Downloads -mtime +30 -delete\ndf -h /\n"


def fill(count: int, keys: str, credentials: str) -> None:
    """count devices in the first account, all enrolled and able to connect, and a few that are not.

    keys: a file for what they sign with. credentials: a file with a push certificate, for an account that has none.
    """
    random.seed(7)
    account = Account.objects.order_by("id").first()
    Account.objects.filter(pk=account.pk).update(name="Orchard School")
    before = set(Device.objects.for_account(account).values_list("pk", flat=True))
    phones = make_phones(account, count, enrolled=True)
    devices = _named(
        account, [one for one in Device.objects.for_account(account).order_by("id") if one.pk not in before]
    )
    make_user(account, role=Role.READ_ONLY, email="reader@orchard.example", name="Nadia Reader")
    make_user(account, role=Role.OPERATOR, email="help@orchard.example", name="Milan Helpdesk")
    _make_pushable(account, devices, json.loads(Path(credentials).read_text()))
    for number in range(1, 8):
        make_device(account, enrolled=False, name=f"New iPad {number}", group=devices[0].group)
    make_device(
        account, enrolled=False, name="Old kiosk", state="unenrolled", unenrolled_at=timezone.now() - timedelta(days=9)
    )
    _content(account, devices)
    _history(account, devices)
    Path(keys).write_text(json.dumps([_dump(number, phone) for number, phone in enumerate(phones, 1)]))


def _named(account: Account, devices: list[Device]) -> list[Device]:
    groups = {name: DeviceGroup.objects.create(account=account, name=name) for name, *_ in GROUPS}
    weights = [share for *_, share in GROUPS]
    now = timezone.now()
    for number, device in enumerate(devices, 1):
        group, pattern, facts, _ = GROUPS[0] if number < 5 else random.choices(GROUPS, weights)[0]
        device.group = groups[group]
        device.name = pattern.format(letter="abcd"[number % 4], number=number, person=random.choice(PEOPLE))
        device.serial_number = f"F9{number:03d}QK{random.randrange(16**5):05X}"
        device.is_supervised = True  # all came from the list that the school has at Apple
        device.has_filevault = number % 9 > 0 if facts["platform"] == "macOS" else None
        device.os_version = random.choice(VERSIONS[facts["platform"]])
        device.enrolled_at = now - timedelta(days=random.randrange(1, 60), minutes=random.randrange(1440))
        capacity = random.choice((64.0, 128.0, 256.0))
        device.information = {
            "DeviceCapacity": capacity,
            "AvailableDeviceCapacity": capacity * random.uniform(0.1, 0.8),
        }
        device.information_at = now - timedelta(minutes=random.randrange(5, 900))
        device.security = {
            "PasscodePresent": number % 12 > 0,
            "PasscodeCompliant": number % 12 > 0,
            "HardwareEncryptionCaps": 3,
        }
        if facts["platform"] == "macOS":
            device.security = {"FDE_Enabled": device.has_filevault, "SystemIntegrityProtectionEnabled": True}
        device.security_at = device.information_at
        for field, value in facts.items():
            setattr(device, field, value)
    fields = ("group", "name", "serial_number", "is_supervised", "has_filevault", "os_version", "enrolled_at")
    Device.objects.bulk_update(
        devices, [*fields, "information", "information_at", "security", "security_at", *IPAD], batch_size=200
    )
    return devices


def _make_pushable(account: Account, devices: list[Device], given: dict[str, str]) -> None:
    certificate = PushCertificate.objects.for_account(account).first() or make_push_certificate(
        account,
        Credentials(given["topic"], given["certificate"].encode(), given["key"].encode()),
        topic=given["topic"],
        apple_id="it@orchard.example",
    )
    channels = list(Channel.objects.filter(device__in=[one.pk for one in devices]).order_by("id"))
    now = timezone.now()
    for number, channel in enumerate(channels, 1):
        channel.topic = certificate.topic
        channel.push_token = _token(number)
        channel.push_magic = f"magic-{number}"
        channel.last_seen_at = now - timedelta(minutes=random.choice((1, 4, 9, 25, 70, 190, 700, 1500)))
    Channel.objects.bulk_update(channels, ["topic", "push_token", "push_magic", "last_seen_at"], batch_size=200)


def _token(number: int) -> bytes:
    """Of the phone with that place in the list."""
    return number.to_bytes(32, "big")


def _content(account: Account, devices: list[Device]) -> None:
    group = make_assignment_group(account, "Year 5", members=devices[:20])
    for name, identifier, platform, version, store in APPS:
        app = make_app(
            account, name, store=store, bundle_identifier=identifier, platform_support=platform, version=version
        )
        for number, device in enumerate(one for one in devices[:60] if one.platform == platform):
            state = (
                ItemState.FAILED if number % 17 == 3 else ItemState.PENDING if number % 9 == 1 else ItemState.INSTALLED
            )
            make_app_install(
                app, device, state, error="The device is out of space." if state == ItemState.FAILED else ""
            )
            make_installed_app(device, identifier, name=name, short_version=version, is_managed=True)
    for name, identifier in PROFILES:
        profile = make_profile(account, name, identifier=identifier)
        make_profile_assignment(profile, group)
        for number, device in enumerate(devices[:40]):
            make_profile_install(profile, device, ItemState.PENDING if number % 13 == 2 else ItemState.INSTALLED)
    macs = [one for one in devices[:80] if one.platform == "macOS"][:5]
    script = make_script(account, "Clean up the media lab", content=CLEAN_UP)
    job = make_script_job(script=script, devices=macs, state="completed")
    job.runs.update(status_code="0", response="/dev/disk3s1  228Gi  61Gi  149Gi  30% /\n", finished_at=timezone.now())


def _history(account: Account, devices: list[Device]) -> None:
    """Of the last hours: orders with their answers, and the log."""
    now = timezone.now()
    owner = User.objects.filter(memberships__account=account).order_by("id").first()
    person = Actor(Source.ADMIN, label="amara@orchard.example", user_id=owner.pk)
    for number, device in enumerate(devices[:36]):
        kind = ("DeviceInformation", "InstalledApplicationList", "SecurityInfo", "DeviceLock")[number % 4]
        at = now - timedelta(minutes=3 + number * 7)
        state, status = ("failed", "Error") if number % 11 == 5 else ("acknowledged", "Acknowledged")
        command = make_command(device, kind, state=state, status=status, finished_at=at + timedelta(seconds=9))
        Command.objects.filter(pk=command.pk).update(created_at=at)
        made = [
            make_event(
                device=device, event_type=f"command.{state}", command_uuid=command.command_uuid, request_type=kind
            )
        ]
        if number % 5 == 0:
            made.append(make_event(device=device, event_type="device.enrolled"))
        if number % 4 == 3:
            made.append(
                make_event(
                    device=device,
                    event_type="command.queued",
                    actor=person,
                    command_uuid=command.command_uuid,
                    request_type=kind,
                )
            )
        Event.objects.filter(pk__in=[one.pk for one in made]).update(at=at)


def _dump(number: int, phone: Phone) -> dict[str, str]:
    """All phones sign with one key, so it is written once."""
    secret = phone.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() if number == 1 else ""
    certificate = phone.certificate.public_bytes(Encoding.PEM).decode()
    return {"udid": phone.udid, "certificate": certificate, "key": secret, "token": _token(number).hex()}
