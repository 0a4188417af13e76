"""Apple's push certificate portal, as far as it matters: it checks a signed request and makes a certificate of it.

Source: Apple, "Setting Up Push Notifications for Your MDM Customers".
"""

import base64
import plistlib
import uuid

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tests.fakes.authority import Authority

KEYS = {"PushCertRequestCSR", "PushCertCertificateChain", "PushCertSignature"}
MAX_PEM_LINE = 64


class Refused(Exception):
    """What the portal says of a request that it does not take."""


class FakePushPortal:
    """roots: of the vendors that it knows. authority: issues the certificates; give APNs' own, and they can push."""

    def __init__(self, authority: Authority, *roots: x509.Certificate) -> None:
        self._authority = authority
        self._roots = roots

    def create(self, signed: bytes) -> bytes:
        """ "Create a Certificate": PEM, with a new topic."""
        return self.renew(signed, f"com.apple.mgmt.External.{uuid.uuid4()}")

    def renew(self, signed: bytes, topic: str, *, days: int = 365) -> bytes:
        """ "Renew" beside the certificate with that topic. Raises Refused."""
        public_key = self._check(signed)
        names = [(NameOID.USER_ID, topic), (NameOID.COMMON_NAME, f"APSP:{topic[-36:]}"), (NameOID.COUNTRY_NAME, "US")]
        return self._authority.certify(public_key, names, days=days)

    def _check(self, signed: bytes) -> rsa.RSAPublicKey:
        try:
            found = plistlib.loads(base64.b64decode(signed, validate=True))
        except ValueError as error:
            raise Refused("not base64 of a property list") from error
        if set(found) != KEYS:
            raise Refused("keys are missing")
        der = base64.b64decode(found["PushCertRequestCSR"], validate=True)
        csr = x509.load_der_x509_csr(der)
        if not csr.is_signature_valid:
            raise Refused("the request is not signed by its own key")
        leaf = self._leaf(found["PushCertCertificateChain"])
        signature = base64.b64decode(found["PushCertSignature"], validate=True)
        try:
            leaf.public_key().verify(signature, der, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise Refused("the vendor's signature is wrong") from error
        return csr.public_key()

    def _leaf(self, text: str) -> x509.Certificate:
        if any(len(line) > MAX_PEM_LINE for line in text.splitlines()):
            raise Refused("a line of the chain is too long")
        chain = x509.load_pem_x509_certificates(text.encode())
        for issued, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
            issued.verify_directly_issued_by(issuer)
        if chain[-1] not in self._roots:
            raise Refused("the chain does not end at a root that is known")
        return chain[0]
