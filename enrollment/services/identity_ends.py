"""Devices whose identity certificate ends soon: they were asked to renew it weeks ago, and have not been there since."""

from datetime import timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from devices.models import DeviceState
from enrollment.models import IdentityCertificate
from mdm.accounts.models import Account
from mdm.channels.models import ChannelState

# Renewal begins IDENTITY_RENEWAL_DAYS before the end: who has not renewed by now needs somebody to look.
NOTICE_DAYS = 14


def ending_soon(account: Account) -> QuerySet[IdentityCertificate]:
    """Certificates that speak for an enrolled device and end within NOTICE_DAYS; those already replaced are not among them."""
    now = timezone.now()
    return IdentityCertificate.objects.for_account(account).filter(
        revoked_at=None,
        not_after__gt=now,
        not_after__lte=now + timedelta(days=NOTICE_DAYS),
        device__state=DeviceState.ENROLLED,
        device__removed_at=None,
        device__channels__fingerprint=F("fingerprint"),
        device__channels__user_key="",
        device__channels__state=ChannelState.OPEN,
    )
