""" "Your login": what one is signed in with and where. All of it is the person's own, whatever account they work in."""

from typing import Any

from allauth.account.views import PasswordChangeView, PasswordSetView, ReauthenticateView
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.base.views import ReauthenticateView as CodeReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from django.views.generic import FormView, TemplateView

from mdm.accounts.admin_base import row_number
from mdm.sign_in.admin_pages.forms import NameForm
from mdm.sign_in.admin_pages.frame import Framed, WithPasskeys, WithRules
from mdm.sign_in.browsers import browser_icon, browser_words
from mdm.sign_in.held import is_held
from mdm.sign_in.log import log_of
from mdm.sign_in.methods import may_use_password
from mdm.sign_in.sessions import end_session, end_sessions, sessions_of


@method_decorator(login_required, name="dispatch")
class YourLoginView(WithPasskeys, FormView):
    template_name = "sign_in/your_login.html"
    page_title = gettext_lazy("Your login")
    form_class = NameForm
    success_url = reverse_lazy("your_login")

    def get_initial(self) -> dict[str, str]:
        return {"name": self.request.user.name}

    def form_valid(self, form: NameForm) -> HttpResponse:
        user = self.request.user
        user.name = form.cleaned_data["name"].strip()
        user.save(update_fields=["name"])
        messages.success(self.request, _("Your name is changed."))
        return super().form_valid(form)

    def page_context(self) -> dict[str, Any]:
        user = self.request.user
        rows = list(Authenticator.objects.filter(user_id=user.pk).order_by("created_at", "pk"))
        codes = next((row for row in rows if row.type == Authenticator.Type.RECOVERY_CODES), None)
        return {
            **super().page_context(),
            "person": user,
            "app": next((row for row in rows if row.type == Authenticator.Type.TOTP), None),
            "passkeys": [row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
            "codes": codes,
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else 0,
            "sessions": [_session(self.request, row) for row in sessions_of(user)],
            "uses_password": may_use_password(user),
            "oidc_name": settings.OIDC_NAME if settings.OIDC_URL else "",
        }


def _session(request: HttpRequest, row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "browser": browser_words(row.user_agent),
        "icon": browser_icon(row.user_agent),
        "is_this": row.session_key == request.session.session_key,
    }


@require_POST
@login_required
def end(request: HttpRequest) -> HttpResponse:
    """Sign out elsewhere: one session, or all but this one. Somebody else's is not there."""
    user, which = request.user, request.POST.get("session", "")
    if which == "others":
        count = end_sessions(user, keep=request.session.session_key)
        messages.success(request, _("You are signed out everywhere but here."))
    else:
        count = int(end_session(user, row_number(which) or 0))
        messages.success(request, _("That browser is signed out."))
    if count:
        log_of(user, "user.sessions_ended", request, sessions=count)
    return redirect("your_login")


@method_decorator(login_required, name="dispatch")
class RequiredView(WithPasskeys, TemplateView):
    """Where people without a second factor are led when they work in an account that asks for one."""

    template_name = "sign_in/required.html"
    page_title = gettext_lazy("A second factor, please")

    def get(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        return super().get(request, *args, **options) if is_held(request) else redirect("admin:index")


# --- the password -----------------------------------------------------------------------------------------------------
class ChangePasswordView(WithRules, PasswordChangeView):
    template_name = "sign_in/change_password.html"
    page_title = gettext_lazy("Change your password")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_of(self.request.user, "user.password_changed", self.request)
        end_sessions(self.request.user, keep=self.request.session.session_key)
        return response


class SetPasswordView(WithRules, PasswordSetView):
    """For people who came in by the provider or a passkey, and have none yet."""

    template_name = "sign_in/change_password.html"
    page_title = gettext_lazy("Choose a password")

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """allauth would keep what was sent, the password in it, in the session until the person has proved themselves."""
        try:
            return super().dispatch(request, *args, **options)
        except ReauthenticationRequired:
            if request.method == "POST":
                return redirect("account_set_password")
            raise

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_of(self.request.user, "user.password_changed", self.request)
        end_sessions(self.request.user, keep=self.request.session.session_key)
        return response


# --- is it still you? -------------------------------------------------------------------------------------------------
class _Confirm(Framed):
    page_title = gettext_lazy("Is it you?")

    def get_default_success_url(self) -> str:
        return reverse("your_login")


class ConfirmPasswordView(_Confirm, ReauthenticateView):
    template_name = "sign_in/confirm.html"


class ConfirmCodeView(_Confirm, CodeReauthenticateView):
    template_name = "sign_in/confirm.html"


class ConfirmPasskeyView(_Confirm, WithPasskeys, ReauthenticateWebAuthnView):
    template_name = "sign_in/confirm_passkey.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        for sentence in form.errors.get("credential", []):
            messages.error(self.request, sentence)
        return redirect(self.request.get_full_path())
