"""The page that the link of an invitation opens. Nothing happens by opening it: mail scanners do that too."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import INPUT_CLASSES

from mdm.accounts.middleware import choose_account
from mdm.accounts.models import PersonInvitation, User
from mdm.sign_in.invitations import (
    HasLogin,
    InvitationClosed,
    InvitationError,
    accept_as,
    accept_as_new,
    find,
    login_of,
    why_closed,
)

TEMPLATE = "sign_in/invitation.html"
BACKEND = "django.contrib.auth.backends.ModelBackend"


class NewLoginForm(forms.Form):
    """Name and password of somebody who has no login here yet. The e-mail address is the invitation's.

    Where people come in by single sign-on only, they choose no password here.
    """

    name = forms.CharField(max_length=200, label=gettext_lazy("Your name"))
    password = forms.CharField(strip=False, label=gettext_lazy("Password"), widget=forms.PasswordInput)
    again = forms.CharField(strip=False, label=gettext_lazy("The password once more"), widget=forms.PasswordInput)

    def __init__(self, *args: Any, email: str, asks_password: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.email = email
        if not asks_password:
            del self.fields["password"], self.fields["again"]
        for name, field in self.fields.items():
            hint = "name" if name == "name" else "new-password"
            field.widget.attrs |= {"class": " ".join(INPUT_CLASSES), "autocomplete": hint}

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        password = given.get("password")
        if password and given.get("again") and password != given["again"]:
            self.add_error("again", _("This is not the same password."))
        if password:
            try:
                validate_password(password, User(email=self.email, name=given.get("name", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return given


@never_cache
@sensitive_post_parameters("password", "again")
def person_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who invites to what, and the way in: a form for a new person, the sign-in for one who has a login already."""
    invitation = find(token)
    if invitation is None:
        return _page(request, None, state="unknown", status=404)
    if reason := why_closed(invitation):
        return _page(request, invitation, state=reason, status=410)
    if request.user.is_authenticated:
        return _signed_in(request, invitation)
    if (known := login_of(invitation)) is not None:
        return _page(request, invitation, state="sign_in" if known.is_active else "inactive")
    return _new_person(request, invitation)


def _signed_in(request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
    if request.user.email != invitation.email:
        return _page(request, invitation, state="somebody_else")
    if request.method != "POST":
        return _page(request, invitation, state="accept")
    try:
        accept_as(invitation, request.user)
    except InvitationClosed as error:
        return _page(request, invitation, state=error.reason, status=410)
    except InvitationError as error:
        return _page(request, invitation, state="accept", problem=str(error))
    return _inside(request, invitation)


def _new_person(request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
    posted = request.POST if request.method == "POST" else None
    told = {"email": invitation.email, "initial": {"name": invitation.name}}
    form = NewLoginForm(posted, asks_password=not settings.OIDC_ONLY, **told)
    if form.is_valid():
        given = form.cleaned_data
        try:
            user = accept_as_new(invitation, name=given["name"], password=given.get("password"))
        except InvitationClosed as error:
            return _page(request, invitation, state=error.reason, status=410)
        except HasLogin:
            return _page(request, invitation, state="sign_in")
        if settings.OIDC_ONLY:
            return _page(request, invitation, state="made", oidc_name=settings.OIDC_NAME)
        login(request, user, backend=BACKEND)
        return _inside(request, invitation)
    return _page(request, invitation, state="new", form=form, rules=password_validators_help_texts())


def _inside(request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
    choose_account(request, invitation.account)
    return redirect("admin:index")


def _page(
    request: HttpRequest, invitation: PersonInvitation | None, *, state: str, status: int = 200, **context: Any
) -> TemplateResponse:
    """state: what the template has a sentence and a way on for."""
    context = {
        **admin.site.each_context(request),
        "title": _("Invitation"),
        "invitation": invitation,
        "state": state,
        **context,
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)
