"""A device as the endpoints see it: an identity certificate, a UDID or EnrollmentID, and signed property lists."""

import base64
import plistlib
import uuid
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from django.http import HttpResponse
from django.test import Client

from devices.models import Device
from mdm.channels.models import Channel
from mdm.common import certs
from tests.factories.channels import TOPIC

CHECKIN, CONNECT = "/mdm/checkin", "/mdm/connect"
OPTIONS = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
FACTS = {
    "iOS": {"ProductName": "iPhone14,7", "ModelName": "iPhone", "Model": "MPVN3", "OSVersion": "17.5"},
    "macOS": {"ProductName": "Mac14,2", "ModelName": "MacBook Air", "Model": "MLY33", "OSVersion": "14.5"},
    "tvOS": {"ProductName": "AppleTV14,1", "ModelName": "Apple TV", "Model": "MN893", "OSVersion": "17.5"},
}


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def mdm_signature(body: bytes, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> str:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(body).add_signer(certificate, key, hashes.SHA256())
    return base64.b64encode(builder.sign(Encoding.DER, OPTIONS)).decode()


class SignedDevice:
    """token: put behind both URLs. ids: the identifiers of every message; `user()` gives the line of one of its users."""

    def __init__(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        *,
        platform: str = "iOS",
        udid: str = "",
        enrollment_id: str = "",
        token: str = "",
    ) -> None:
        self.certificate, self.key, self.platform, self.token = certificate, key, platform, token
        udid = udid or ("" if enrollment_id else str(uuid.uuid4()).upper())
        self.device_key = udid or enrollment_id
        self.ids: dict[str, str] = {"UDID": udid} if udid else {"EnrollmentID": enrollment_id}
        self.serial = f"S{uuid.uuid4().hex[:11].upper()}"
        self.push_token = uuid.uuid4().bytes
        self.http = Client()

    @property
    def fingerprint(self) -> str:
        return certs.fingerprint(self.certificate)

    @property
    def row(self) -> Device:
        return self.channel.device

    @property
    def channel(self) -> Channel:
        user_key = self.ids.get("UserID", "") or self.ids.get("EnrollmentUserID", "")
        return Channel.objects.select_related("device").get(device_key=self.device_key, user_key=user_key)

    def user(self, user_id: str = "") -> "SignedDevice":
        """The same device, speaking for one of its users."""
        user_id = user_id or str(uuid.uuid4()).upper()
        other = self.with_certificate(self.certificate, self.key)
        other.push_token = uuid.uuid4().bytes
        other.ids |= {"UserID" if "UDID" in self.ids else "EnrollmentUserID": user_id}
        return other

    def with_certificate(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> "SignedDevice":
        """The same device with another identity."""
        other = SignedDevice(certificate, key, platform=self.platform, udid=self.device_key, token=self.token)
        other.ids, other.serial, other.push_token = dict(self.ids), self.serial, self.push_token
        return other

    # HTTP

    def put(self, path: str, body: bytes, **options: Any) -> HttpResponse:
        """The body byte for byte, signed unless headers with another Mdm-Signature are given (None: none at all)."""
        headers = {"Mdm-Signature": mdm_signature(body, self.certificate, self.key)} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        options.setdefault("content_type", "application/x-apple-aspen-mdm")
        return self.http.generic("PUT", path, body, headers=headers, **options)

    def send(self, path: str, message: dict[str, Any], **options: Any) -> HttpResponse:
        return self.put(path + (f"/{self.token}" if self.token else ""), plistlib.dumps(message), **options)

    # Check-in

    def checkin(self, message_type: str, **keys: Any) -> HttpResponse:
        return self.send(CHECKIN, {"MessageType": message_type, **self.ids, **keys})

    def authenticate(self, **keys: Any) -> HttpResponse:
        about = {**FACTS[self.platform], "SerialNumber": self.serial} if "UDID" in self.ids else {}
        return self.checkin("Authenticate", **{"Topic": TOPIC, **about, **keys})

    def token_update(self, **keys: Any) -> HttpResponse:
        return self.checkin(
            "TokenUpdate", **{"Topic": TOPIC, "Token": self.push_token, "PushMagic": "the-magic", **keys}
        )

    def check_out(self) -> HttpResponse:
        return self.checkin("CheckOut", Topic=TOPIC)

    def enroll(self) -> "SignedDevice":
        for response in (self.authenticate(), self.token_update()):
            assert response.status_code == 200, response.content
        return self

    # Connect

    def connect(self, status: str, command_uuid: str = "", **keys: Any) -> HttpResponse:
        about = {"CommandUUID": command_uuid} if command_uuid else {}
        return self.send(CONNECT, {"Status": status, **about, **self.ids, **keys})

    def idle(self) -> dict[str, Any] | None:
        return self.next_of(self.connect("Idle"))

    def acknowledge(self, command_uuid: str, **keys: Any) -> dict[str, Any] | None:
        return self.next_of(self.connect("Acknowledged", command_uuid, **keys))

    def not_now(self, command_uuid: str) -> dict[str, Any] | None:
        return self.next_of(self.connect("NotNow", command_uuid))

    def error(self, command_uuid: str, chain: list[dict[str, Any]] | None = None) -> dict[str, Any] | None:
        return self.next_of(self.connect("Error", command_uuid, ErrorChain=chain or []))

    @staticmethod
    def next_of(response: HttpResponse) -> dict[str, Any] | None:
        """The command in an answer of 200; None for an empty one."""
        assert response.status_code == 200, (response.status_code, response.content)
        return plistlib.loads(response.content) if response.content else None
