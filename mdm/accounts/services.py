"""Opening accounts, letting people in, making and revoking API keys."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from mdm.accounts.api_scopes import READ, SECTIONS, WRITE
from mdm.accounts.models import Account, ApiKey, Membership, Role, User
from mdm.common.tokens import digest, new_token

LAST_USED_RESOLUTION = timedelta(minutes=1)


class BadScopes(ValueError):
    """An API key cannot have such scopes; the text says why."""


def create_account(
    name: str, *, owner_email: str, password: str | None = None, **fields: object
) -> tuple[Account, User]:
    """A new account and its owner. A person who exists already keeps their password and becomes owner here too."""
    with transaction.atomic():
        account = Account.objects.create(name=name, **fields)
        user = User.objects.filter(email=owner_email.lower()).first()
        if user is None:
            user = User.objects.create_user(owner_email, password)
        Membership.objects.create(account=account, user=user, role=Role.OWNER)
    return account, user


def create_api_key(
    account: Account,
    *,
    name: str,
    access: str = ApiKey.Access.READ_WRITE,
    scopes: Mapping[str, str] | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """The row and the key. The key is URL-safe and cannot be shown again.

    scopes: with LIMITED access, and only with that, section → "read" or "write" (`mdm.accounts.api_scopes`).
    Raises BadScopes.
    """
    _check_scopes(access, scopes or {})
    secret = new_token(32).replace("-", "x").replace("_", "y")
    key = ApiKey.objects.create(
        account=account,
        name=name,
        access=access,
        scopes=dict(scopes or {}),
        prefix=secret[:6],
        digest=digest(secret),
        created_by=created_by,
    )
    return key, secret


def _check_scopes(access: str, scopes: Mapping[str, str]) -> None:
    is_limited = access == ApiKey.Access.LIMITED
    if is_limited and not scopes:
        raise BadScopes("A limited key needs at least one section that it may use.")
    if scopes and not is_limited:
        raise BadScopes("Only a limited key has sections of its own.")
    for section, granted in scopes.items():
        if section not in SECTIONS:
            raise BadScopes(f"There is no section {section!r}; there are {', '.join(SECTIONS)}.")
        if granted not in (READ, WRITE):
            raise BadScopes(f"{section}: a key may {READ} or {WRITE}, not {granted!r}.")


def find_api_key(secret: str) -> ApiKey | None:
    """The live key with that secret, its account loaded. Notes the use, at most once a minute."""
    key = ApiKey.objects.select_related("account").filter(digest=digest(secret), revoked_at=None).first()
    if key is None:
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_RESOLUTION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def revoke_api_key(key: ApiKey) -> bool:
    """False if it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()))
