"""Signing in to the admin: guesses are slowed down, and both outcomes are logged where the person belongs."""

import hashlib
import logging
from typing import Any

from django import forms
from django.core.cache import cache
from django.http import HttpRequest
from unfold.forms import AuthenticationForm

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Membership, User
from mdm.common.proxies import client_ip
from mdm.events.models import Level
from mdm.events.services import emit

TRIES = 10
PAUSE_SECONDS = 10 * 60

logger = logging.getLogger(__name__)


class SignInForm(AuthenticationForm):
    """Ten wrong passwords for one e-mail address from one network address, then ten minutes' pause."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "inputmode": "email"}

    def clean(self) -> dict[str, Any]:
        key = _counter(self.request, self.cleaned_data.get("username") or "")
        if cache.get(key, 0) >= TRIES:
            raise forms.ValidationError("Too many wrong passwords. Wait ten minutes and try again.", code="throttled")
        try:
            cleaned = super().clean()
        except forms.ValidationError:
            cache.add(key, 0, PAUSE_SECONDS)
            tries = cache.incr(key)
            log_failure(self.request, self.cleaned_data.get("username") or "", tries)
            raise
        cache.delete(key)
        return cleaned


def log_success(request: HttpRequest) -> None:
    """In every account of the person: each has its own log."""
    user: User = request.user
    actor = Actor(Source.ADMIN, label=user.email, user_id=user.pk)
    for account_id in _accounts_of(user.email):
        emit("user.signed_in", account_id=account_id, actor=actor, ip=client_ip(request))


def log_failure(request: HttpRequest, email: str, tries: int) -> None:
    """A stranger's address belongs to no account: then the server's own log is the only place."""
    logger.warning("A sign-in to the admin failed, from %s", client_ip(request))
    level = Level.ERROR if tries >= TRIES else Level.WARNING
    actor = Actor(Source.ADMIN, label=email)
    for account_id in _accounts_of(email):
        emit("user.sign_in_failed", account_id=account_id, actor=actor, level=level, ip=client_ip(request), tries=tries)


def _accounts_of(email: str) -> list[int]:
    found = Membership.objects.filter(user__email=email.lower()) if email else Membership.objects.none()
    return list(found.values_list("account_id", flat=True))


def _counter(request: HttpRequest, email: str) -> str:
    who = f"{email.lower()}\n{client_ip(request)}"
    return f"sign-in:{hashlib.sha256(who.encode()).hexdigest()}"
