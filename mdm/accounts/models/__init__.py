"""Tenants, people, their invitations, and API keys."""

from mdm.accounts.models.account import Account
from mdm.accounts.models.api_key import ApiKey
from mdm.accounts.models.invitation import PersonInvitation
from mdm.accounts.models.user import Membership, Role, User

__all__ = ["Account", "ApiKey", "Membership", "PersonInvitation", "Role", "User"]
