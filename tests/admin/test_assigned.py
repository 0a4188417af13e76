"""What a device should have, on its page: why, how far it has come, and what can be done about it."""

from datetime import timedelta

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, DeviceGroup, ItemState, Profile, ProfileInstall
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_app,
    make_app_install,
    make_assignment_group,
    make_device,
    make_group,
    make_installed_app,
    make_profile,
    make_profile_assignment,
)
from tests.factories.due import is_marked


def make_profile_install(profile: Profile, device: Device, state: str, **fields: object) -> ProfileInstall:
    values = {"version": 1, "state": state}
    return ProfileInstall.objects.create(account=profile.account, profile=profile, device=device, **(values | fields))


class AssignedTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.sales = make_group(self.account, "Sales")
        self.device = make_device(group=self.sales, name="Reception iPad")

    def tab(self, role: Role = Role.READ_ONLY, device: Device | None = None) -> HttpResponse:
        return self.people[role].get(self.page(device or self.device))

    def page(self, device: Device) -> str:
        return self.url(Device, "change", device.pk) + "?tab=assigned"


class AssignedTabTest(AssignedTestCase):
    def test_nothing_assigned_is_said_with_what_to_do(self) -> None:
        response = self.tab()
        self.assertContains(response, "Nothing is assigned to this device")
        self.assertContains(response, "device group Sales")
        self.assertContains(response, "Show the assignment groups")

    def test_the_tabs_of_profiles_and_apps_are_there_for_every_device(self) -> None:
        awaiting = make_device(self.account, enrolled=False)
        for device in (self.device, awaiting):
            page = self.people[Role.READ_ONLY].get(self.url(Device, "change", device.pk))
            for tab in ("profiles", "apps"):
                self.assertContains(page, f"?tab={tab}")
        make_profile_assignment(make_profile(self.account), awaiting)
        self.assertContains(self.tab(device=awaiting), "The device is not enrolled.")

    def test_each_source_is_named_in_words_with_a_link(self) -> None:
        profile = make_profile(self.account, "Wi-Fi", user_scope=False)
        app = make_app(self.account, "Numbers", store=True)
        everyone = make_assignment_group(self.account, "Everyone", members=[self.sales], apps=[app])
        for owner in (self.device, self.sales):
            make_profile_assignment(profile, owner)
        response = self.tab()
        self.assertContains(response, "<p>this device</p>", html=True)
        group_url = self.url(DeviceGroup, "change", self.sales.pk)
        self.assertContains(response, f'<p>device group <a class="pm-link" href="{group_url}">Sales</a></p>', html=True)
        url = self.url(type(everyone), "change", everyone.pk)
        through = f'<p>assignment group <a class="pm-link" href="{url}">Everyone</a>, through device group Sales</p>'
        self.assertContains(response, through, html=True)
        self.assertContains(response, self.url(Profile, "change", profile.pk))
        self.assertContains(response, self.url(type(app), "change", app.pk))

    def test_profiles_and_apps_have_a_tab_each_that_says_the_same(self) -> None:
        profile = make_profile(self.account, "Wi-Fi", user_scope=False)
        make_profile_assignment(profile, self.sales)
        app = make_app(self.account, "Numbers", store=True)
        make_assignment_group(self.account, "Everyone", members=[self.device], apps=[app])
        page = self.url(Device, "change", self.device.pk)
        profiles, apps = (self.people[Role.READ_ONLY].get(f"{page}?tab={tab}") for tab in ("profiles", "apps"))
        self.assertContains(profiles, "device group <a")
        self.assertContains(profiles, "Wi-Fi")
        self.assertNotContains(profiles, "Numbers")
        self.assertContains(apps, "Numbers")
        self.assertContains(apps, "Everyone")
        self.assertNotContains(apps, "Wi-Fi")

    def test_states_versions_and_the_devices_own_error_are_shown(self) -> None:
        refused = make_profile(self.account, "VPN", user_scope=False, version=3)
        make_profile_assignment(refused, self.device)
        make_profile_install(
            refused,
            self.device,
            ItemState.FAILED,
            version=3,
            installed_version=2,
            error="The profile “VPN” is <invalid>.",
            attempts=2,
            retry_at=timezone.now() + timedelta(minutes=29, seconds=30),
        )
        app = make_app(self.account, "Numbers", store=True)
        make_assignment_group(self.account, members=[self.device], apps=[app])
        make_app_install(app, self.device)
        make_installed_app(self.device, app.bundle_identifier, short_version="14.2")
        response = self.tab()
        self.assertContains(response, '<span class="pm-badge pm-bad">Failed</span>')
        self.assertContains(response, '<span class="pm-badge pm-good">Installed</span>')
        self.assertContains(response, "The profile “VPN” is &lt;invalid&gt;.")
        self.assertContains(response, "Failed 2 times, is tried again")
        self.assertContains(response, "in 30 minutes")
        for label, version in (("Sent:", "3"), ("On the device:", "2"), ("On the device:", "14.2")):
            self.assertContains(response, f'<td data-label="{label}">{version}</td>', count=1)

    def test_what_gave_up_was_stopped_or_is_to_go_says_so(self) -> None:
        tired, stopped, going = (make_profile(self.account, user_scope=False) for _ in range(3))
        for profile in (tired, stopped):
            make_profile_assignment(profile, self.device)
        make_profile_install(tired, self.device, ItemState.FAILED, attempts=10)
        make_profile_install(stopped, self.device, ItemState.FAILED, is_stopped=True)
        make_profile_install(going, self.device, ItemState.REMOVING)
        response = self.tab()
        self.assertContains(response, "Failed 10 times, is not tried again by itself.")
        self.assertContains(response, '<span class="pm-badge pm-warn">Stopped</span>')
        self.assertContains(response, "Nothing assigns it any more.")
        self.assertContains(response, '<span class="pm-badge pm-warn">Removing</span>')

    def test_what_is_being_sent_again_has_not_given_up(self) -> None:
        profile = make_profile(self.account, user_scope=False)
        make_profile_assignment(profile, self.device)
        make_profile_install(profile, self.device, ItemState.PUSHED, attempts=2)
        response = self.tab()
        self.assertContains(response, "Failed 2 times.")
        self.assertNotContains(response, "not tried again by itself")

    def test_an_app_for_other_devices_says_why_it_does_not_come(self) -> None:
        app = make_app(self.account, platform_support="macOS")
        make_assignment_group(self.account, members=[self.device], apps=[app])
        self.assertContains(self.tab(), "Not applicable")

    def test_names_are_escaped(self) -> None:
        name = "<script>alert(1)</script>"
        make_assignment_group(
            self.account, name, members=[self.sales], apps=[make_app(self.account, name)], profiles=[]
        )
        make_profile_assignment(make_profile(self.account, name), self.device)
        DeviceGroup.objects.filter(pk=self.sales.pk).update(name=name)
        response = self.tab(Role.OWNER)
        self.assertNotContains(response, name)
        self.assertContains(response, "&lt;script&gt;alert(1)&lt;/script&gt;")

    def test_the_page_looks_again_while_something_is_about_to_be_sent(self) -> None:
        self.assertNotContains(self.tab(), "data-live")
        profile = make_profile(self.account, user_scope=False)
        make_profile_assignment(profile, self.device)
        self.assertContains(self.tab(), "data-live", count=1)
        make_profile_install(profile, self.device, ItemState.INSTALLED)
        self.assertNotContains(self.tab(), "data-live")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        def fill(count: int) -> None:
            for _ in range(count):
                group = make_assignment_group(self.account, members=[make_group(self.account), self.sales])
                for state in (ItemState.FAILED, ItemState.INSTALLED):
                    profile = make_profile(self.account)
                    make_profile_assignment(profile, group)
                    make_profile_install(profile, self.device, state)
                    make_profile_assignment(make_profile(self.account), self.device)
                    app = make_app(self.account)
                    make_assignment_group(self.account, members=[self.device], apps=[app, make_app(self.account)])
                    make_app_install(app, self.device, state, version=app.versions.get())

        fill(1)
        few = self.statements()
        fill(15)
        self.assertEqual(self.statements(), few)
        self.assertLessEqual(few, 24)

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.tab(Role.OWNER).status_code, 200)
        return len(captured)


