"""The agent as a package, signed with the account's installer certificate: built by workers, kept in the storage.

Without a certificate it is not signed: people can install it by hand, Macs do not take it from their management.
"""

import hashlib
import logging
from pathlib import Path

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from devices.models import AgentPackage, InstallerCertificate
from devices.services.agent_program import DAEMON_PATH, PROGRAM_PATH, VERSION, launch_daemon, program
from devices.services.installer_certificate import signer_of
from mdm.accounts.models import Account
from mdm.common.crypto import CannotDecrypt
from mdm.common.stored_files import delete_stored
from mdm.protocol.pkg import Component, Entry, PackageSigner, product_archive

IDENTIFIER = "com.pomona.agent"
TITLE = "Pomona Agent"
MINIMUM_OS = "10.13"
MOST_AT_ONCE = 500
CONTENT_TYPE = "application/octet-stream"  # what storages that are services of their own keep beside the file

_SCRIPTS = Path(__file__).resolve().parent.parent / "agent"
logger = logging.getLogger(__name__)


def current_package(account: Account) -> AgentPackage | None:
    """Of the present program, signed with the present certificate or, without one, not signed. None while it is to be built."""
    return current_packages().filter(account=account).first()


def current_packages() -> QuerySet[AgentPackage]:
    """Those of all accounts: at most one each."""
    return AgentPackage.objects.filter(
        version=VERSION, certificate_fingerprint=_fingerprint_of(OuterRef("account"))
    ).exclude(file="")


def build_packages() -> int:
    """Build what accounts lack, a bounded number of them; the rest comes with the next run. Returns how many were built."""
    return sum(_build(account) for account in _accounts_without())


def why_not_ready(account: Account) -> str:
    """Why Macs cannot get the agent from their management, as a sentence; "" when they can."""
    certificate = InstallerCertificate.objects.filter(account=account).defer("private_key", "chain").first()
    if certificate is None:
        return (
            "There is no installer certificate: Macs take a package from their management only when it is signed. Upload "
            "one, or install the agent by hand."
        )
    if certificate.not_after <= timezone.now():
        return f"The installer certificate expired on {certificate.not_after:%Y-%m-%d}: upload another one."
    if not current_packages().filter(account=account).exists():
        return "The agent's package is being built."
    return ""


def package_content(signer: PackageSigner | None) -> bytes:
    """The .pkg file; the same bytes for the same signer."""
    scripts = {name: (_SCRIPTS / f"{name}.sh").read_bytes() for name in ("preinstall", "postinstall")}
    files = [
        Entry(PROGRAM_PATH.removeprefix("/"), program(), 0o755),
        Entry(DAEMON_PATH.removeprefix("/"), launch_daemon(), 0o644),
    ]
    agent = Component(IDENTIFIER, VERSION, TITLE, files, scripts, minimum_os=MINIMUM_OS, folder="agent.pkg")
    return product_archive(agent, signer=signer)


def _fingerprint_of(account: OuterRef) -> Coalesce:
    certificates = InstallerCertificate.objects.filter(account=account).values("fingerprint")[:1]
    return Coalesce(Subquery(certificates), Value(""))


def _accounts_without() -> list[Account]:
    built = AgentPackage.objects.filter(
        account=OuterRef("pk"), version=VERSION, certificate_fingerprint=OuterRef("present")
    )
    accounts = Account.objects.annotate(present=_fingerprint_of(OuterRef("pk")))
    return list(accounts.filter(~Exists(built)).order_by("pk")[:MOST_AT_ONCE])


def _build(account: Account) -> int:
    """1, or 0 when another worker was quicker or the certificate cannot be used; the others still get theirs."""
    certificate = InstallerCertificate.objects.filter(account=account).first()
    try:
        content = package_content(signer_of(certificate) if certificate else None)
    except (CannotDecrypt, ValueError, TypeError):
        logger.exception("The agent's package of account %s cannot be signed", account.pk)
        return 0
    package = AgentPackage(
        account=account,
        version=VERSION,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        certificate_fingerprint=certificate.fingerprint if certificate else "",
    )
    file = ContentFile(content)
    file.content_type = CONTENT_TYPE
    # Stored before its row: the storage may be far away, and no transaction waits for it.
    package.file.save("", file, save=False)
    try:
        is_kept = _keep(package, certificate)
    except BaseException:
        delete_stored([package.file.name])
        raise
    if not is_kept:
        delete_stored([package.file.name])
    return int(is_kept)


def _keep(package: AgentPackage, certificate: InstallerCertificate | None) -> bool:
    """False when another worker was quicker, the account went, or the certificate was uploaded anew meanwhile."""
    try:
        with transaction.atomic():
            if certificate is not None:
                # Locked: an upload that comes now waits for this package, and then drops it.
                present = InstallerCertificate.objects.filter(pk=certificate.pk).only("pk")
                if present.select_for_update(no_key=True).first() is None:
                    return False
            package.save(force_insert=True)
    except IntegrityError:
        return False
    return True
