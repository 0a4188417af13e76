"""Which account a signed-in person is working in: one of their memberships, remembered in the session."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from mdm.accounts.models import Account
from mdm.accounts.permissions import role_in

SESSION_KEY = "account_id"


class CurrentAccount:
    """Sets `request.account` (Account or None) and `request.role` (str or None), both looked up when first used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.account_choices = SimpleLazyObject(lambda: list(accounts_of(request.user)))
        request.get_account = lambda: _current(request)
        request.get_role = lambda: _role(request)
        return self.get_response(request)


def accounts_of(user: object) -> list[Account]:
    """Accounts that the person may choose from, by name."""
    if not getattr(user, "is_authenticated", False):
        return []
    accounts = Account.objects.order_by("name", "pk")
    return list(accounts if user.is_superuser else accounts.filter(memberships__user=user))


def choose_account(request: HttpRequest, account: Account) -> None:
    request.session[SESSION_KEY] = account.pk
    request.__dict__.pop("_account", None)
    request.__dict__.pop("_role", None)


def _current(request: HttpRequest) -> Account | None:
    if "_account" not in request.__dict__:
        chosen = request.session.get(SESSION_KEY)
        choices = request.account_choices
        request._account = next((a for a in choices if a.pk == chosen), choices[0] if choices else None)
    return request._account


def _role(request: HttpRequest) -> str | None:
    if "_role" not in request.__dict__:
        request._role = role_in(request.user, _current(request))
    return request._role
