"""Push certificates, and what signs their requests, as rows."""

from datetime import timedelta

from django.utils import timezone

from mdm.accounts.models import Account
from mdm.push.apns import Credentials
from mdm.push.models import (
    OrderState,
    PushCertificate,
    PushRequest,
    SigningAccess,
    SigningOrder,
    VendorCertificate,
)
from tests.factories.channels import TOPIC


def make_push_certificate(
    account: Account, credentials: Credentials | None = None, **fields: object
) -> PushCertificate:
    now = timezone.now()
    values = {
        "topic": TOPIC,
        "certificate_pem": credentials.certificate_pem.decode() if credentials else "certificate",
        "key_pem": credentials.key_pem.decode() if credentials else "key",
        "not_before": now - timedelta(days=1),
        "not_after": now + timedelta(days=300),
    }
    return PushCertificate.objects.create(account=account, **(values | fields))


def make_signing(account: Account) -> tuple[VendorCertificate, SigningAccess, SigningOrder]:
    """One row of everything that signs requests; their secrets are empty."""
    request = PushRequest.objects.create(account=account, csr_der=b"")
    ends = timezone.now() + timedelta(days=300)
    return (
        VendorCertificate.objects.create(account=account, subject="MDM Vendor", not_after=ends),
        SigningAccess.objects.create(account=account),
        SigningOrder.objects.create(account=account, request=request, email="a@b.example", state=OrderState.SENT),
    )
