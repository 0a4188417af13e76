"""People of an account: letting them in, changing what they may do, taking them out. An account always has an owner."""

import secrets

from django.db import transaction
from django.utils.translation import gettext as _

from mdm.accounts.models import Account, Membership, Role, User

# No characters that are mistaken for one another when somebody reads the password out.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GROUPS, _GROUP_LENGTH = 4, 5


class MemberError(Exception):
    """Why it cannot be done; str(error) is a sentence for the person who asked."""


class LastOwner(MemberError):
    """The change would leave the account without an owner."""


def generated_password() -> str:
    """About 116 random bits, in groups that can be read out."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def add_member(
    account: Account, *, email: str, role: str, name: str = "", password: str | None = None
) -> tuple[Membership, str | None]:
    """The membership, and the new person's password if it was made here; show it once, it is not kept.

    A person who has a login already keeps their name and password. Raises MemberError for somebody who is in already.
    """
    new_password = None
    with transaction.atomic():
        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            new_password = None if password else generated_password()
            user = User.objects.create_user(email, password or new_password, name=name)
        membership, is_new = Membership.objects.get_or_create(account=account, user=user, defaults={"role": role})
        if not is_new:
            raise MemberError(
                _("%(email)s is in this account already. Change their role instead.") % {"email": user.email}
            )
    return membership, new_password


def change_role(membership: Membership, role: str) -> bool:
    """False if the person has that role already. Raises LastOwner."""
    with transaction.atomic():
        current = _locked(membership)
        if current.role == role:
            return False
        if role != Role.OWNER:
            _keep_an_owner(current)
        current.role = membership.role = role
        current.save(update_fields=["role"])
    return True


def remove_member(membership: Membership) -> None:
    """The person's login stays (they may be in other accounts); they no longer see this one. Raises LastOwner."""
    with transaction.atomic():
        current = _locked(membership)
        _keep_an_owner(current)
        current.delete()


def has_other_accounts(membership: Membership) -> bool:
    """Whether what is done to the person's login touches others than this account."""
    return Membership.objects.filter(user_id=membership.user_id).exclude(pk=membership.pk).exists()


def _locked(membership: Membership) -> Membership:
    """The row as it is now; two changes of one account's people happen one after the other."""
    Account.objects.select_for_update().get(pk=membership.account_id)
    return Membership.objects.get(pk=membership.pk)


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.filter(account_id=membership.account_id, role=Role.OWNER, user__is_active=True)
    if membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists():
        raise LastOwner(_("This is the account's last owner. Make somebody else an owner first."))
