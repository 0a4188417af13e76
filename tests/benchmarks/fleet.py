"""Devices for the benchmarks: rows in the database, and the signed requests that they will send."""

import base64
import plistlib
import uuid
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from django.utils import timezone

from devices.models import Device, DeviceState
from devices.services.groups import default_group
from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.ca import authority_of
from mdm.accounts.models import Account
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.common import certs
from tests.benchmarks.load import request_bytes

REPORT = "application/x-apple-aspen-mdm"
CHECKIN = "application/x-apple-aspen-mdm-checkin"
OPTIONS = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]


@dataclass
class Phone:
    udid: str
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    number: int

    def request(self, path: str, message: dict, content_type: str) -> bytes:
        body = plistlib.dumps({"UDID": self.udid, **message})
        builder = pkcs7.PKCS7SignatureBuilder().set_data(body).add_signer(self.certificate, self.key, hashes.SHA256())
        signature = base64.b64encode(builder.sign(Encoding.DER, OPTIONS)).decode()
        return request_bytes(path, body, signature, content_type)

    def idle(self) -> bytes:
        return self.request("/mdm/connect", {"Status": "Idle"}, REPORT)

    def answer(self, command_uuid: str, size: int) -> bytes:
        """An acknowledged DeviceInformation of about size bytes."""
        facts = {f"Fact{number:03d}": f"a value of a usual length {number}" for number in range(size // 90)}
        message = {"Status": "Acknowledged", "CommandUUID": command_uuid, "QueryResponses": facts}
        return self.request("/mdm/connect", message, REPORT)

    def authenticate(self) -> bytes:
        message = {
            "MessageType": "Authenticate",
            "Topic": "com.apple.mgmt.External.bench",
            "DeviceName": f"iPhone {self.number}",
            "Model": "MG4W2LL",
            "ModelName": "iPhone",
            "ProductName": "iPhone15,2",
            "OSVersion": "18.1",
            "BuildVersion": "22B83",
            "SerialNumber": f"BENCH{self.number:07d}",
        }
        return self.request("/mdm/checkin", message, CHECKIN)

    def token_update(self) -> bytes:
        message = {
            "MessageType": "TokenUpdate",
            "Topic": "com.apple.mgmt.External.bench",
            "Token": self.number.to_bytes(32, "big"),
            "PushMagic": str(uuid.uuid4()),
            "UnlockToken": b"u" * 1200,
        }
        return self.request("/mdm/checkin", message, CHECKIN)


def make_phones(account: Account, count: int, *, enrolled: bool) -> list[Phone]:
    """Phones with identity certificates of the account's CA; enrolled ones have their rows too, seen just now."""
    authority = authority_of(account)
    ca = x509.load_der_x509_certificate(bytes(authority.certificate_der))
    ca_key = certs.key_from_pem(authority.key_pem.encode())
    key = certs.new_rsa_key()
    phones = []
    for number in range(count):
        udid = str(uuid.uuid4()).upper()
        certificate = certs.issue_identity(
            ca, ca_key, key.public_key(), common_name=udid, serial=certs.new_serial(), organization="Bench"
        )
        phones.append(Phone(udid, certificate, key, number + (0 if enrolled else 500_000)))
    _store(account, phones, enrolled)
    return phones


def _store(account: Account, phones: list[Phone], enrolled: bool) -> None:
    group = default_group(account)
    enrollment = Enrollment.objects.create(account=account, device_group=group)
    now = timezone.now()
    IdentityCertificate.objects.bulk_create(
        IdentityCertificate(
            account=account,
            enrollment=enrollment,
            serial_number=f"{phone.certificate.serial_number:x}",
            fingerprint=certs.fingerprint(phone.certificate),
            public_key_fingerprint="",
            certificate_der=phone.certificate.public_bytes(Encoding.DER),
            not_before=certs.not_before(phone.certificate),
            not_after=certs.not_after(phone.certificate),
        )
        for phone in phones
    )
    if not enrolled:
        return
    devices = Device.objects.bulk_create(
        Device(
            account=account, group=group, name=phone.udid, udid=phone.udid, state=DeviceState.ENROLLED, platform="iOS"
        )
        for phone in phones
    )
    Channel.objects.bulk_create(
        Channel(
            account=account,
            device=device,
            device_key=device.udid,
            state=ChannelState.OPEN,
            fingerprint=certs.fingerprint(phone.certificate),
            last_seen_at=now,
            enrolled_at=now,
        )
        for device, phone in zip(devices, phones, strict=True)
    )


def queue_commands(account: Account, phones: list[Phone], each: int) -> dict[str, list[str]]:
    """The same number of commands for every phone; returns their UUIDs by UDID, in the order of the queue."""
    channels = {channel.device_key: channel for channel in Channel.objects.filter(account=account)}
    rows = [
        Command(
            account=account,
            channel=channels[phone.udid],
            request_type="DeviceInformation",
            parameters={"Queries": ["DeviceName", "OSVersion", "SerialNumber"]},
        )
        for phone in phones
        for _ in range(each)
    ]
    Command.objects.bulk_create(rows, batch_size=2000)
    uuids: dict[str, list[str]] = {}
    for row in rows:
        uuids.setdefault(row.channel.device_key, []).append(row.command_uuid)
    return uuids
