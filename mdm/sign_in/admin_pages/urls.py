"""Every address of sign-in, under allauth's names where it looks them up. What it offers besides has no address here:
nobody signs up, keeps several e-mail addresses, or connects accounts of other services."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from mdm.sign_in.admin_pages import coming_in, factors, single_sign_on, your_login
from mdm.sign_in.invitation_views import person_invitation

_your_login = your_login.YourLoginView.as_view()

urlpatterns = [
    path("admin/login/", admin.site.login, name="account_login"),
    path("sign-in/second-factor/", coming_in.SecondFactorView.as_view(), name="mfa_authenticate"),
    path("sign-in/passkey/", coming_in.PasskeySignInView.as_view(), name="mfa_login_webauthn"),
    path("sign-in/cancel/", coming_in.cancel, name="account_logout"),
    path("sign-in/single-sign-on/", single_sign_on.begin, name="openid_connect_login"),
    path("sign-in/single-sign-on/back/", single_sign_on.come_back, name="openid_connect_callback"),
    path("sign-in/forgotten/", coming_in.ForgottenView.as_view(), name="account_reset_password"),
    path("sign-in/forgotten/sent/", coming_in.ForgottenSentView.as_view(), name="account_reset_password_done"),
    path(
        "sign-in/new-password/done/", coming_in.PasswordSetView.as_view(), name="account_reset_password_from_key_done"
    ),
    path(
        "sign-in/new-password/<str:token>/", coming_in.NewPasswordView.as_view(), name="account_reset_password_from_key"
    ),
    path("your-login/", _your_login, name="your_login"),
    path("your-login/", _your_login, name="mfa_index"),
    path("your-login/", _your_login, name="mfa_list_webauthn"),
    path("your-login/sessions/end/", your_login.end, name="your_login_end_session"),
    path("your-login/second-factor/", your_login.RequiredView.as_view(), name="second_factor_required"),
    path("your-login/password/", your_login.ChangePasswordView.as_view(), name="account_change_password"),
    path("your-login/password/first/", your_login.SetPasswordView.as_view(), name="account_set_password"),
    path("your-login/confirm/", your_login.ConfirmPasswordView.as_view(), name="account_reauthenticate"),
    path("your-login/confirm/code/", your_login.ConfirmCodeView.as_view(), name="mfa_reauthenticate"),
    path("your-login/confirm/passkey/", your_login.ConfirmPasskeyView.as_view(), name="mfa_reauthenticate_webauthn"),
    path("your-login/app/", factors.SetUpAppView.as_view(), name="mfa_activate_totp"),
    path("your-login/app/remove/", factors.RemoveAppView.as_view(), name="mfa_deactivate_totp"),
    path("your-login/recovery-codes/", factors.RecoveryCodesView.as_view(), name="mfa_view_recovery_codes"),
    path("your-login/recovery-codes/new/", factors.NewRecoveryCodesView.as_view(), name="mfa_generate_recovery_codes"),
    path("your-login/passkeys/add/", factors.AddPasskeyView.as_view(), name="mfa_add_webauthn"),
    path("your-login/passkeys/<int:pk>/name/", factors.RenamePasskeyView.as_view(), name="mfa_edit_webauthn"),
    path("your-login/passkeys/<int:pk>/remove/", factors.RemovePasskeyView.as_view(), name="mfa_remove_webauthn"),
    path("invitation/<str:token>/", person_invitation, name="person_invitation"),
    # Django's own page does not know of any of this.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
]