class RetryAndStopTest(AssignedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.profile = make_profile(self.account, "Wi-Fi", user_scope=False)
        make_profile_assignment(self.profile, self.device)
        self.install = make_profile_install(
            self.profile, self.device, ItemState.FAILED, attempts=10, error="Not acceptable."
        )
        self.retry_url = self.url(Device, "retry_item", self.device.pk)
        self.stop_url = self.url(Device, "stop_item", self.device.pk)
        self.data = {"kind": "profile", "id": self.profile.pk}

    def test_an_operator_retries_what_failed(self) -> None:
        response = self.people[Role.OPERATOR].post(self.retry_url, self.data, follow=True)
        self.assertContains(response, "Wi-Fi is sent to the device again.")
        self.install.refresh_from_db()
        self.assertEqual(self.install.attempts, 0)
        self.assertTrue(is_marked(self.device))
        event = self.events("profile.retried")[0]
        self.assertEqual((event.actor_label, event.device), ("operator@acme.example", self.device))
        self.assertContains(response, "Is tried again now.")

    def test_an_operator_stops_it_and_lets_it_go_on(self) -> None:
        client = self.people[Role.OPERATOR]
        response = client.post(self.stop_url, self.data, follow=True)
        self.assertContains(response, "is not sent to this device any more")
        self.install.refresh_from_db()
        self.assertTrue(self.install.is_stopped)
        self.assertEqual(len(self.events("profile.stopped")), 1)
        client.post(self.retry_url, self.data)
        self.install.refresh_from_db()
        self.assertFalse(self.install.is_stopped)

    def test_an_app_is_retried_as_well(self) -> None:
        app = make_app(self.account, store=True)
        make_assignment_group(self.account, members=[self.device], apps=[app])
        make_app_install(app, self.device, ItemState.FAILED, attempts=1)
        self.people[Role.OPERATOR].post(self.retry_url, {"kind": "app", "id": app.pk})
        self.assertEqual(len(self.events("app.retried")), 1)

    def test_what_cannot_be_retried_or_stopped_is_said(self) -> None:
        ProfileInstall.objects.update(state=ItemState.INSTALLED, attempts=0)
        client = self.people[Role.OPERATOR]
        for url, words in ((self.retry_url, "nothing to retry"), (self.stop_url, "Nothing is under way")):
            self.assertContains(client.post(url, self.data, follow=True), words)
        self.assertEqual(self.events("profile.retried") + self.events("profile.stopped"), [])

    def test_buttons_are_for_those_who_manage_devices(self) -> None:
        self.assertContains(self.tab(Role.OPERATOR), "Retry now")
        self.assertNotContains(self.tab(Role.READ_ONLY), "Retry now")
        for url in (self.retry_url, self.stop_url):
            self.assertEqual(self.people[Role.READ_ONLY].post(url, self.data).status_code, 403)
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 405)
            self.assertEqual(self.outside.post(url, self.data).status_code, 404)
        self.install.refresh_from_db()
        self.assertEqual((self.install.attempts, self.install.is_stopped), (10, False))

    def test_whatever_the_device_has_nothing_to_do_with_is_not_found(self) -> None:
        theirs, unassigned = make_profile(self.other_account), make_profile(self.account)
        bad = [
            {"kind": "profile", "id": theirs.pk},
            {"kind": "profile", "id": unassigned.pk},
            {"kind": "app", "id": self.profile.pk},
            {"kind": "window", "id": self.profile.pk},
            {"kind": "profile", "id": "9" * 40},
            {"kind": "profile", "id": "x\x00"},
            {},
        ]
        for data in bad:
            for url in (self.retry_url, self.stop_url):
                self.assertEqual(self.people[Role.OWNER].post(url, data).status_code, 404, data)
