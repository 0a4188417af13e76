"""Pages for whoever is not signed in: password, passkey, second factor, a forgotten password."""

from functools import partial
from typing import Any

from allauth.account.internal.flows.logout import logout
from allauth.account.views import LoginView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.generic import FormView, TemplateView

from mdm.common.nudge import nudge
from mdm.sign_in.admin_pages.forms import ForgottenForm, NewPasswordForm
from mdm.sign_in.admin_pages.frame import Framed, WithPasskeys, WithRules, framed
from mdm.sign_in.methods import has_mail_server
from mdm.sign_in.passkeys import relying_party
from mdm.sign_in.resets import LIFETIME, ask_for_link, find_link, use_link
from mdm.sign_in.tasks import send_password_resets


class SignInView(WithPasskeys, LoginView):
    """The one way in. With OIDC_ONLY, the form for passwords is folded away and works for superusers only."""

    template_name = "sign_in/sign_in.html"
    page_title = _("Sign in")

    def page_context(self) -> dict[str, Any]:
        return {
            **super().page_context(),
            "oidc_name": settings.OIDC_NAME if settings.OIDC_URL else "",
            "is_oidc_only": settings.OIDC_ONLY,
        }


class SecondFactorView(WithPasskeys, AuthenticateView):
    """After the password: a code, or a passkey as the second thing that only this person has."""

    template_name = "sign_in/second_factor.html"
    page_title = _("One more step")

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        if not relying_party(self.request):
            self.webauthn_form = None  # no browser could use one here
        context = super().get_context_data(**options)
        types = {row.type for row in self.stage.login.user.authenticator_set.all()}
        return {**context, "has_code": "totp" in types or "recovery_codes" in types, "has_passkey": "webauthn" in types}


class PasskeySignInView(LoginWebAuthnView):
    """What the button "Sign in with a passkey" asks and sends; it has no page of its own."""

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return super().dispatch(request, *args, **options) if relying_party(request) else redirect("admin:login")


@require_POST
def cancel(request: HttpRequest) -> HttpResponse:
    """Leave a sign-in that was begun, or this session."""
    logout(request, show_message=False)
    return redirect("admin:login")


class ForgottenView(Framed, FormView):
    """Asks for a link. The page does and says the same whether anybody has that address."""

    template_name = "sign_in/forgotten.html"
    page_title = _("Forgotten password")
    form_class = ForgottenForm
    success_url = reverse_lazy("account_reset_password_done")

    def page_context(self) -> dict[str, Any]:
        return {
            "has_mail_server": has_mail_server(),
            "is_oidc_only": settings.OIDC_ONLY,
            "oidc_name": settings.OIDC_NAME,
        }

    def form_valid(self, form: ForgottenForm) -> HttpResponse:
        if has_mail_server() and ask_for_link(form.cleaned_data["email"], self.request):
            transaction.on_commit(partial(nudge, send_password_resets))
        return super().form_valid(form)


class ForgottenSentView(Framed, TemplateView):
    template_name = "sign_in/forgotten_sent.html"
    page_title = _("Look into your mail")

    def page_context(self) -> dict[str, Any]:
        return {"minutes": LIFETIME.seconds // 60, "has_mail_server": has_mail_server()}


@method_decorator(sensitive_post_parameters("password1", "password2"), name="dispatch")
class NewPasswordView(WithRules, FormView):
    """Where the link leads. Signing in comes after it, with whatever else is asked for then."""

    template_name = "sign_in/new_password.html"
    page_title = _("Choose a new password")
    form_class = NewPasswordForm

    def dispatch(self, request: HttpRequest, *args: Any, token: str, **options: Any) -> HttpResponse:
        self.token, found = token, find_link(token)
        if found is None:
            return self.gone()
        self.person = found[1]
        return super().dispatch(request, *args, **options)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "user": self.person}

    def page_context(self) -> dict[str, Any]:
        return {**super().page_context(), "person": self.person}

    def form_valid(self, form: NewPasswordForm) -> HttpResponse:
        if use_link(self.token, form.cleaned_data["password1"], self.request) is None:
            return self.gone()
        logout(self.request, show_message=False)
        return redirect("account_reset_password_from_key_done")

    def gone(self) -> HttpResponse:
        return framed(self.request, "sign_in/link_gone.html", title=_("This link works no more"), status=410)


class PasswordSetView(Framed, TemplateView):
    template_name = "sign_in/password_set.html"
    page_title = _("Your password is changed")
