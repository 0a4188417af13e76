"""How the push certificate and what signs its requests stand, in words."""

from django.utils.translation import gettext as _

from mdm.common.words import count_of
from mdm.events.expiry import WARN_DAYS
from mdm.push.models import PushCertificate
from mdm.push.vendor import Vendor


def standing(certificate: PushCertificate | None) -> tuple[str, str]:
    """State ("missing", "expired", "rejected", "expiring", "valid") and a sentence."""
    if certificate is None:
        return (
            "missing",
            _(
                "Set one up before you enroll real devices: those enrolled without it cannot be woken, and must "
                "enroll again once there is one. Until then commands wait until devices connect by themselves."
            ),
        )
    if certificate.is_expired:
        return "expired", _("The push certificate has expired. Devices cannot be woken until it is renewed.")
    if certificate.rejected_at:
        return (
            "rejected",
            _("Apple's push service refuses the certificate: %(rejected_reason)s.")
            % {"rejected_reason": certificate.rejected_reason or _("no reason")},
        )
    ends = when(certificate.days_left)
    if certificate.days_left <= WARN_DAYS[0]:
        return "expiring", _("The push certificate expires %(ends)s. Renew it now, do not replace it.") % {"ends": ends}
    return "valid", _("Devices can be woken. The certificate expires %(ends)s.") % {"ends": ends}


def vendor_standing(vendor: Vendor | None) -> tuple[str, str]:
    """State ("missing", "broken", "expiring", "valid") and a sentence."""
    if vendor is None:
        return "missing", _("There is no vendor certificate.")
    if vendor.problem or vendor.days_left is None:
        words = (
            _("The vendor certificate of this account cannot sign: %(why)s. Upload a new one, or remove it.")
            if vendor.is_own
            else _(
                "The vendor certificate of this server cannot sign: %(why)s. Whoever runs the server has to replace it."
            )
        )
        return "broken", words % {"why": vendor.problem.rstrip(".")}
    ends = {"ends": when(vendor.days_left)}
    if vendor.days_left <= WARN_DAYS[0]:
        words = (
            _("The vendor certificate of this account expires %(ends)s. Renew it with Apple's developer programme.")
            if vendor.is_own
            else _("The vendor certificate of this server expires %(ends)s. Renew it with Apple's developer programme.")
        )
        return "expiring", words % ends
    words = (
        _("The vendor certificate of this account signs the requests. It expires %(ends)s.")
        if vendor.is_own
        else _("The vendor certificate of this server signs the requests. It expires %(ends)s.")
    )
    return "valid", words % ends


def when(days: int) -> str:
    """ "in 3 days", "in 1 day"; 0 is less than one."""
    return _("in %(days)s") % {"days": count_of(days, "day")} if days > 0 else _("in less than a day")
