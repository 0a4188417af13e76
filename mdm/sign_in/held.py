"""Accounts that ask for a second factor: who has none sees nothing of them, and is led to the page that sets one up."""

from django.http import HttpRequest

from mdm.sign_in.methods import OIDC, way_in
from mdm.sign_in.second_factor import has_second_factor


def is_held(request: HttpRequest) -> bool:
    """Whether the account in hand is closed to the person until they have a second factor.

    Signing in through the provider counts as done: what it asks for is up to it. Costs a statement only where it is asked.
    """
    account = request.get_account()
    if account is None or not account.requires_second_factor:
        return False
    known = request.__dict__.get("_held")
    if known is None or known[0] != account.pk:
        way = way_in(request, request.user)
        is_done = (way is not None and way.method == OIDC) or has_second_factor(request.user)
        known = request._held = (account.pk, not is_done)
    return known[1]
