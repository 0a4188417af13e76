"""Whose MDM vendor certificate signs an account's requests: its own, else that of the installation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.db import transaction

from mdm.accounts.actors import SYSTEM, Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.common.text import clean_text
from mdm.events.services import emit
from mdm.push.csr import VendorBundleError, load_vendor_bundle, name_of, read_vendor_bundle
from mdm.push.models import VendorCertificate, days_until
from mdm.push.vendor_files import pem_of_files

Bundle = tuple[x509.Certificate, list[x509.Certificate], rsa.RSAPrivateKey]


class NoVendorCertificate(Exception):
    """Requests cannot be signed here; the text says what to do instead."""


@dataclass(frozen=True)
class Vendor:
    """Who signs the account's requests. problem: a sentence on why it cannot, empty when it can; not_after is None then."""

    is_own: bool
    subject: str
    not_after: datetime | None
    problem: str = ""

    @property
    def days_left(self) -> int | None:
        return None if self.not_after is None else days_until(self.not_after)


def store_vendor_certificate(
    account: Account, files: Sequence[bytes], *, passphrase: str = "", actor: Actor = SYSTEM
) -> VendorCertificate:
    """Keep the account's own, in place of the one it had. files: see `pem_of_files`. Raises VendorBundleError."""
    leaf, chain, key = load_vendor_bundle(pem_of_files(files, passphrase))
    if certs.push_topic(leaf):
        raise VendorBundleError(
            "This is a push certificate, not a vendor certificate: it belongs into the last step of this page."
        )
    with transaction.atomic():
        row, _ = VendorCertificate.objects.update_or_create(
            account=account,
            defaults={
                "subject": clean_text(name_of(leaf), 255),
                "bundle_pem": b"".join(
                    [*(one.public_bytes(Encoding.PEM) for one in (leaf, *chain)), certs.key_to_pem(key)]
                ).decode(),
                "not_after": _ends_at(leaf, chain),
            },
        )
        emit(
            "vendor_certificate.uploaded",
            account_id=account.pk,
            actor=actor,
            subject=row.subject,
            expires=row.not_after.isoformat(),
        )
    return row


def remove_vendor_certificate(account: Account, *, actor: Actor) -> bool:
    """Forget the account's own with its key. False when it has none."""
    with transaction.atomic():
        row = VendorCertificate.objects.filter(account=account).select_for_update().first()
        if row is None:
            return False
        row.delete()
        emit("vendor_certificate.removed", account_id=account.pk, actor=actor, subject=row.subject)
    return True


def vendor_bundle(account: Account) -> Bundle:
    """What signs the account's requests. Raises NoVendorCertificate, VendorBundleError."""
    own = VendorCertificate.objects.filter(account=account).first()
    if own is not None:
        return load_vendor_bundle(own.bundle_pem.encode())
    if not settings.PUSH_VENDOR_CERTIFICATE:
        raise NoVendorCertificate(
            "Neither this account nor this server has an MDM vendor certificate to sign the request with. Upload one in "
            "the admin or set PUSH_VENDOR_CERTIFICATE, or have the request signed by mdmcert.download: the page of the "
            "push certificate in the admin shows how."
        )
    return load_vendor_bundle(_installation_file(settings.PUSH_VENDOR_CERTIFICATE))


def vendor_of(account: Account) -> Vendor | None:
    """The same for people: nothing is opened that is secret."""
    own = VendorCertificate.objects.filter(account=account).defer("bundle_pem").first()
    if own is None:
        return installation_vendor()
    problem = f"It expired on {own.not_after:%Y-%m-%d}." if own.is_expired else ""
    return Vendor(is_own=True, subject=own.subject, not_after=own.not_after, problem=problem)


def installation_vendor() -> Vendor | None:
    """That of PUSH_VENDOR_CERTIFICATE; None without one."""
    path = settings.PUSH_VENDOR_CERTIFICATE
    if not path:
        return None
    try:
        subject, not_after = _facts(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        return Vendor(False, "", None, f"The file of PUSH_VENDOR_CERTIFICATE cannot be read: {error.strerror}.")
    except VendorBundleError as error:
        return Vendor(False, "", None, str(error))
    problem = f"It expired on {not_after:%Y-%m-%d}." if days_until(not_after) < 0 else ""
    return Vendor(False, subject, not_after, problem)


@lru_cache(maxsize=4)
def _facts(path: str, changed_at_ns: int) -> tuple[str, datetime]:
    """Subject and end of the bundle in a file: checking its key takes too long to be done for every page."""
    leaf, chain, _ = read_vendor_bundle(_installation_file(path))
    return name_of(leaf), _ends_at(leaf, chain)


def _installation_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise VendorBundleError(f"The file of PUSH_VENDOR_CERTIFICATE cannot be read: {error.strerror}.") from error


def _ends_at(leaf: x509.Certificate, chain: Sequence[x509.Certificate]) -> datetime:
    return min(certs.not_after(one) for one in (leaf, *chain))
