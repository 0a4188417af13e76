"""Which account a signed-in person is working in: one of their memberships, remembered in the session.

Whoever runs the server (a superuser) may work in any account, and belongs to none by that: they open one on purpose, which
is logged there, and never find themselves in somebody's account because it is the first of a list.
"""

from collections.abc import Callable

from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from mdm.accounts.models import Account, Role

SESSION_KEY = "account_id"


class CurrentAccount:
    """Gives requests `account_choices`, `get_account()` and `get_role()`, all looked up when first used.

    get_role is None for whoever has no account. A choice is an Account with the person's `role` (and `role_name`) in it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.account_choices = SimpleLazyObject(lambda: accounts_of(request.user))
        request.get_account = lambda: _current(request)
        request.get_role = lambda: _role(request)
        return self.get_response(request)


def accounts_of(user: object) -> list[Account]:
    """Accounts that the person belongs to, by name, each with their `role` and its name."""
    if not getattr(user, "is_authenticated", False):
        return []
    accounts = Account.objects.filter(memberships__user=user).annotate(role=F("memberships__role"))
    found = list(accounts.order_by("name", "pk"))
    for account in found:
        account.role_name = Role(account.role).label
    return found


def find_account(request: HttpRequest, key: str | int | None) -> Account | None:
    """The account with that key, if the person may work in it: None for anybody else's, and for what is no key."""
    own = next((account for account in request.account_choices if str(account.pk) == str(key)), None)
    if own is not None or not getattr(request.user, "is_superuser", False):
        return own
    text = str(key or "")
    return Account.objects.filter(pk=text).first() if text.isdecimal() and len(text) <= 18 else None


def is_visitor(request: HttpRequest, account: Account) -> bool:
    """Whether the person is there only because they run the server."""
    return request.user.is_superuser and all(own.pk != account.pk for own in request.account_choices)


def choose_account(request: HttpRequest, account: Account) -> None:
    request.session[SESSION_KEY] = account.pk
    request.__dict__.pop("_account", None)
    request.__dict__.pop("_role", None)


def _current(request: HttpRequest) -> Account | None:
    if "_account" not in request.__dict__:
        chosen = find_account(request, request.session.get(SESSION_KEY))
        request._account = chosen or next(iter(request.account_choices), None)
    return request._account


def _role(request: HttpRequest) -> str | None:
    """A superuser counts as owner wherever they work, also where a lower role was given to them."""
    if "_role" not in request.__dict__:
        account = _current(request)
        if account is None:
            request._role = None
        else:
            request._role = Role.OWNER if request.user.is_superuser else account.role
    return request._role
