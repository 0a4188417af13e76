"""allauth's questions about people and sign-ins, answered Pomona's way. Named in ACCOUNT_ADAPTER."""

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.models import User
from mdm.common.proxies import client_ip
from mdm.sign_in import lockout
from mdm.sign_in.log import log_failure, log_of
from mdm.sign_in.methods import PASSKEY, PASSWORD, may_use_password, way_in
from mdm.sign_in.sessions import NO_ADDRESS

# allauth names its messages by template; those not here are not said, as the page itself says it.
_MESSAGES = {
    "account/messages/password_changed.txt": gettext_lazy(
        "Your password is changed. You are signed out everywhere else."
    ),
    "account/messages/password_set.txt": gettext_lazy("You have a password now. You are signed out everywhere else."),
    "mfa/messages/totp_activated.txt": gettext_lazy("Your authenticator app is set up."),
    "mfa/messages/totp_deactivated.txt": gettext_lazy("Codes of your authenticator app are no longer asked for."),
    "mfa/messages/webauthn_added.txt": gettext_lazy("Your passkey is saved."),
    "mfa/messages/webauthn_removed.txt": gettext_lazy(
        "The passkey no longer lets you in. You can delete it on your device."
    ),
}


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": gettext_lazy(
            "The e-mail address or the password is not right. Capitals in the password matter."
        ),
        "too_many_login_attempts": gettext_lazy("Too many wrong passwords. Wait ten minutes and try again."),
        "rate_limited": gettext_lazy("Too many tries. Wait a few minutes and try again."),
        "incorrect_password": gettext_lazy("This is not your password."),
        "enter_current_password": gettext_lazy("This is not your password."),
        "incorrect_code": gettext_lazy("This passkey did not prove who you are. Try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are invited by the owners of accounts."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request) or NO_ADDRESS

    def is_safe_url(self, url: str | None) -> bool:
        """One goes on to pages of this server only."""
        request = context.request
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:index")

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        return reverse("admin:login")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("your_login")

    def get_login_stages(self) -> list[str]:
        return ["mdm.sign_in.stages.SecondFactorStage"]

    # --- passwords ----------------------------------------------------------------------------------------------------
    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The person with that e-mail address and password; the same work for an address that nobody has.

        Raises ValidationError while nobody may try.
        """
        email = credentials["email"]
        try:
            attempt = lockout.begin(lockout.password_counters(request, email))
        except lockout.TooManyTries as error:
            raise self.validation_error("too_many_login_attempts") from error
        user = authenticate(request, username=email, password=credentials["password"])
        if user is None or not may_use_password(user):
            why = "" if user is None else "passwords are switched off"
            log_failure(request, email, method=PASSWORD, tries=attempt.number, why=why)
            return None
        attempt.succeeded()
        return user

    def reauthenticate(self, user: User, password: str) -> bool:
        found = self.authenticate(context.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Not in the minutes after signing in. Whoever has nothing to prove themselves by signs in anew instead."""
        records = get_authentication_records(context.request, context.request.user)
        latest = max((record["at"] for record in records), default=0)
        return time.time() - latest > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT

    def get_reauthentication_methods(self, user: User) -> list[dict[str, str]]:
        """The first is what a page that asks for it leads to."""
        found = super().get_reauthentication_methods(user)
        if user.is_authenticated and settings.OIDC_ONLY and not may_use_password(user):
            found = []
        if not found and settings.OIDC_URL:
            label = _("Sign in with %(provider)s again") % {"provider": settings.OIDC_NAME}
            found = [{"id": "oidc", "description": label, "url": reverse("openid_connect_login")}]
        return found

    # --- the end of a sign-in -----------------------------------------------------------------------------------------
    def pre_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse | None:
        """Passkeys come here unasked: with OIDC_ONLY they are for those only who may use a password."""
        way = way_in(request, user)
        if way and way.method == PASSKEY and user.is_active and not may_use_password(user):
            clear_login(request)
            log_failure(request, user.email, method=PASSKEY, why="passkeys are switched off")
            return self._back(request, _("People sign in with %(provider)s here.") % {"provider": settings.OIDC_NAME})
        return super().pre_login(request, user, **options)

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        response = super().post_login(request, user, **options)
        way = way_in(request, user)
        facts = {"second_factor": way.second_factor} if way and way.second_factor else {}
        log_of(user, "user.signed_in", request, method=way.method if way else "", **facts)
        lockout.let_in_again(user)
        lockout.mark_browser(request, response, user)
        return response

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Only those come here who have proved who they are by other means than a password."""
        way = way_in(request, user)
        log_failure(request, user.email, method=way.method if way else "", why="the login is switched off")
        return self._back(request, _("Your login is switched off. Ask an owner of your account to switch it on again."))

    def _back(self, request: HttpRequest, sentence: str) -> HttpResponse:
        messages.error(request, sentence)
        return redirect("admin:login")

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        sentence = message or _MESSAGES.get(message_template or "")
        if sentence:
            messages.add_message(request, level, str(sentence), extra_tags)
