"""Opening accounts, letting people in, making and revoking API keys."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from mdm.accounts.models import Account, ApiKey, Membership, Role, User
from mdm.common.tokens import digest, new_token

LAST_USED_RESOLUTION = timedelta(minutes=1)


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
    account: Account, *, name: str, access: str = ApiKey.Access.READ_WRITE, created_by: User | None = None
) -> tuple[ApiKey, str]:
    """The row and the key. The key is URL-safe and cannot be shown again."""
    secret = new_token(32).replace("-", "x").replace("_", "y")
    key = ApiKey.objects.create(
        account=account, name=name, access=access, prefix=secret[:6], digest=digest(secret), created_by=created_by
    )
    return key, secret


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
