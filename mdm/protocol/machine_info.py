"""MachineInfo: how a device introduces itself when it asks for its enrollment profile, signed with its own certificate.

Who may sign is decided elsewhere (`enrollment/services/machine_trust.py`). Source: Apple, "MachineInfo".
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mdm.protocol import cms, plist
from mdm.protocol.errors import BadSignature, Malformed, TooLarge
from mdm.protocol.signed_data import read_signed_data

# The list itself takes a kilobyte, the certificates around it a few.
MAX_BYTES = 64 * 1024
MAX_TEXT = 255


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """What the device says of itself; beyond the serial number a key that it left out is empty.

    os_version: devices before iOS 17 and macOS 14 leave it out. can_request_update: whether it obeys the answer that it must
    update first.
    """

    serial_number: str
    udid: str = ""
    product: str = ""
    build_version: str = ""
    os_version: str = ""
    language: str = ""
    can_request_update: bool = False


@dataclass(frozen=True, slots=True)
class SignedMachineInfo:
    """signer: the certificate (DER) whose key signed; certificates: all that came with the message, in its order."""

    info: MachineInfo
    signer: bytes = field(repr=False)
    certificates: list[bytes] = field(repr=False)


def open_machine_info(encoded: bytes) -> SignedMachineInfo:
    """Read a signed message (BER or DER) and check its signature. Raises BadSignature, Malformed, TooLarge."""
    if len(encoded) > MAX_BYTES:
        raise TooLarge(f"The message is larger than {MAX_BYTES} bytes.")
    content, signer = cms.open_signed(encoded)
    certificates = read_signed_data(encoded).certificates
    return SignedMachineInfo(parse_machine_info(content), signer.certificate_der, certificates)


def parse_machine_info(content: bytes) -> MachineInfo:
    """Raises Malformed, TooLarge."""
    values = plist.loads(content, max_bytes=MAX_BYTES)
    if not isinstance(values, dict):
        raise Malformed("The MachineInfo is not a dictionary.")
    serial_number = _text(values, "SERIAL")
    if not serial_number:
        raise Malformed("SERIAL is missing.")
    return MachineInfo(
        serial_number=serial_number,
        udid=_text(values, "UDID"),
        product=_text(values, "PRODUCT"),
        build_version=_text(values, "VERSION"),
        os_version=_text(values, "OS_VERSION"),
        language=_text(values, "LANGUAGE"),
        can_request_update=values.get("MDM_CAN_REQUEST_SOFTWARE_UPDATE") is True,
    )


def decode_header(value: str) -> bytes:
    """The message in the `x-apple-aspen-deviceinfo` header: base64, standard or URL-safe. Raises BadSignature, TooLarge."""
    if len(value) > MAX_BYTES * 4 // 3 + 4:
        raise TooLarge("The device's header is too long.")
    plain = "".join(value.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise BadSignature("The device's header is not base64.") from error


def _text(values: Mapping[str, Any], name: str) -> str:
    """Without spaces around it. Raises Malformed."""
    value = values.get(name, "")
    if not isinstance(value, str):
        raise Malformed(f"{name} must be a string.")
    value = value.strip()
    if len(value) > MAX_TEXT:
        raise Malformed(f"{name} is longer than {MAX_TEXT} characters.")
    if not value.isprintable():
        raise Malformed(f"{name} holds characters that cannot be printed.")
    return value
