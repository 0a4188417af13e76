"""mdmcert.download, played by a real HTTP server on 127.0.0.1: it checks key and address, signs, and "mails" the result.

In a test: `with FakeMdmcert() as service: ...`, MDMCERT_URL=service.url and MDMCERT_API_KEY=API_KEY. For other processes:
`python -m tests.fakes.mdmcert --mail-to DIRECTORY`, which writes each mailed file there.

Signing and encrypting are written apart from the product's, so that a fault in one does not hide in the other.
"""

import argparse
import base64
import json
import plistlib
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from tests.fakes.http import Handler, LocalService
from tests.fakes.vendor import Vendor

API_KEY = "key-of-the-tests"
PATH = "/api/v1/signrequest"


@dataclass
class Fault:
    """An answer out of turn. is_cut: the headers promise more than comes. takes_it: it signs and mails all the same."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    delay: float = 0.0
    takes_it: bool = False


@dataclass(frozen=True)
class Mail:
    """file: what is attached, hex digits of an encrypted message."""

    to: str
    name: str
    file: bytes = field(repr=False)


class FakeMdmcert(LocalService):
    """Settings are plain attributes and may change while it runs."""

    def __init__(self, *, port: int = 0, vendor: Vendor | None = None, mail_to: Path | None = None) -> None:
        self.vendor = vendor or Vendor()
        self.api_keys = {API_KEY}
        self.registered: set[str] | None = None  # None: every address
        self.requests: list[dict[str, Any]] = []
        self.user_agents: list[str] = []
        self.mails: list[Mail] = []
        self._mail_to = mail_to
        self._faults: deque[Fault] = deque()
        self._port = port
        self._lock = threading.RLock()

    def fail(self, status: int, body: bytes = b"", **fault: Any) -> None:
        """Answer the next request so; once for each call."""
        with self._lock:
            self._faults.append(Fault(status, body, **fault))

    def answer(self, path: str, headers: Any, body: bytes) -> Fault:
        with self._lock:
            if path != PATH:
                return Fault(404, b"Not found")
            self.user_agents.append(headers.get("User-Agent", ""))
            asked = json.loads(body)
            self.requests.append(asked)
            fault = self._faults.popleft() if self._faults else None
            if fault is None:
                return self._take(asked)
            if fault.takes_it:
                self._take(asked)
            return fault

    def _take(self, asked: dict[str, Any]) -> Fault:
        if asked.get("key") not in self.api_keys:
            return _failure(403, "Invalid API key")
        if self.registered is not None and asked.get("email") not in self.registered:
            return _failure(400, "The address is not registered")
        try:
            csr = x509.load_pem_x509_csr(base64.b64decode(asked["csr"], validate=True))
            recipient = x509.load_pem_x509_certificate(base64.b64decode(asked["encrypt"], validate=True))
        except (KeyError, ValueError):
            return _failure(400, "The request cannot be read")
        if not csr.is_signature_valid:
            return _failure(400, "The request is not signed by its key")
        self._mail(asked["email"], encrypted(self.signed(csr), recipient))
        return Fault(200, json.dumps({"result": "success"}).encode())

    def signed(self, csr: x509.CertificateSigningRequest) -> bytes:
        """What Apple's portal takes."""
        der = csr.public_bytes(Encoding.DER)
        chain = (self.vendor.leaf, self.vendor.middle, self.vendor.root)
        content = {
            "PushCertRequestCSR": base64.b64encode(der).decode(),
            "PushCertCertificateChain": "".join(one.public_bytes(Encoding.PEM).decode() for one in chain),
            "PushCertSignature": base64.b64encode(
                self.vendor.key.sign(der, padding.PKCS1v15(), hashes.SHA256())
            ).decode(),
        }
        return base64.encodebytes(plistlib.dumps(content))

    def _mail(self, to: str, message: bytes) -> None:
        mail = Mail(to, f"mdm_signed_request.20260101_000000_{len(self.mails)}.plist.b64.p7", message.hex().encode())
        self.mails.append(mail)
        if self._mail_to:
            (self._mail_to / mail.name).write_bytes(mail.file)


def encrypted(content: bytes, recipient: x509.Certificate) -> bytes:
    """A CMS envelope, DER."""
    builder = PKCS7EnvelopeBuilder().set_data(content).add_recipient(recipient)
    return builder.encrypt(Encoding.DER, [PKCS7Options.Binary])


class _Handler(Handler):
    service: FakeMdmcert

    def do_POST(self) -> None:
        found = self.service.answer(self.path, self.headers, self.body())
        self.respond(found.status, found.body, found.headers, delay=found.delay, is_cut=found.is_cut)


FakeMdmcert.handler = _Handler


def _failure(status: int, reason: str) -> Fault:
    return Fault(status, json.dumps({"result": "failure", "reason": reason}).encode())


def main() -> None:
    """Print one JSON line with the url, then serve until stopped."""
    parser = argparse.ArgumentParser(description="A stand-in for mdmcert.download.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mail-to", type=Path, required=True, help="directory for the mailed files")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with FakeMdmcert(port=options.port, mail_to=options.mail_to) as service:
        print(json.dumps({"url": service.url, "api_key": API_KEY}), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
