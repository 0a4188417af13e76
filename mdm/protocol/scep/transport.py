"""SCEP over HTTP: what the server can do, its certificates, and finding the message in a request."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mdm.protocol.scep.messages import ScepError
from mdm.protocol.scep.structures import certificates_only

MAX_MESSAGE_BYTES = 128 * 1024
PKI_MESSAGE = "application/x-pki-message"
CA_CERTIFICATE = "application/x-x509-ca-cert"
CA_AND_RA_CERTIFICATES = "application/x-x509-ca-ra-cert"

# Source: RFC 8894, section 3.5.2. SHA-1 and DES3 are for clients that choose from this list and know nothing newer.
CAPABILITIES = b"\n".join(
    [b"AES", b"DES3", b"POSTPKIOperation", b"Renewal", b"SCEPStandard", b"SHA-1", b"SHA-256", b"SHA-512"]
)

_MAX_TEXT_CHARS = 3 * MAX_MESSAGE_BYTES  # base64 is 4/3 of the bytes, and every "+", "/" and "=" may be percent-encoded
_SEQUENCE_TAG = 0x30  # first byte of every message, DER or BER
_URL_SAFE = str.maketrans("-_ ", "+/+", "\r\n\t")  # a "+" in a query arrives as a space; line breaks mean nothing


def ca_certificates(certificates: Sequence[x509.Certificate]) -> tuple[bytes, str]:
    """The answer to GetCACert and its content type: bare DER for one certificate, degenerate PKCS#7 for several.

    Source: RFC 8894, section 4.2.1.
    """
    if not certificates:
        raise ValueError("GetCACert needs at least one certificate.")
    if len(certificates) == 1:
        return certificates[0].public_bytes(Encoding.DER), CA_CERTIFICATE
    return certificates_only(certificates), CA_AND_RA_CERTIFICATES


def read_transport(*, method: str, query_message: str | None, body: bytes) -> bytes:
    """The bytes of the pkiMessage, wherever the client put it; ScepError without `partial` when there is none.

    POST carries it raw in the body; some clients repeat it in the query, or send it only there. GET has base64 in the
    `message` parameter (`query_message`): standard or URL-safe, with or without padding, percent-encoded once or twice.
    """
    if method == "POST" and body[:1] == bytes([_SEQUENCE_TAG]):
        return _bounded(body)
    if query_message:
        return _bounded(_from_base64(query_message))
    raise ScepError("The request carries no SCEP message.")


def _from_base64(text: str) -> bytes:
    if len(text) > _MAX_TEXT_CHARS:
        raise ScepError("The SCEP message is too large.")
    if "%" in text:
        text = unquote(text)
    text = text.translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ScepError("The SCEP message is not valid base64.") from error


def _bounded(message: bytes) -> bytes:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ScepError("The SCEP message is too large.")
    return message
