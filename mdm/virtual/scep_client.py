"""The requesting side of SCEP (RFC 8894), as Apple devices speak it."""

import base64
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, quote_plus

import httpx
from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AttributeOID

from mdm.virtual import cms
from mdm.virtual.errors import CmsError, ScepError
from mdm.virtual.keys import Identity, throw_away_signer

Transport = Literal["auto", "post", "post-query", "get", "get-urlsafe"]
CERT_REP, RENEWAL_REQ, PKCS_REQ, GET_CERT_INITIAL = "3", "17", "19", "20"
SUCCESS, FAILURE, PENDING = "0", "2", "3"
_ARC = "2.16.840.1.113733.1.9."
MESSAGE_TYPE, PKI_STATUS, FAIL_INFO = _ARC + "2", _ARC + "3", _ARC + "4"
SENDER_NONCE, RECIPIENT_NONCE, TRANSACTION_ID = _ARC + "5", _ARC + "6", _ARC + "7"
# CAFingerprint in the profile is of unstated kind; its length tells which.
FINGERPRINTS = {16: "md5", 20: "sha1", 32: "sha256"}


class IssuerAndSubject(core.Sequence):
    """Content of GetCertInitial (RFC 8894, section 3.3.3)."""

    _fields = [("issuer", asn1_x509.Name), ("subject", asn1_x509.Name)]


@dataclass
class ScepClient:
    """One SCEP service, as a profile's SCEP payload names it.

    cipher and digest left open follow GetCACaps; "auto" transport is POST where the server knows it, else GET.
    Raises ScepError for every outcome that is not a certificate.
    """

    client: httpx.Client
    url: str
    ca_name: str = ""
    cipher: str | None = None
    digest: str | None = None
    transport: Transport = "auto"
    retries: int = 3
    retry_delay_seconds: float = 10.0
    ca_fingerprint: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep

    def capabilities(self) -> set[str]:
        """GetCACaps, lower case; a server without the operation has none."""
        response = self._get("GetCACaps", self.ca_name)
        if response.status_code != 200:
            return set()
        return {line.strip().lower() for line in response.text.splitlines() if line.strip()}

    def authorities(self) -> list[x509.Certificate]:
        """GetCACert: one certificate, or CA and RA. Media types must match to the letter, as on a device."""
        response = self._get("GetCACert", self.ca_name)
        kind = response.headers.get("content-type", "")
        if response.status_code != 200:
            raise ScepError(f"GetCACert: HTTP {response.status_code}")
        try:
            if kind == "application/x-x509-ca-cert":
                found = [x509.load_der_x509_certificate(response.content)]
            elif kind == "application/x-x509-ca-ra-cert":
                found = cms.open_signed(response.content).certificates
            else:
                raise ScepError(f"GetCACert: content type {kind!r}")
        except (ValueError, CmsError) as error:
            raise ScepError(f"GetCACert: {error}") from error
        if not found:
            raise ScepError("GetCACert: no certificate")
        self._check_fingerprint(found)
        return found

    def _check_fingerprint(self, found: list[x509.Certificate]) -> None:
        if self.ca_fingerprint is None:
            return
        kind = FINGERPRINTS.get(len(self.ca_fingerprint))
        prints = [hashlib.new(kind, _der(c)).digest() for c in found] if kind else []
        if self.ca_fingerprint not in prints:
            raise ScepError("no CA certificate has the fingerprint that the profile demands")

    def enroll(
        self,
        key: rsa.RSAPrivateKey,
        subject: x509.Name,
        challenge: str | None,
        alternative_names: x509.SubjectAlternativeName | None = None,
    ) -> Identity:
        """PKCSReq with the challenge, signed by a throw-away certificate."""
        request = _signing_request(key, subject, challenge, alternative_names)
        return self._transact(PKCS_REQ, request, key, throw_away_signer(key, subject), subject)

    def renew(self, present: Identity, key: rsa.RSAPrivateKey) -> Identity:
        """RenewalReq for the same subject, signed with the present identity; no challenge."""
        subject = present.certificate.subject
        return self._transact(RENEWAL_REQ, _signing_request(key, subject, None, None), key, present, subject)

    def _transact(
        self, message_type: str, request: bytes, key: rsa.RSAPrivateKey, signer: Identity, subject: x509.Name
    ) -> Identity:
        capabilities = self.capabilities()
        exchange = _Exchange(self, capabilities, self.authorities(), signer)
        status, content = exchange.send(message_type, request)
        attempts = 0
        while status == PENDING:
            if attempts >= self.retries:
                raise ScepError(f"still pending after {attempts} polls")
            attempts += 1
            self.sleep(self.retry_delay_seconds)
            status, content = exchange.send(GET_CERT_INITIAL, exchange.poll_content(subject))
        return _issued(content, key)

    def operate(self, message: bytes, transport: Transport) -> bytes:
        """PKIOperation in one of its shapes; returns the CertRep's bytes."""
        headers = {**self.headers, "Content-Type": "application/x-pki-message"}
        text = base64.b64encode(message).decode("ascii")
        if transport == "post":
            response = self.client.post(self._url("PKIOperation"), content=message, headers=headers)
        elif transport == "post-query":
            response = self.client.post(self._url("PKIOperation", quote_plus(text)), content=message, headers=headers)
        elif transport == "get-urlsafe":
            urlsafe = base64.urlsafe_b64encode(message).decode("ascii")
            response = self.client.get(self._url("PKIOperation", quote(urlsafe)), headers=self.headers)
        else:
            response = self.client.get(self._url("PKIOperation", quote_plus(text)), headers=self.headers)
        if response.status_code != 200:
            raise ScepError(f"PKIOperation: HTTP {response.status_code}: {response.text[:200]}")
        if response.headers.get("content-type") != "application/x-pki-message":
            raise ScepError(f"PKIOperation: content type {response.headers.get('content-type')!r}")
        return response.content

    def _get(self, operation: str, message: str) -> httpx.Response:
        return self.client.get(self._url(operation, quote(message)), headers=self.headers)

    def _url(self, operation: str, message: str | None = None) -> str:
        # The profile's URL may already carry a query (an enrollment token): add to it, never replace it.
        joint = "&" if "?" in self.url else "?"
        suffix = "" if message is None else f"&message={message}"
        return f"{self.url}{joint}operation={operation}{suffix}"


