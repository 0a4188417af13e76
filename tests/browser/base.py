"""What tests in a browser start from: an account with a person of every role, and pages of theirs that are watched over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from mdm.accounts.models import Role, User
from tests.browser.chromium import Watch, running_browser, watched_page
from tests.factories import PASSWORD, make_account, make_default_group, make_user


@pytest.mark.browser
class BrowserTestCase(StaticLiveServerTestCase):
    """The server is a thread of this process, so that tests see and change its rows."""

    browser: Browser

    @classmethod
    def setUpClass(cls) -> None:
        cls.browser = cls.enterClassContext(running_browser())
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        cache.clear()
        self.account = make_account("Orchard School")
        make_default_group(self.account)
        self.users = {role: make_user(self.account, role=role, email=f"{role}@orchard.example") for role in Role}

    @contextmanager
    def person(self, role: Role = Role.OWNER, **options: Any) -> Iterator[Page]:
        """The page of a person who has signed in as people do. At the end no other host was asked and no script had failed."""
        with watched_page(self.browser, self.live_server_url, **options) as (page, watch):
            page.goto(f"{self.live_server_url}/admin/")
            page.get_by_label("E-mail").fill(f"{role}@orchard.example")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in", exact=True).click()
            expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()
            yield page
        self.assertEqual(watch.taken(), [])

    @contextmanager
    def signed_in(self, user: User, **options: Any) -> Iterator[tuple[Page, Watch]]:
        """The page of somebody whose session is there already: signing in is not what is tested."""
        with watched_page(self.browser, self.live_server_url, **options) as (page, watch):
            page.context.add_cookies([self.session_of(user)])
            yield page, watch

    def session_of(self, user: User) -> dict[str, str]:
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return {"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": self.live_server_url}

    def open(self, page: Page, path: str) -> None:
        page.goto(f"{self.live_server_url}/admin/{path}")
