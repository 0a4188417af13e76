"""The page that the link of an invitation opens. Nothing happens by opening it: mail scanners do that too."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login, logout
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
    accept_with_proof,
    find,
    login_of,
    waits_for_proof,
    why_closed,
)

TEMPLATE = "sign_in/invitation.html"
BACKEND = "django.contrib.auth.backends.ModelBackend"


class NewLoginForm(forms.Form):
    """Name and password of somebody who has no login here yet, or none that they alone can use. The address is the invitation's.

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
    if request.user.is_authenticated and request.user.email != invitation.email:
        return _page(request, invitation, state="somebody_else")
    known = login_of(invitation)
    if known is None:
        return _with_password(request, invitation, None)
    if known.is_active and waits_for_proof(invitation, known):
        return _with_password(request, invitation, known)
    if request.user.is_authenticated:
        return _signed_in(request, invitation)
    return _page(request, invitation, state="sign_in" if known.is_active else "inactive")


def _signed_in(request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
    if request.method != "POST":
        return _page(request, invitation, state="accept")
    try:
        accept_as(invitation, request.user)
    except InvitationClosed as error:
        return _page(request, invitation, state=error.reason, status=410)
    except InvitationError as error:
        return _page(request, invitation, state="accept", problem=str(error))
    return _inside(request, invitation)


def _with_password(request: HttpRequest, invitation: PersonInvitation, known: User | None) -> HttpResponse:
    """A login is made; or, with `known`, one that nobody has proved to be theirs gets a new password by the link in the mail."""
    posted = request.POST if request.method == "POST" else None
    told = {"email": invitation.email, "initial": {"name": invitation.name or (known.name if known else "")}}
    form = NewLoginForm(posted, asks_password=not settings.OIDC_ONLY, **told)
    if form.is_valid():
        given = {"name": form.cleaned_data["name"], "password": form.cleaned_data.get("password")}
        try:
            if known is None:
                user = accept_as_new(invitation, **given)
            else:
                user = accept_with_proof(invitation, **given, request=request)
        except InvitationClosed as error:
            return _page(request, invitation, state=error.reason, status=410)
        except HasLogin:
            return _page(request, invitation, state="sign_in")
        if settings.OIDC_ONLY:
            logout(request)  # of a session that has just ended with all others
            return _page(request, invitation, state="made", oidc_name=settings.OIDC_NAME)
        login(request, user, backend=BACKEND)
        return _inside(request, invitation)
    state = "new" if known is None else "prove"
    return _page(request, invitation, state=state, form=form, rules=password_validators_help_texts())


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
