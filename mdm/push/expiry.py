"""Warnings before certificates end: the accounts' push certificates, and the vendor certificates that renewing them needs."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from mdm.accounts.models import Account
from mdm.events.expiry import horizon, warn_once
from mdm.push.models import PushCertificate, VendorCertificate
from mdm.push.vendor import installation_vendor

Ending = tuple[str, int, datetime, str]  # event type, account, end, subject


def warn_expiring() -> int:
    """One log entry for each passed mark of a certificate; running twice adds nothing."""
    endings = chain(_push_certificates(), _vendor_certificates(), _installation())
    return sum(
        warn_once(event_type, account_id, end, which={"not_after": end.isoformat()}, subject=subject)
        for event_type, account_id, end, subject in endings
    )


def _push_certificates() -> Iterator[Ending]:
    rows = PushCertificate.objects.filter(not_after__lte=horizon()).values_list("account_id", "not_after", "topic")
    return (("push_certificate.expiring", *row) for row in rows)


def _vendor_certificates() -> Iterator[Ending]:
    rows = VendorCertificate.objects.filter(not_after__lte=horizon()).values_list("account_id", "not_after", "subject")
    return (("vendor_certificate.expiring", *row) for row in rows)


def _installation() -> Iterator[Ending]:
    """That of the installation concerns the accounts that have none of their own and something to renew."""
    vendor = installation_vendor()
    if vendor is None or vendor.not_after is None or vendor.not_after > horizon():
        return
    concerned = Account.objects.filter(push_certificate__isnull=False, vendor_certificate__isnull=True)
    for account_id in concerned.order_by("pk").values_list("pk", flat=True):
        yield "vendor_certificate.expiring", account_id, vendor.not_after, vendor.subject
