"""What a role may do: one table, used by the admin (API keys have their own access level)."""

from enum import StrEnum

from mdm.accounts.models import Account, Role, User


class Action(StrEnum):
    VIEW = "view"
    MANAGE_DEVICES = "manage devices"  # enroll, edit, send harmless commands, move between groups
    DESTROY = "destroy"  # erase, lock, unenroll, delete
    CONFIGURE = "configure"  # certificates, webhooks, API keys, trusted CAs, account settings
    MANAGE_PEOPLE = "manage people"  # members and their roles


ROLE_ACTIONS: dict[str, frozenset[Action]] = {
    Role.READ_ONLY: frozenset({Action.VIEW}),
    Role.OPERATOR: frozenset({Action.VIEW, Action.MANAGE_DEVICES}),
    Role.ADMIN: frozenset({Action.VIEW, Action.MANAGE_DEVICES, Action.DESTROY, Action.CONFIGURE}),
    Role.OWNER: frozenset(Action),
}


def role_in(user: User, account: Account | None) -> str | None:
    """The person's role in that account; a superuser of the installation counts as owner everywhere."""
    if account is None or not user.is_active:
        return None
    if user.is_superuser:
        return Role.OWNER
    return user.memberships.filter(account=account).values_list("role", flat=True).first()


def may(role: str | None, action: Action) -> bool:
    return action in ROLE_ACTIONS.get(role or "", frozenset())
