"""The agent's package."""

import hashlib

from django.core.files.base import ContentFile

from devices.models import AgentPackage, InstallerCertificate
from devices.services.agent_program import VERSION
from mdm.accounts.models import Account

PACKAGE = b"xar! as good as a package"


def make_agent_package(account: Account, certificate: InstallerCertificate | None = None) -> AgentPackage:
    """Of the present program; not signed unless there is a certificate."""
    package = AgentPackage(
        account=account,
        version=VERSION,
        size=len(PACKAGE),
        sha256=hashlib.sha256(PACKAGE).hexdigest(),
        certificate_fingerprint=certificate.fingerprint if certificate else "",
    )
    package.file.save("", ContentFile(PACKAGE), save=False)
    package.save()
    return package
