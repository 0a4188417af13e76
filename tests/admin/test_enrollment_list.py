"""The list of enrollment links in a browser: long names, and choosing rows."""

from playwright.sync_api import Page, expect

from mdm.accounts.models import Role
from tests.browser.base import BrowserTestCase
from tests.browser.chromium import DESK, PHONE
from tests.factories import make_device, make_enrollment


class EnrollmentListTest(BrowserTestCase):
    def setUp(self) -> None:
        super().setUp()
        make_enrollment(device=make_device(self.account, name="N" * 255))
        make_enrollment(self.account, name="Hall poster")

    def assert_within(self, page: Page, width: int) -> None:
        """Every cell with something in it ends within the window, and so does the name's text."""
        for cell in page.locator("#result_list tbody :is(td, th)").all():
            box = cell.bounding_box()
            self.assertLessEqual(box["x"] + box["width"], width, cell.get_attribute("class"))
        name = page.get_by_text("N" * 255).first.bounding_box()
        self.assertGreaterEqual(name["x"], 0)
        self.assertLessEqual(name["x"] + name["width"], width)
        self.assertGreater(name["width"], 120)

    def test_a_long_name_leaves_the_other_columns_in_sight(self) -> None:
        with self.person(Role.OPERATOR) as page:
            for size in (DESK, PHONE):
                page.set_viewport_size(size)
                self.open(page, "enrollment/enrollment/")
                self.assert_within(page, size["width"])

    def test_choosing_all_rows_offers_no_more_than_those(self) -> None:
        with self.person(Role.OPERATOR) as page:
            self.open(page, "enrollment/enrollment/")
            page.get_by_role("checkbox", name="Choose all links on this page").check()
            expect(page.get_by_text("2 of 2 selected")).to_be_visible()
            expect(page.get_by_text("Select all")).to_have_count(0)
