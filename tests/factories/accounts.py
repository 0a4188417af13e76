"""Accounts, people, API keys."""

from datetime import timedelta

from django.utils import timezone

from mdm.accounts.models import Account, ApiKey, Membership, PersonInvitation, Role, User
from mdm.accounts.services import create_api_key
from mdm.common.tokens import digest, new_token
from tests.factories.numbers import number

PASSWORD = "correct horse battery"


def make_account(name: str = "", **fields: object) -> Account:
    return Account.objects.create(name=name or f"Account {number()}", **fields)


def make_user(account: Account | None = None, *, role: str = Role.OWNER, email: str = "", **fields: object) -> User:
    """A person with that role in the account (none without an account); the password is PASSWORD, the address proved."""
    fields.setdefault("password", PASSWORD)
    fields.setdefault("email_proved_at", timezone.now())
    user = User.objects.create_user(email or f"person{number()}@example.com", **fields)
    if account is not None:
        Membership.objects.create(account=account, user=user, role=role)
    return user


def make_api_key(
    account: Account | None = None,
    *,
    name: str = "",
    access: str = ApiKey.Access.READ_WRITE,
    scopes: dict[str, str] | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """The row and the key itself."""
    account = account or make_account()
    return create_api_key(account, name=name or f"Key {number()}", access=access, scopes=scopes, created_by=created_by)


def make_person_invitation(account: Account, *, email: str = "", **fields: object) -> PersonInvitation:
    """One whose link was handed over; `token` is what the link holds, in memory only."""
    token = new_token(32)
    given = {"digest": digest(token), "expires_at": timezone.now() + timedelta(days=7), "due_at": None, **fields}
    invitation = PersonInvitation.objects.create(
        account=account, email=email or f"invited{number()}@example.com", **given
    )
    invitation.token = token
    return invitation
