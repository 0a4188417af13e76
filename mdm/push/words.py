"""How the push certificate stands, in words."""

from mdm.push.models import PushCertificate

WARN_DAYS = 30


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
    if certificate.days_left <= WARN_DAYS:
        return (
            "expiring",
            f"The push certificate expires in {certificate.days_left} days. Renew it now, do not replace it.",
        )
    return "valid", f"Devices can be woken. The certificate expires in {certificate.days_left} days."
