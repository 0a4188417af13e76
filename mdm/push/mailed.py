"""The file that mdmcert.download mails: a signed push certificate request, encrypted. Pure: no database, no network."""

import base64
import binascii
import re
from dataclasses import dataclass

from mdm.protocol import plist
from mdm.protocol.errors import ProtocolError

_HEX = re.compile(rb"[0-9a-fA-F\s]+")
_ARMOUR = re.compile(rb"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_DER_SEQUENCE = b"\x30"
CSR_KEY, CHAIN_KEY, SIGNATURE_KEY = "PushCertRequestCSR", "PushCertCertificateChain", "PushCertSignature"


class MailedFileError(ValueError):
    """The file cannot be used; the sentence says why."""


@dataclass(frozen=True)
class SignedRequest:
    """for_portal: base64 without line breaks, as Apple's portal takes it."""

    csr_der: bytes
    for_portal: str


def envelope_of(data: bytes) -> bytes:
    """The encrypted message: the file holds it as hex digits; raw, base64 and PEM are taken as well.

    Raises MailedFileError.
    """
    if data.startswith(_DER_SEQUENCE) and not _HEX.fullmatch(data):
        return data
    text = _ARMOUR.sub(b"", data).strip()
    decoded = b""
    if text and _HEX.fullmatch(text):
        digits = b"".join(text.split())
        decoded = binascii.unhexlify(digits) if len(digits) % 2 == 0 else b""
    elif text:
        decoded = _from_base64(text)
    if not decoded.startswith(_DER_SEQUENCE):
        raise MailedFileError(
            "This is not the file from the e-mail. Save the attachment (its name ends in .p7) and upload it as it is."
        )
    return decoded


def read_signed_request(content: bytes) -> SignedRequest:
    """What was inside: base64 of a plist, or the plist itself. Raises MailedFileError."""
    xml = content if content.lstrip().startswith(b"<") else _from_base64(content)
    try:
        found = plist.loads(xml)
    except ProtocolError as error:
        raise MailedFileError("The file was opened, but no signed request is inside.") from error
    if not isinstance(found, dict) or not all(found.get(key) for key in (CSR_KEY, CHAIN_KEY, SIGNATURE_KEY)):
        raise MailedFileError("The file was opened, but the request inside is not complete.")
    csr = found[CSR_KEY]
    csr_der = csr if isinstance(csr, bytes) else _from_base64(_ARMOUR.sub(b"", str(csr).encode("utf-8", "replace")))
    return SignedRequest(csr_der, base64.b64encode(xml).decode())


def _from_base64(text: bytes) -> bytes:
    """Empty for what is none."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return b""
