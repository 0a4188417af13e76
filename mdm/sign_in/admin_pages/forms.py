"""Forms of sign-in: allauth's, with our words and looks, and tries that are counted and logged."""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm, ReauthenticateForm
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as CodeReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
)
from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.admin_forms import dress
from mdm.accounts.models import User
from mdm.sign_in import lockout
from mdm.sign_in.log import log_failure
from mdm.sign_in.second_factor import MOST_NAME_LENGTH

NOT_PROVED = gettext_lazy("This passkey is not known here, or did not prove who you are.")


def password_field(label: Any, *, is_new: bool = False) -> forms.CharField:
    hint = "new-password" if is_new else "current-password"
    widget = forms.PasswordInput(attrs={"autocomplete": hint})
    return forms.CharField(label=label, strip=False, max_length=256, widget=widget)


class Dressed(forms.Form):
    """Inputs that look like the admin's, and no placeholders where labels say it already."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            dress(field)


class SignInForm(Dressed, LoginForm):
    password = password_field(gettext_lazy("Password"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["login"]
        field.label = _("E-mail")
        # Passkeys are offered where the address is typed, in browsers that do so.
        field.widget.attrs |= {"autocomplete": "username webauthn", "inputmode": "email", "autofocus": True}
        field.error_messages["invalid"] = _("This is no e-mail address.")


class ConfirmPasswordForm(Dressed, ReauthenticateForm):
    password = password_field(gettext_lazy("Your password"))


class _Counted(forms.Form):
    """Guesses at a second factor: ten in ten minutes for one person, and each that is wrong is logged."""

    user: User | None
    method = ""

    def counted(self, check: Callable[[], Any], *, wrong: Any = None) -> Any:
        """What check returns. Raises ValidationError, with the sentence `wrong` in place of allauth's."""
        try:
            attempt = lockout.begin(lockout.second_factor_counters(self.user))
        except lockout.TooManyTries as error:
            raise forms.ValidationError(
                _("Too many tries. Wait ten minutes and try again."), code="throttled"
            ) from error
        try:
            found = check()
        except forms.ValidationError as error:
            log_failure(context.request, self.user.email, method=self.method, tries=attempt.number)
            raise forms.ValidationError(wrong or error.messages, code="wrong") from error
        attempt.succeeded()
        return found


class CodeForm(Dressed, _Counted, AuthenticateForm):
    method = "code"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["code"]
        field.label = _("Code")
        field.max_length = 32
        field.help_text = _("Six digits from your authenticator app, or one of your recovery codes.")
        field.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}

    def clean_code(self) -> str:
        return self.counted(super().clean_code)


class ConfirmCodeForm(CodeForm, CodeReauthenticateForm):
    """The same while signed in, before something about the login is changed."""


class PasskeyForm(_Counted, AuthenticateWebAuthnForm):
    """A passkey as the second factor."""

    method = "passkey"

    def clean_credential(self) -> Any:
        return self.counted(super().clean_credential, wrong=NOT_PROVED)


class ConfirmPasskeyForm(PasskeyForm):
    reauthenticated = True


class SignInPasskeyForm(LoginWebAuthnForm):
    """A passkey in place of the password. It cannot be guessed, and who it belongs to is known only when it is right."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()
        except forms.ValidationError as error:
            log_failure(context.request, "", method="passkey")
            raise forms.ValidationError(NOT_PROVED, code="wrong") from error


class SetUpAppForm(Dressed, ActivateTOTPForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["code"]
        field.label = _("Code that the app shows now")
        field.help_text = _("Six digits. This makes sure that the app has it right.")
        field.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric"}


class _Named(Dressed):
    """The name of a passkey."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["name"]
        field.label = _("Name")
        field.max_length = MOST_NAME_LENGTH
        field.widget.attrs["maxlength"] = MOST_NAME_LENGTH
        field.help_text = _("So that you can tell your passkeys apart, for example by where each is kept.")

    def clean_name(self) -> str:
        found = super().clean_name() if hasattr(super(), "clean_name") else self.cleaned_data["name"]
        return found.strip()[:MOST_NAME_LENGTH]


class AddPasskeyForm(_Named, AddWebAuthnForm):
    """Every passkey lets in without a password too: the device asks for a finger, a face or a PIN itself."""

    passwordless = forms.BooleanField(initial=True, required=True, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except forms.ValidationError as error:
            raise forms.ValidationError(_("This passkey could not be saved. Try again."), code="wrong") from error


class RenamePasskeyForm(_Named, EditWebAuthnForm):
    pass


class NewPasswordForm(Dressed):
    """Twice the same, and as strong as the rules ask."""

    password1 = password_field(gettext_lazy("New password"), is_new=True)
    password2 = password_field(gettext_lazy("The same again"), is_new=True)

    def __init__(self, *args: Any, user: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.user = user

    def clean_password1(self) -> str:
        validate_password(self.cleaned_data["password1"], self.user)
        return self.cleaned_data["password1"]

    def clean(self) -> dict[str, Any]:
        first, second = self.cleaned_data.get("password1"), self.cleaned_data.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("This is not the same as above."))
        return self.cleaned_data

    def save(self) -> None:
        self.user.set_password(self.cleaned_data["password1"])
        self.user.save(update_fields=["password"])


class ChangePasswordForm(NewPasswordForm):
    """With the old one, so that an open browser alone changes nothing."""

    oldpassword = password_field(gettext_lazy("Your password now"))
    field_order = ("oldpassword", "password1", "password2")

    def clean_oldpassword(self) -> str:
        """Counted with the guesses at the sign-in page: an open browser is no way round them."""
        adapter = get_adapter()
        if not adapter.reauthenticate(self.user, self.cleaned_data["oldpassword"]):
            raise adapter.validation_error("enter_current_password")
        return self.cleaned_data["oldpassword"]


class ForgottenForm(Dressed):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
        error_messages={"invalid": gettext_lazy("This is no e-mail address.")},
    )


class NameForm(Dressed):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text=gettext_lazy(
            "As others of your accounts see you in the log. Without one, your e-mail address stands there."
        ),
    )
