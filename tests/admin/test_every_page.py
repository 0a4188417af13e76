"""Every page there is, in a browser: accessible, no wider than the screen, bright and dark, and nobody else is asked anything.

In classes of their own, so that several processes share the pages.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db import connection, transaction

from mdm.accounts.models import Role
from tests.admin.base import make_rows
from tests.browser.chromium import watched_page
from tests.browser.looks import Report
from tests.browser.pages import lists_of_the_admin, pages_of_the_admin, pages_without_parts
from tests.browser.walk import WalkTestCase
from tests.factories import make_account, make_default_group, make_device, make_enrollment, make_user


class PagesTestCase(WalkTestCase):
    """Every second page, and every kind of page that links on them lead to."""

    def look_at_every_second(self, first: int) -> Report:
        with transaction.atomic():
            rows = make_rows(self.account)
            # What workers would do with these rows is not looked at, and would ask services that are not there.
            connection.run_on_commit.clear()
        pages = [*pages_of_the_admin(rows, Role.OWNER), *pages_without_parts()]
        report = self.walk(self.users[Role.OWNER], pages[first::2], known=pages)
        self.assertGreater(len(report.visited), 60, "the walk found hardly any page")
        return report


class EvenPagesTest(PagesTestCase):
    def test_with_one_of_everything(self) -> None:
        self.assert_nothing_grave(self.look_at_every_second(0))


class OddPagesTest(PagesTestCase):
    def test_with_one_of_everything(self) -> None:
        self.assert_nothing_grave(self.look_at_every_second(1))


class EmptyPagesTest(WalkTestCase):
    def test_lists_without_a_row(self) -> None:
        account = make_account("Nothing yet")
        make_default_group(account)
        newcomer = make_user(account, role=Role.OWNER, email="new@nothing.example")
        self.assert_nothing_grave(self.walk(newcomer, ["/admin/", *lists_of_the_admin()], follows_links=False))

    def test_pages_of_somebody_without_an_account(self) -> None:
        stranger = make_user(None, email="nowhere@example.com")
        self.assert_nothing_grave(self.walk(stranger, ["/admin/"], follows_links=False))


class PublicPagesTest(WalkTestCase):
    def test_pages_for_everybody(self) -> None:
        """Signing in, and what somebody sees who enrolls a device."""
        report = Report()
        with watched_page(self.browser, self.live_server_url) as (page, watch):
            self.look_at_all(page, watch, [*pages_without_parts(), *self.pages_of_enrolling()], report)
        self.assert_nothing_grave(report)

    def pages_of_enrolling(self) -> Iterable[str]:
        device = make_device(self.account, name="Reception iPad", state="awaiting_enrollment")
        for enrollment in (make_enrollment(make_account("Elsewhere")), make_enrollment(self.account, device=device)):
            yield urlsplit(enrollment.url).path + "?" + urlsplit(enrollment.url).query
        yield "/e/?token=unknown"