class _Exchange:
    """One SCEP transaction: same transaction id and signer over the request and its polls."""

    def __init__(
        self, service: ScepClient, capabilities: set[str], authorities: list[x509.Certificate], signer: Identity
    ) -> None:
        strong = "scepstandard" in capabilities
        self.service, self.authorities, self.signer = service, authorities, signer
        self.cipher = service.cipher or ("aes128" if strong or "aes" in capabilities else "3des")
        self.digest = service.digest or ("sha256" if strong or "sha-256" in capabilities else "sha1")
        self.transport = service.transport
        if self.transport == "auto":
            self.transport = "post" if strong or "postpkioperation" in capabilities else "get"
        # Random rather than a digest of the key: keys of a pool are shared by many devices at once.
        self.transaction_id = secrets.token_hex(20).upper()

    def send(self, message_type: str, content: bytes) -> tuple[str, bytes]:
        """Returns (pkiStatus, decrypted content); content is empty while pending."""
        nonce = os.urandom(16)
        attributes = {
            MESSAGE_TYPE: core.PrintableString(message_type),
            TRANSACTION_ID: core.PrintableString(self.transaction_id),
            SENDER_NONCE: core.OctetString(nonce),
        }
        envelope = cms.envelope(content, _recipient(self.authorities), self.cipher)
        message = cms.sign(envelope, self.signer, digest=self.digest, attributes=attributes)
        try:
            return self._read(self.service.operate(message, self.transport), nonce)
        except CmsError as error:
            raise ScepError(f"CertRep: {error}") from error

    def poll_content(self, subject: x509.Name) -> bytes:
        issuer = next((c for c in self.authorities if _is_authority(c)), self.authorities[0]).subject
        names = (asn1_x509.Name.load(name.public_bytes()) for name in (issuer, subject))
        return IssuerAndSubject(dict(zip(("issuer", "subject"), names, strict=True))).dump()

    def _read(self, message: bytes, nonce: bytes) -> tuple[str, bytes]:
        opened = cms.open_signed(message, self.authorities)
        if opened.signer not in self.authorities:
            raise ScepError("CertRep: signed by a stranger")
        values = {oid: value.native for oid, value in opened.attributes.items()}
        expected = {MESSAGE_TYPE: CERT_REP, TRANSACTION_ID: self.transaction_id, RECIPIENT_NONCE: nonce}
        for oid, value in expected.items():
            if values.get(oid) != value:
                raise ScepError(f"CertRep: attribute {oid} is {values.get(oid)!r}, expected {value!r}")
        status = values.get(PKI_STATUS)
        if status == PENDING:
            return PENDING, b""
        if status == FAILURE:
            raise ScepError("the server refused the request", values.get(FAIL_INFO))
        if status != SUCCESS:
            raise ScepError(f"CertRep: pkiStatus {status!r}")
        return SUCCESS, cms.open_envelope(opened.content or b"", self.signer)


def _signing_request(
    key: rsa.RSAPrivateKey,
    subject: x509.Name,
    challenge: str | None,
    alternative_names: x509.SubjectAlternativeName | None,
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _issued(content: bytes, key: rsa.RSAPrivateKey) -> Identity:
    """The CertRep's certificates: ours must come first, devices take that one."""
    try:
        certificates = cms.open_signed(content).certificates
    except CmsError as error:
        raise ScepError(f"CertRep: {error}") from error
    if not certificates:
        raise ScepError("CertRep: success without a certificate")
    if certificates[0].public_key() != key.public_key():
        raise ScepError("CertRep: the first certificate is not for our key")
    return Identity(key, certificates[0])


def _recipient(authorities: list[x509.Certificate]) -> x509.Certificate:
    """The RA's encryption certificate where there is one, else the CA's."""
    for certificate in authorities:
        if _is_authority(certificate):
            continue
        try:
            usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except x509.ExtensionNotFound:
            return certificate
        if usage.key_encipherment:
            return certificate
    return authorities[0]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
