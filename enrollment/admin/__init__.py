"""Pages about enrolling: devices (with the ways in), enrollment links, certificates and the CAs behind them."""

from enrollment.admin.authorities import CertificateAuthorityAdmin, TrustedAuthorityAdmin
from enrollment.admin.dep_devices import DepDeviceAdmin
from enrollment.admin.dep_servers import DepServerAdmin
from enrollment.admin.devices import EnrollableDeviceAdmin
from enrollment.admin.enrollments import EnrollmentAdmin
from enrollment.admin.identities import IdentityCertificateAdmin

__all__ = [
    "CertificateAuthorityAdmin",
    "DepDeviceAdmin",
    "DepServerAdmin",
    "EnrollableDeviceAdmin",
    "EnrollmentAdmin",
    "IdentityCertificateAdmin",
    "TrustedAuthorityAdmin",
]
