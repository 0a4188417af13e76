"""Warnings before the certificate of an external CA ends: from then on devices that it vouches for are refused."""

from enrollment.models import TrustedAuthority
from mdm.events.expiry import horizon, warn_once


def warn_expiring_authorities() -> int:
    """One log entry for each passed mark of a certificate; running twice adds nothing."""
    rows = TrustedAuthority.objects.filter(not_after__lte=horizon())
    return sum(
        warn_once(
            "trusted_authority.expiring",
            authority.account_id,
            authority.not_after,
            which={"trusted_authority_id": authority.pk, "not_after": authority.not_after.isoformat()},
            subject=str(authority),
        )
        for authority in rows.only("account_id", "name", "fingerprint", "not_after")
    )
