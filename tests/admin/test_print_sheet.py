"""Enrollment links on paper."""

from datetime import timedelta

from django.utils import timezone

from enrollment.models import Enrollment
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_device, make_enrollment


class PrintSheetTest(AdminTestCase):
    def test_a_poster_has_the_code_the_steps_and_the_link(self) -> None:
        until = timezone.now() + timedelta(days=30)
        enrollment = make_enrollment(self.account, expires_at=until)
        response = self.people[Role.OPERATOR].get(self.url(Enrollment, "sheet", enrollment.pk))
        self.assertContains(response, "<svg", count=1)
        self.assertContains(response, enrollment.url)
        self.assertContains(response, f"Valid until {until:%Y-%m-%d}")
        self.assertContains(response, "Set up your device")

    def test_several_links_are_cards_without_those_that_are_closed(self) -> None:
        devices = [make_device(self.account, name=f"iPad {n}", serial_number=f"SN{n}") for n in range(3)]
        links = [make_enrollment(device=device) for device in devices]
        Enrollment.objects.filter(pk=links[2].pk).update(revoked_at=timezone.now())
        data = {"action": "print_chosen", "_selected_action": [one.pk for one in links]}
        response = self.people[Role.OPERATOR].post(self.url(Enrollment, "changelist"), data)
        self.assertContains(response, "<svg", count=2)
        self.assertContains(response, "SN1")
        self.assertNotContains(response, "SN2")
        self.assertContains(response, "1 closed link is left out.")

    def test_each_box_says_which_link_it_chooses(self) -> None:
        make_enrollment(device=make_device(self.account, name="Reception iPad"))
        make_enrollment(self.account, name="Hall poster")
        page = self.people[Role.OPERATOR].get(self.url(Enrollment, "changelist"))
        for name in ("Reception iPad", "Hall poster"):
            self.assertContains(page, f'aria-label="Choose the link for {name}"')

    def test_all_rows_of_a_page_can_be_chosen_and_never_those_of_other_pages(self) -> None:
        for _ in range(2):
            make_enrollment(self.account)
        client, url = self.people[Role.OPERATOR], self.url(Enrollment, "changelist")
        page = client.get(url)
        self.assertContains(page, 'aria-label="Choose all links on this page"', count=1)
        self.assertContains(page, 'title="Choose all links on this page"', count=1)
        self.assertContains(page, "0 of 2 selected")
        for words in ("object", "9999999999", "across all pages"):
            self.assertNotIn(words, page.content.decode().partition('id="changelist-form"')[2])
        data = {"action": "print_chosen", "select_across": "1", "index": "0"}
        self.assertContains(client.post(url, data, follow=True), "Items must be selected")
        chosen = Enrollment.objects.first()
        response = client.post(url, data | {"_selected_action": [chosen.pk]})
        self.assertContains(response, "<svg", count=1)

    def test_a_closed_link_is_not_printed(self) -> None:
        enrollment = make_enrollment(self.account, revoked_at=timezone.now())
        response = self.people[Role.OPERATOR].get(self.url(Enrollment, "sheet", enrollment.pk), follow=True)
        self.assertContains(response, "there is nothing to print")

    def test_whoever_may_not_enroll_devices_gets_no_codes(self) -> None:
        enrollment = make_enrollment(self.account)
        reader = self.people[Role.READ_ONLY]
        self.assertEqual(reader.get(self.url(Enrollment, "sheet", enrollment.pk)).status_code, 403)
        self.assertNotContains(reader.get(self.url(Enrollment, "changelist")), "print_chosen")
        self.assertEqual(self.outside.get(self.url(Enrollment, "sheet", enrollment.pk)).status_code, 404)
