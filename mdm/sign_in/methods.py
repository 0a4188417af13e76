"""Which ways in there are here, and which one the session in hand came by."""

from dataclasses import dataclass

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest

from mdm.accounts.models import User

PASSWORD, PASSKEY, OIDC = "password", "passkey", "single sign-on"
# The words of the log for what proves a person besides the password, by allauth's name.
SECOND_FACTORS = {"totp": "authenticator app", "webauthn": "passkey", "recovery_codes": "recovery code"}
CONSOLE_BACKEND = "django.core.mail.backends.console.EmailBackend"


@dataclass(frozen=True)
class Way:
    """How somebody has signed in. second_factor: empty where none was asked for."""

    method: str
    second_factor: str = ""


def way_in(request: HttpRequest, user: User) -> Way | None:
    """How this session was signed in; None when it was by none of our pages (an older version, or a test)."""
    first, second = "", ""
    for record in get_authentication_records(request, user):
        if record.get("reauthenticated"):
            continue
        if record["method"] == "socialaccount":
            first = OIDC
        elif record["method"] == "mfa" and record.get("passwordless"):
            first = PASSKEY
        elif record["method"] == "mfa":
            second = SECOND_FACTORS.get(record.get("type", ""), "")
        elif record["method"] == "password":
            first = PASSWORD
    return Way(first, second) if first else None


def may_use_password(user: User) -> bool:
    """Passwords and passkeys are this server's own; with OIDC_ONLY they are kept for superusers, to get in while the
    provider is down."""
    return user.is_active and (user.is_superuser or not settings.OIDC_ONLY)


def has_mail_server() -> bool:
    """Without EMAIL_URL, mail is printed by the server and reaches nobody."""
    return settings.EMAIL_BACKEND != CONSOLE_BACKEND
