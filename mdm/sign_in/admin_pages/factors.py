"""Setting up and taking away what is asked for besides the password. Each page first makes sure that it is still the person."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.views import AddWebAuthnView, EditWebAuthnView, RemoveWebAuthnView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from mdm.sign_in.admin_pages.frame import Framed
from mdm.sign_in.log import log_of
from mdm.sign_in.passkeys import relying_party

APP, PASSKEY, CODES = "authenticator app", "passkey", "recovery codes"


class SetUpAppView(Framed, ActivateTOTPView):
    template_name = "sign_in/app_set_up.html"
    page_title = _("Set up an authenticator app")

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        context = super().get_context_data(**options)
        secret = context["form"].secret
        groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
        return {**context, "secret_groups": groups}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_of(self.request.user, "user.second_factor_added", self.request, what=APP)
        return response


class RemoveAppView(Framed, DeactivateTOTPView):
    template_name = "sign_in/app_remove.html"
    page_title = _("Stop asking for codes")

    def page_context(self) -> dict[str, Any]:
        return {"is_last": is_last(self.authenticator), "is_required": is_required(self.request)}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_of(self.request.user, "user.second_factor_removed", self.request, what=APP)
        return response


class AddPasskeyView(Framed, AddWebAuthnView):
    """Registers one that lets in without a password as well."""

    template_name = "sign_in/passkey_add.html"
    page_title = _("Add a passkey")

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if request.user.is_authenticated and not relying_party(request):
            return redirect("your_login")
        return super().dispatch(request, *args, **options)

    def page_context(self) -> dict[str, Any]:
        return {"js_data": {"creation_options": webauthn.begin_registration(self.request.user, True)}}

    def get_context_data(self, **options: Any) -> dict[str, Any]:
        context = super().get_context_data(**options)
        return {**context, "form": options.get("form") or self.get_form()}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        name = form.cleaned_data["name"]
        log_of(self.request.user, "user.second_factor_added", self.request, what=PASSKEY, name=name)
        return response


class RenamePasskeyView(Framed, EditWebAuthnView):
    template_name = "sign_in/passkey_rename.html"
    page_title = _("Rename a passkey")


class RemovePasskeyView(Framed, RemoveWebAuthnView):
    template_name = "sign_in/passkey_remove.html"
    page_title = _("Remove a passkey")

    def page_context(self) -> dict[str, Any]:
        return {"passkey": self.object, "is_last": is_last(self.object), "is_required": is_required(self.request)}

    def form_valid(self, form: Any) -> HttpResponse:
        name = self.object.wrap().name
        response = super().form_valid(form)
        log_of(self.request.user, "user.second_factor_removed", self.request, what=PASSKEY, name=name)
        return response


class RecoveryCodesView(Framed, ViewRecoveryCodesView):
    """Shows them once; whoever comes again can only make new ones."""

    template_name = "sign_in/recovery_codes.html"
    page_title = _("Recovery codes")


class NewRecoveryCodesView(Framed, GenerateRecoveryCodesView):
    template_name = "sign_in/recovery_codes_new.html"
    page_title = _("Make new recovery codes")
    success_url = reverse_lazy("mfa_view_recovery_codes")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_of(self.request.user, "user.second_factor_added", self.request, what=CODES)
        return response


def is_last(factor: Authenticator) -> bool:
    """Whether nothing but the password is left without it: recovery codes go with the last."""
    others = Authenticator.objects.filter(user_id=factor.user_id).exclude(pk=factor.pk)
    return not others.exclude(type=Authenticator.Type.RECOVERY_CODES).exists()


def is_required(request: HttpRequest) -> bool:
    """Whether an account of the person asks for a second factor, so that taking the last one away closes it to them."""
    return any(account.requires_second_factor for account in request.account_choices)
