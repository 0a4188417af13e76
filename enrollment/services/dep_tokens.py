"""Apple's server tokens: the key pair that Apple encrypts them to, and reading them.

Source: Apple, "Authenticating for Automated Device Enrollment", "Examining server tokens".
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from enrollment.models import DepKey, DepServer
from enrollment.oauth1 import Credentials
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.events.services import emit
from mdm.protocol.cms_structures import MALFORMED, load_content_info
from mdm.protocol.envelope import UnsupportedEnvelope, open_envelope

# Apple takes the certificate only for its key, and every renewed token is encrypted to it again.
CERTIFICATE_DAYS = 3650
MAX_TOKEN_BYTES = 64 * 1024
MAX_SECRET_LENGTH = 2000
_SEQUENCE = b"\x30"
_MESSAGE = re.compile(rb"-----BEGIN MESSAGE-----(.*?)-----END MESSAGE-----", re.DOTALL)
_NO_TOKEN = "The file is not a server token: download it (.p7m) from Apple Business or School Manager."  # noqa: S105


@dataclass(frozen=True)
class ServerToken:
    credentials: Credentials
    expires_at: datetime


def make_key(account: Account, actor: Actor) -> DepKey:
    """A new key pair; its certificate is for upload to Apple."""
    private_key = certs.new_rsa_key()
    certificate = certs.self_signed(
        "Server token encryption", key=private_key, organization=account.name, days=CERTIFICATE_DAYS
    )
    with transaction.atomic():
        key = DepKey.objects.create(
            account=account,
            certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
            key_pem=certs.key_to_pem(private_key).decode(),
        )
        emit("dep_server.key_created", account_id=account.pk, actor=actor, dep_key_id=key.pk)
    return key


def newest_key(account: Account) -> DepKey | None:
    """The one whose certificate is to be uploaded; those before stay good as well."""
    return DepKey.objects.for_account(account).defer("key_pem").order_by("-pk").first()


def read_token(account: Account, data: bytes) -> tuple[ServerToken, DepKey]:
    """Decrypt a token file with whichever key of the account it was made for. Raises EnrollmentError."""
    if len(data) > MAX_TOKEN_BYTES:
        raise EnrollmentError("The file is too large for a server token.")
    envelope = data if data.startswith(_SEQUENCE) else _mime_content(data)
    try:
        is_envelope = load_content_info(envelope)["content_type"].native == "enveloped_data"
    except MALFORMED as error:
        raise EnrollmentError(_NO_TOKEN) from error
    if not is_envelope:
        raise EnrollmentError(_NO_TOKEN)
    for key in DepKey.objects.for_account(account).order_by("-pk"):
        plain = _open(envelope, key)
        if plain is not None:
            return _read_message(_mime_content(plain)), key
    raise EnrollmentError(
        "No key of this account opens this token: upload a certificate that was made for this account to Apple, then "
        "download the token again."
    )


def _open(envelope: bytes, key: DepKey) -> bytes | None:
    """The content of an envelope; None when it was not made for this key, or was damaged."""
    certificate = certs.load_certificate(key.certificate_pem.encode())
    try:
        _, plain = open_envelope(
            envelope, certificate=certificate, private_key=certs.key_from_pem(key.key_pem.encode())
        )
    except UnsupportedEnvelope as error:
        raise EnrollmentError(f"The token cannot be decrypted. {error}") from error
    except MALFORMED:
        return None
    return plain


def _mime_content(data: bytes) -> bytes:
    """The body of an e-mail message without its transfer encoding. Raises EnrollmentError."""
    try:
        content = message_from_bytes(data).get_payload(decode=True)
    except (ValueError, LookupError, RecursionError) as error:
        raise EnrollmentError(_NO_TOKEN) from error
    if not isinstance(content, bytes):  # it has several parts
        raise EnrollmentError(_NO_TOKEN)
    return content


def _read_message(content: bytes) -> ServerToken:
    found = _MESSAGE.search(content)
    try:
        values = json.loads(found[1]) if found else None
    except (ValueError, RecursionError) as error:
        raise EnrollmentError(_NO_TOKEN) from error
    if not isinstance(values, dict):
        raise EnrollmentError(_NO_TOKEN)
    credentials = Credentials(
        consumer_key=_text(values, "consumer_key", DepServer._meta.get_field("consumer_key").max_length),
        consumer_secret=_text(values, "consumer_secret"),
        access_token=_text(values, "access_token"),
        access_secret=_text(values, "access_secret"),
    )
    return ServerToken(credentials, _time(values.get("access_token_expiry")))


def _text(values: dict[str, Any], name: str, limit: int = MAX_SECRET_LENGTH) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not (value.isascii() and value.isprintable()):
        raise EnrollmentError(f"The server token has no usable {name}.")
    return value


def _time(value: object) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is not None:
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EnrollmentError("The server token does not say when it expires.") from error
    raise EnrollmentError("The server token does not say when it expires.")
