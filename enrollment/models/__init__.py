"""How devices get in: links, the account's certificate authorities, what they issued, and Apple's device lists."""

from enrollment.models.ca import CertificateAuthority, IdentityCertificate, ScepChallenge, TrustedAuthority
from enrollment.models.dep import AssignState, DepDevice, DepKey, DepServer
from enrollment.models.dep_settings import DepSettings, PrimaryAccount
from enrollment.models.enrollment import Enrollment
from enrollment.models.invitation import Invitation, InvitationKind, InvitationState

__all__ = [
    "AssignState",
    "CertificateAuthority",
    "DepDevice",
    "DepKey",
    "DepServer",
    "DepSettings",
    "Enrollment",
    "IdentityCertificate",
    "Invitation",
    "InvitationKind",
    "InvitationState",
    "PrimaryAccount",
    "ScepChallenge",
    "TrustedAuthority",
]
