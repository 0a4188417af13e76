"""How the push certificate and what signs its requests stand, in words."""

from mdm.common.words import count_of
from mdm.events.expiry import WARN_DAYS
from mdm.push.models import PushCertificate
from mdm.push.vendor import Vendor


def standing(certificate: PushCertificate | None) -> tuple[str, str]:
    """State ("missing", "expired", "rejected", "expiring", "valid") and a sentence."""
    if certificate is None:
        return (
            "missing",
            "Set one up before you enroll real devices: those enrolled without it cannot be woken, and must enroll again "
            "once there is one. Until then commands wait until devices connect by themselves.",
        )
    if certificate.is_expired:
        return "expired", "The push certificate has expired. Devices cannot be woken until it is renewed."
    if certificate.rejected_at:
        return (
            "rejected",
            f"Apple's push service refuses the certificate: {certificate.rejected_reason or 'no reason'}.",
        )
    ends = when(certificate.days_left)
    if certificate.days_left <= WARN_DAYS[0]:
        return "expiring", f"The push certificate expires {ends}. Renew it now, do not replace it."
    return "valid", f"Devices can be woken. The certificate expires {ends}."


def vendor_standing(vendor: Vendor | None) -> tuple[str, str]:
    """State ("missing", "broken", "expiring", "valid") and a sentence."""
    if vendor is None:
        return "missing", "There is no vendor certificate."
    whose = "of this account" if vendor.is_own else "of this server"
    if vendor.problem or vendor.days_left is None:
        way = "Upload a new one, or remove it." if vendor.is_own else "Whoever runs the server has to replace it."
        return "broken", f"The vendor certificate {whose} cannot sign: {vendor.problem.rstrip('.')}. {way}"
    ends = when(vendor.days_left)
    if vendor.days_left <= WARN_DAYS[0]:
        return "expiring", f"The vendor certificate {whose} expires {ends}. Renew it with Apple's developer programme."
    return "valid", f"The vendor certificate {whose} signs the requests. It expires {ends}."


def when(days: int) -> str:
    """ "in 3 days", "in 1 day"; 0 is less than one."""
    return f"in {count_of(days, 'day')}" if days > 0 else "in less than a day"
