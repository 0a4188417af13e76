"""The first steps of an account: shown until all are done, ticked off by what is there."""

from datetime import timedelta

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Membership, Role
from mdm.admin_home.checklist import Checklist
from tests.admin.base import AdminTestCase
from tests.factories import make_app, make_device, make_profile
from tests.mdm.push.certificates import make_push_certificate


class ChecklistTest(AdminTestCase):
    def home(self, role: Role = Role.OWNER) -> HttpResponse:
        return self.people[role].get(reverse("admin:index"))

    def steps(self, role: Role = Role.OWNER) -> Checklist | None:
        return self.home(role).context["checklist"]

    def done(self) -> list[str]:
        return [step.key for step in self.steps().steps if step.is_done]

    def test_an_empty_account_is_led_through_four_steps(self) -> None:
        response = self.home()
        for words in (
            "Get the push certificate",
            "Enroll the first device",
            "Upload the first profile",
            "Add the first app",
        ):
            self.assertContains(response, words)
        self.assertContains(response, "0 of 4 done")
        self.assertNotContains(response, "Enrolled in the last 30 days")

    def test_each_step_leads_to_a_page_that_its_reader_may_open(self) -> None:
        for role, client in self.people.items():
            for step in self.steps(role).steps:
                if step.is_allowed:
                    self.assertEqual(client.get(step.url).status_code, 200, f"{role} {step.url}")

    def test_it_ticks_itself_off(self) -> None:
        self.assertEqual(self.done(), [])
        make_push_certificate(self.account)
        self.assertEqual(self.done(), ["push"])
        make_device(self.account)
        self.assertEqual(self.done(), ["push", "device"])
        make_profile(self.account)
        self.assertEqual(self.done(), ["push", "device", "profile"])
        self.assertContains(self.home(), "3 of 4 done")
        make_app(self.account)
        self.assertIsNone(self.steps())
        self.assertNotContains(self.home(), "First steps")

    def test_the_next_step_is_the_first_that_is_not_done(self) -> None:
        make_device(self.account)
        self.assertEqual(self.steps().next_step.key, "push")
        make_push_certificate(self.account)
        self.assertEqual(self.steps().next_step.key, "profile")

    def test_a_device_that_was_only_added_is_not_enrolled(self) -> None:
        make_device(self.account, enrolled=False)
        self.assertEqual(self.done(), [])

    def test_a_push_certificate_that_has_expired_does_not_count(self) -> None:
        make_push_certificate(self.account, not_after=timezone.now() - timedelta(days=1))
        self.assertEqual(self.done(), [])

    def test_what_is_deleted_is_asked_for_again(self) -> None:
        make_profile(self.account, removed_at=timezone.now())
        make_app(self.account, removed_at=timezone.now())
        self.assertEqual(self.done(), [])

    def test_what_others_have_does_not_count(self) -> None:
        make_device(self.other_account)
        make_profile(self.other_account)
        make_app(self.other_account)
        make_push_certificate(self.other_account)
        self.assertEqual(self.done(), [])

    def test_it_stays_small_once_there_are_devices(self) -> None:
        make_device(self.account)
        response = self.home()
        self.assertContains(response, "First steps")
        self.assertContains(response, "Enrolled in the last 30 days")

    def test_the_missing_push_certificate_is_not_said_twice_to_a_new_account(self) -> None:
        self.assertNotIn("No push certificate", [alert.title for alert in self.home().context["alerts"]])

    def test_who_may_not_do_a_step_is_told_who_may(self) -> None:
        response = self.home(Role.READ_ONLY)
        self.assertNotContains(response, "Set it up")
        self.assertNotContains(response, ">Add device<")
        self.assertContains(response, "An admin or owner does this.")
        self.assertContains(response, "An operator, admin or owner does this.")
        owner = Membership.objects.filter(account=self.account, role=Role.OWNER).order_by("user__email").first().user
        self.assertContains(response, str(owner))

    def test_an_operator_has_buttons_for_what_operators_do(self) -> None:
        allowed = {step.key: step.is_allowed for step in self.steps(Role.OPERATOR).steps}
        self.assertEqual(allowed, {"push": False, "device": True, "profile": True, "app": True})
        self.assertContains(self.home(Role.OPERATOR), "Add device")
