"""FileVault recovery keys on their way from Macs: encrypted to the account's escrow key, opened here.

Source: Apple, "FDERecoveryKeyEscrow", "Security Info Command", "Rotate File Vault Key Command".
"""

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding
from django.db import IntegrityError, transaction

from devices.models import EscrowKey
from devices.services.errors import DeviceError
from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.events.services import emit
from mdm.protocol.cms_structures import MALFORMED
from mdm.protocol.envelope import open_envelope
from mdm.protocol.profile import configuration, payload, stable_uuid

# Macs keep to it as long as the profile is installed: there is no renewing it behind their backs.
CERTIFICATE_DAYS = 7300
MAX_CMS_BYTES = 64 * 1024
MIN_KEY, MAX_KEY = 8, 255
ESCROW, CERTIFICATE = "com.apple.security.FDERecoveryKeyEscrow", "com.apple.security.pkcs1"
IDENTIFIER = "pomona.filevault-escrow"


class NotReadable(DeviceError):
    """What a Mac sent is no recovery key for this account."""


def escrow_key(account: Account, *, actor: Actor = SYSTEM) -> EscrowKey:
    """The account's key, made on first use: call it outside of transactions, for that takes a while."""
    if key := EscrowKey.objects.filter(account=account).first():
        return key
    private_key = certs.new_rsa_key()
    certificate = certs.self_signed(
        "FileVault recovery keys", key=private_key, organization=account.name, days=CERTIFICATE_DAYS
    )
    try:
        with transaction.atomic():
            key = EscrowKey.objects.create(
                account=account,
                certificate_der=certificate.public_bytes(Encoding.DER),
                key_pem=certs.key_to_pem(private_key).decode(),
            )
            emit("escrow_key.created", account_id=account.pk, actor=actor)
    except IntegrityError:  # somebody else was faster
        return EscrowKey.objects.get(account=account)
    return key


def open_cms(account: Account, data: bytes) -> str:
    """The recovery key in a CMS EnvelopedData. Raises NotReadable for anything else, whoever made it."""
    key = EscrowKey.objects.filter(account=account).first()
    if key is None:
        raise NotReadable("The account has no key to open recovery keys with.")
    if len(data) > MAX_CMS_BYTES:
        raise NotReadable("The encrypted recovery key is too large.")
    certificate = certs.load_certificate(bytes(key.certificate_der))
    private_key = certs.key_from_pem(key.key_pem.encode())
    try:
        _, plain = open_envelope(data, certificate=certificate, private_key=private_key)
        text = plain.decode("ascii").strip("\0\r\n\t ")
    except MALFORMED as error:
        raise NotReadable("The recovery key is not encrypted to this account's escrow certificate.") from error
    if not (MIN_KEY <= len(text) <= MAX_KEY and text.isprintable()):
        raise NotReadable("What was encrypted to the escrow certificate is no recovery key.")
    return text


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def escrow_profile(account: Account) -> bytes:
    """A .mobileconfig that lets Macs escrow their recovery keys here; the same one each time."""
    key = escrow_key(account)
    certificate_uuid = stable_uuid(key.secret_id, CERTIFICATE)
    certificate = payload(
        CERTIFICATE,
        f"{IDENTIFIER}.certificate",
        certificate_uuid,
        "FileVault escrow certificate",
        PayloadCertificateFileName="escrow.cer",
        PayloadContent=bytes(key.certificate_der),
    )
    escrow = payload(
        ESCROW,
        f"{IDENTIFIER}.escrow",
        stable_uuid(key.secret_id, ESCROW),
        "FileVault recovery key escrow",
        Location=f"The recovery key is kept by the device management of {account.name}.",
        EncryptCertPayloadUUID=certificate_uuid,
    )
    return configuration(
        IDENTIFIER,
        stable_uuid(key.secret_id, IDENTIFIER),
        "FileVault recovery key escrow",
        [certificate, escrow],
        organization=account.name,
        description="FileVault recovery keys are encrypted and kept by your organization.",
    )
