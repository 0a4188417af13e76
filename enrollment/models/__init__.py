"""How a device gets in: enrollments and the certificates that devices are known by."""

from enrollment.models.ca import CertificateAuthority, IdentityCertificate, ScepChallenge, TrustedAuthority
from enrollment.models.enrollment import Enrollment

__all__ = ["CertificateAuthority", "Enrollment", "IdentityCertificate", "ScepChallenge", "TrustedAuthority"]
