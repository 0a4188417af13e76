"""Passkeys, as a real browser makes and shows them; its authenticator is a virtual one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from mdm.accounts.models import Role
from mdm.events.models import Event
from mdm.sign_in.second_factor import has_second_factor
from tests.browser.base import BrowserTestCase
from tests.browser.chromium import watched_page
from tests.factories import PASSWORD


@pytest.mark.browser
class PasskeyTest(BrowserTestCase):
    """The address is http://localhost, where browsers allow passkeys without HTTPS."""

    @contextmanager
    def visitor(self) -> Iterator[Page]:
        with watched_page(self.browser, self.live_server_url) as (page, watch):
            devtools = page.context.new_cdp_session(page)
            devtools.send("WebAuthn.enable")
            options = {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
            self.authenticator = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})[
                "authenticatorId"
            ]
            self.devtools = devtools
            yield page
        self.assertEqual(watch.taken(), [])

    def go(self, page: Page, path: str) -> None:
        page.goto(f"{self.live_server_url}{path}")

    def by_password(self, page: Page) -> None:
        self.go(page, "/admin/login/?next=/your-login/")
        page.get_by_label("E-mail").fill(self.users[Role.OPERATOR].email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

    def add(self, page: Page, name: str) -> None:
        """Signed in just now, so that nothing is asked first."""
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Add a passkey").click()

    def sign_out(self, page: Page) -> None:
        page.context.clear_cookies(name="sessionid")
        self.go(page, "/your-login/")
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    def test_one_is_added_and_lets_in_alone_and_after_the_password(self) -> None:
        with self.visitor() as page:
            self.by_password(page)
            self.add(page, "This laptop")
            expect(page.get_by_role("heading", name="Recovery codes", level=1)).to_be_visible()
            expect(page.locator(".pm-codes li")).to_have_count(10)
            page.get_by_role("link", name="I have them").click()
            expect(page.get_by_role("rowheader", name="This laptop")).to_be_visible()
            self.assertTrue(has_second_factor(self.users[Role.OPERATOR]))

            self.sign_out(page)
            page.get_by_role("button", name="Sign in with a passkey").click()
            expect(page.get_by_role("heading", name="Your login", level=1)).to_be_visible()

            self.sign_out(page)
            self.by_password(page)
            expect(page.get_by_role("heading", name="One more step")).to_be_visible()
            page.get_by_role("button", name="Use a passkey").click()
            expect(page.get_by_role("heading", name="Your login", level=1)).to_be_visible()
        self.assert_logged([("password", None), ("passkey", None), ("password", "passkey")])

    def test_one_can_be_renamed_and_removed_and_lets_in_no_more(self) -> None:
        with self.visitor() as page:
            self.by_password(page)
            self.add(page, "Old")
            expect(page.get_by_role("heading", name="Recovery codes", level=1)).to_be_visible()
            self.go(page, "/your-login/")
            page.get_by_role("link", name="Rename Old").click()
            page.get_by_label("Name").fill("Security key")
            page.get_by_role("button", name="Save the name").click()
            page.get_by_role("link", name="Remove Security key").click()
            expect(page.get_by_text("Nothing but your password is asked for then")).to_be_visible()
            page.get_by_role("button", name="Remove the passkey").click()
            expect(page.get_by_text("The passkey no longer lets you in")).to_be_visible()
            self.assertFalse(has_second_factor(self.users[Role.OPERATOR]))

            self.sign_out(page)
            page.get_by_role("button", name="Sign in with a passkey").click()
            expect(page.get_by_role("alert")).to_contain_text("This passkey is not known here")

    def test_a_person_who_does_not_prove_themselves_to_the_device_is_told(self) -> None:
        with self.visitor() as page:
            self.by_password(page)
            self.add(page, "Mine")
            expect(page.get_by_role("heading", name="Recovery codes", level=1)).to_be_visible()
            self.sign_out(page)
            self.devtools.send(
                "WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": False}
            )
            page.get_by_role("button", name="Sign in with a passkey").click()
            expect(page.get_by_role("alert")).to_contain_text("Nothing was done")

    def assert_logged(self, expected: list[tuple[str, str | None]]) -> None:
        events = Event.objects.filter(event_type="user.signed_in").order_by("pk")
        found = [(event.metadata["method"], event.metadata.get("second_factor")) for event in events]
        self.assertEqual(found, expected)
