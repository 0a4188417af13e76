"""What the tests of sign-in start from: people of every role, and the means to prove who they are."""

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from mdm.accounts.models import Role, User
from tests.admin.base import AdminTestCase
from tests.factories import PASSWORD

LOGIN = "/admin/login/"
HOME = "/admin/"
# Of all lists, the lightest.
LIST = "/admin/mdm_accounts/membership/"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def totp_code(secret: str = SECRET, *, periods_later: int = 0) -> str:
    """What an app shows now; each code is good once."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + periods_later))


def wrong_code() -> str:
    near = {totp_code(periods_later=later) for later in range(-3, 4)}
    return next(code for number in range(8) if (code := f"{number:06}") not in near)


def give_app(user: User) -> Authenticator:
    """An authenticator app, as it is after setting it up, with its recovery codes."""
    row = TOTP.activate(user, SECRET).instance
    RecoveryCodes.activate(user)
    return row


def recovery_codes(user: User) -> list[str]:
    return Authenticator.objects.get(user=user, type="recovery_codes").wrap().get_unused_codes()


class SignInTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        cache.clear()  # knows which codes were used
        self.user = self.users[Role.OPERATOR]
        self.browser = Client()

    def sign_in(
        self,
        password: str = PASSWORD,
        *,
        email: str = "",
        ip: str = "10.0.0.1",
        browser: Client | None = None,
        **more: str,
    ) -> HttpResponse:
        data = {"login": email or self.user.email, "password": password, **more}
        return (browser or self.browser).post(LOGIN, data, REMOTE_ADDR=ip)

    def assert_inside(self, browser: Client | None = None) -> None:
        self.assertEqual((browser or self.browser).get(LIST).status_code, 200)

    def assert_outside(self, browser: Client | None = None) -> None:
        response = (browser or self.browser).get(LIST)
        self.assertTrue(response.status_code == 302 and response["Location"].startswith(LOGIN), response)

    def confirm(self, browser: Client) -> None:
        """Signed in long ago: prove it anew."""
        response = browser.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        self.assertEqual(response.status_code, 302)
