"""Totals on pages of profiles, apps and groups follow by themselves while something is on its way, and stand still otherwise."""

from django.http import HttpResponse

from apps_catalog.models import App, AppInstall
from devices.models import AssignmentGroup, Device, ItemState, Profile, ProfileInstall
from devices.services.due import mark_due
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_app, make_assignment_group, make_device, make_operation, make_profile
from tests.factories.apps import make_app_install
from tests.factories.due import take_marks
from tests.factories.profiles import make_profile_install

PART = {"HX-Request": "true"}


class WatchingTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.READ_ONLY]
        self.device = make_device(self.account)
        self.profile = make_profile(self.account, "Wi-Fi")
        self.app = make_app(self.account, "Numbers", store=True)
        self.group = make_assignment_group(
            self.account, "Everyone", members=[self.device], apps=[self.app], profiles=[self.profile]
        )

    def items(self) -> list[tuple[type, int]]:
        return [(Profile, self.profile.pk), (App, self.app.pk), (AssignmentGroup, self.group.pk)]

    def part(self, model: type, pk: int) -> HttpResponse:
        """As the page asks for it: where it says, with the mark of what it shows."""
        return self.client.get(self.client.get(self.url(model, "change", pk)).context["watch"].url, headers=PART)

    def arrive(self) -> None:
        take_marks()
        ProfileInstall.objects.all().delete()
        AppInstall.objects.all().delete()
        make_profile_install(self.profile, self.device)
        make_app_install(self.app, self.device)

    def test_nothing_is_sent_while_nothing_has_changed(self) -> None:
        for model, pk in self.items():
            answer = self.part(model, pk)
            self.assertEqual((answer.status_code, answer.content), (204, b""), model)

    def test_a_change_brings_the_part_anew_and_its_end_ends_the_asking(self) -> None:
        for model, pk in self.items():
            self.arrive()
            ProfileInstall.objects.update(state=ItemState.PUSHED)
            AppInstall.objects.update(state=ItemState.PUSHED)
            page = self.client.get(self.url(model, "change", pk))
            self.assertContains(page, 'hx-trigger="every 5s', msg_prefix=str(model))
            url = page.context["watch"].url
            self.arrive()
            part = self.client.get(url, headers=PART)
            self.assertContains(part, "Installed", msg_prefix=str(model))
            self.assertNotContains(part, "<html")
            self.assertNotContains(part, "every 5s")
            self.assertNotContains(self.client.get(self.url(model, "change", pk)), "every 5s")

    def test_it_follows_what_the_totals_do_not_show_yet(self) -> None:
        """A change was made a moment ago, and no worker has compared the devices with it."""
        self.arrive()
        for model, pk in self.items():
            self.assertIsNone(self.client.get(self.url(model, "change", pk)).context["watch"], model)
        mark_due(Device.objects.filter(pk=self.device.pk))
        for model, pk in self.items():
            url = self.client.get(self.url(model, "change", pk)).context["watch"].url
            self.assertEqual(self.client.get(url, headers=PART).status_code, 204, model)
        take_marks()
        for model, pk in self.items():
            part = self.client.get(url if model is AssignmentGroup else self.url(model, "totals", pk), headers=PART)
            self.assertNotContains(part, "every 5s", msg_prefix=str(model))

    def test_devices_of_others_and_operations_that_are_held_back_keep_nobody_asking(self) -> None:
        self.arrive()
        mark_due(Device.objects.filter(pk=make_device(self.other_account).pk))
        make_operation(self.account, left=(self.device,), state="cancelled")
        self.assertIsNone(self.client.get(self.url(App, "change", self.app.pk)).context["watch"])

    def test_opened_by_itself_it_is_a_page(self) -> None:
        for model, pk in self.items():
            url = self.client.get(self.url(model, "change", pk)).context["watch"].url
            self.assertContains(self.client.get(url), "</html>", msg_prefix=str(model))

    def test_what_failed_does_not_keep_a_page_asking(self) -> None:
        self.arrive()
        AppInstall.objects.update(state=ItemState.FAILED)
        self.assertIsNone(self.client.get(self.url(App, "change", self.app.pk)).context["watch"])
