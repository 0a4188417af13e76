"""Every page there is, in a browser: accessible, no wider than the screen, bright and dark, and nobody else is asked anything."""

from collections import deque
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db import connection, transaction
from playwright.sync_api import Page

from mdm.accounts.models import Role, User
from tests.admin.base import make_rows
from tests.browser.base import BrowserTestCase
from tests.browser.chromium import Watch, watched_page
from tests.browser.looks import Report, look_at
from tests.browser.pages import NOT_OURS, kind_of, lists_of_the_admin, pages_of_the_admin, pages_without_parts
from tests.factories import make_account, make_default_group, make_device, make_enrollment, make_user

# Signing somebody out ends the walk.
ENDS_THE_SESSION = ("/admin/logout/", "/accounts/logout/")


class EveryPageTest(BrowserTestCase):
    def test_pages_with_one_of_everything(self) -> None:
        with transaction.atomic():
            rows = make_rows(self.account)
            # What workers would do with these rows is not looked at, and would ask services that are not there.
            connection.run_on_commit.clear()
        report = self.walk(self.users[Role.OWNER], [*pages_of_the_admin(rows, Role.OWNER), *pages_without_parts()])
        self.assertGreater(len(report.visited), 60, "the walk found hardly any page")
        self.assert_nothing_grave(report)

    def test_lists_without_a_row(self) -> None:
        account = make_account("Nothing yet")
        make_default_group(account)
        newcomer = make_user(account, role=Role.OWNER, email="new@nothing.example")
        self.assert_nothing_grave(self.walk(newcomer, ["/admin/", *lists_of_the_admin()], follows_links=False))

    def test_pages_of_somebody_without_an_account(self) -> None:
        stranger = make_user(None, email="nowhere@example.com")
        self.assert_nothing_grave(self.walk(stranger, ["/admin/"], follows_links=False))

    def test_pages_for_everybody(self) -> None:
        """Signing in, and what somebody sees who enrolls a device."""
        report = Report()
        with watched_page(self.browser, self.live_server_url) as (page, watch):
            self.look_at_all(
                page, watch, [*pages_without_parts(), *self.pages_of_enrolling()], report, follows_links=True
            )
        self.assert_nothing_grave(report)

    # --- helpers ------------------------------------------------------------------------------------------------------
    def pages_of_enrolling(self) -> Iterable[str]:
        device = make_device(self.account, name="Reception iPad", state="awaiting_enrollment")
        for enrollment in (make_enrollment(make_account("Elsewhere")), make_enrollment(self.account, device=device)):
            yield urlsplit(enrollment.url).path + "?" + urlsplit(enrollment.url).query
        yield "/e/?token=unknown"

    def walk(self, user: User, paths: Iterable[str], *, follows_links: bool = True) -> Report:
        report = Report()
        with self.signed_in(user) as (page, watch):
            self.look_at_all(page, watch, paths, report, follows_links=follows_links)
        return report

    def look_at_all(
        self, page: Page, watch: Watch, paths: Iterable[str], report: Report, *, follows_links: bool
    ) -> None:
        """All of these, and each kind of page that links on them lead to once."""
        paths = list(paths)
        waiting = deque((path, False) for path in dict.fromkeys(paths) if self.says_something(page, path))
        seen = {kind_of(path) for path in paths}
        while waiting:
            path, was_linked = waiting.popleft()
            if urlsplit(path).path in ENDS_THE_SESSION:
                continue
            url, name = f"{self.live_server_url}{path}", kind_of(path) or path
            links = look_at(page, watch, url, name, report, was_linked=was_linked)
            for link in self.paths_of_pages(links) if follows_links else ():
                if kind_of(link) not in seen:
                    seen.add(kind_of(link))
                    waiting.append((link, True))

    def says_something(self, page: Page, path: str) -> bool:
        """What is not to be opened but sent is refused without a word, for which a browser has a page of its own."""
        answer = page.request.get(f"{self.live_server_url}{path}", max_redirects=0)
        return answer.status < 400 or bool(answer.body())

    def paths_of_pages(self, links: Iterable[str]) -> Iterable[str]:
        for link in links:
            parts = urlsplit(link)
            ours = link.startswith(f"{self.live_server_url}/") and not parts.path[1:].startswith(NOT_OURS)
            # Of lists with filters and orders, the tabs and the first page are enough.
            if ours and (not parts.query or parts.query.startswith("tab=")):
                yield parts.path + (f"?{parts.query}" if parts.query else "")

    def assert_nothing_grave(self, report: Report) -> None:
        print(report)
        self.assertFalse(report.grave, f"\n{report}")
