"""What alerts, the days left and the checklist all look at: read once for the page."""

from dataclasses import dataclass

from apps_catalog.models import ContentToken
from devices.models import InstallerCertificate
from enrollment.models import CertificateAuthority, DepServer, TrustedAuthority
from mdm.accounts.models import Account
from mdm.push.models import PushCertificate
from mdm.push.vendor import Vendor, vendor_of

MOST = 100  # of a kind: nobody has more


@dataclass(frozen=True)
class Sources:
    """Everything of an account that ends one day. None of it holds a secret."""

    account: Account
    certificate: PushCertificate | None
    vendor: Vendor | None
    authority: CertificateAuthority | None
    trusted: list[TrustedAuthority]
    dep_servers: list[DepServer]
    tokens: list[ContentToken]
    installer: InstallerCertificate | None


def sources_of(account: Account) -> Sources:
    """Seven statements."""
    secrets = ("consumer_secret", "access_token", "access_secret", "settings__admin_password")
    servers = DepServer.objects.for_account(account).select_related("settings").defer(*secrets)
    tokens = ContentToken.objects.for_account(account).defer("token", "notification_token")
    authorities = CertificateAuthority.objects.for_account(account).only("account", "not_after")
    trusted = TrustedAuthority.objects.for_account(account).only("account", "name", "fingerprint", "not_after")
    installers = InstallerCertificate.objects.for_account(account).defer("private_key", "chain")
    return Sources(
        account,
        PushCertificate.objects.for_account(account).defer("key_pem").first(),
        vendor_of(account),
        authorities.first(),
        list(trusted.order_by("not_after", "pk")[:MOST]),
        list(servers.order_by("name", "pk")[:MOST]),
        list(tokens.order_by("pk")[:MOST]),
        installers.first(),
    )
