"""The page of an app, and what changes an app: versions, names, groups, devices."""

from datetime import UTC, datetime, timedelta
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from apps_catalog.models import App, AppAssignment, AppInstall, AppVersion
from devices.models import Device, ItemState
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import signed_in
from tests.admin.base_apps import AppPagesTestCase
from tests.factories import make_device, make_group
from tests.factories.apps import make_app, make_app_install, make_app_version, make_managed_config
from tests.factories.packages import build_pkg, build_provisioning
from tests.factories.wanted import make_group_with


class AppPageTest(AppPagesTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.app = make_app(self.account, "Surf Report", version="2.2")
        self.app_url = self.url(App, "change", self.app.pk)

    def page(self) -> HttpResponse:
        return self.client.get(self.app_url)

    def test_it_shows_what_is_known_of_the_file(self) -> None:
        version = self.app.versions.get()
        version.minimum_os_version, version.size = "15.0", 1_234_567
        version.details = {"device_families": [1, 2], "warnings": ["Look at this."]}
        version.save()
        for words in ("15.0", "1.2 MB (1,234,567 bytes)", version.sha256, "iPhone, iPad", "Look at this.", "app.ipa"):
            self.assertContains(self.page(), words)

    def test_the_end_of_the_provisioning_profile_is_a_warning_in_time(self) -> None:
        for days, words in ((100, None), (20, "expires in 20 days"), (-2, "expired 2 days ago")):
            App.objects.all().delete()
            until = datetime.now(UTC) + timedelta(days=days)
            self.client.post(self.upload_url, {"file": self.ipa(provisioning=build_provisioning(expires_at=until))})
            response = self.client.get(self.url(App, "change", App.objects.get().pk))
            self.assertContains(response, f"{until:%Y-%m-%d}")
            if words:
                self.assertContains(response, f"Its provisioning profile {words}")
            else:
                self.assertNotContains(response, "Its provisioning profile")

    def test_a_package_says_whether_it_is_signed_and_what_it_brings(self) -> None:
        self.client.post(self.upload_url, {"file": SimpleUploadedFile("tool.pkg", build_pkg())})
        response = self.client.get(self.url(App, "change", App.objects.get(platform_support="macOS").pk))
        self.assertContains(response, "The package is not signed")
        self.assertContains(response, "Mac package (pkg)")

    def test_licences_are_not_made_up(self) -> None:
        self.assertNotContains(self.page(), "Licences")
        store = make_app(self.account, store=True)
        response = self.client.get(self.url(App, "change", store.pk))
        self.assertContains(response, "None of Apps and Books")
        self.assertContains(response, f"https://apps.apple.com/app/id{store.itunes_store_id}")

    def test_versions_say_which_is_newest_and_how_many_devices_were_sent_each(self) -> None:
        old, new = self.app.versions.get(), make_app_version(self.app, short_version="2.3")
        for version in (old, new, new):
            make_app_install(self.app, make_device(self.account, enrolled=True), version=version)
        shown = self.page().context["versions"]
        self.assertEqual(
            [(one.version, one.devices, one.is_newest) for one in shown], [(new, 2, True), (old, 1, False)]
        )

    def test_large_totals_are_written_as_people_read_them(self) -> None:
        with mock.patch("apps_catalog.admin.app_page.totals_of_app", return_value=dict.fromkeys(ItemState, 12_004)):
            self.assertContains(self.page(), "<b>12,004</b>", count=len(ItemState))

    def test_totals_lead_to_the_devices(self) -> None:
        full = make_device(self.account, enrolled=True, name="Full iPad", serial_number="FULL1")
        fresh = make_device(self.account, enrolled=True, name="Fresh iPad")
        elsewhere = make_device(self.other_account, enrolled=True, name="Elsewhere")
        make_group_with(self.account, full, fresh, apps=(self.app,))
        make_app_install(self.app, full, "failed", error="The disk is full.", attempts=3)
        totals = {state: count for state, _, _, count in self.page().context["totals"]}
        self.assertEqual((totals["failed"], totals["pending"], totals["installed"]), (1, 1, 0))
        url = self.url(App, "devices", self.app.pk)
        response = self.client.get(f"{url}?state=failed")
        for words in ("Full iPad", "FULL1", "The disk is full.", f"{self.url(Device, 'change', full.pk)}?tab=assigned"):
            self.assertContains(response, words)
        response = self.client.get(f"{url}?state=pending")
        self.assertContains(response, "Fresh iPad")
        self.assertNotContains(response, "Full iPad")
        for query in ("?state=nonsense", "", "?state=installed&page=99", "?page=x"):
            response = self.client.get(url + query)
            self.assertContains(response, "No enrolled device.")
            self.assertNotContains(response, elsewhere.name)

    def test_the_pages_ask_as_often_for_many_as_for_few(self) -> None:
        group = make_group(self.account)

        def fill(count: int) -> None:
            for _ in range(count):
                device = make_device(self.account, group=group, enrolled=True)
                make_group_with(self.account, device, apps=(self.app,))
                make_app_install(self.app, device, version=make_app_version(self.app))
                make_managed_config(self.app, value="{{nobody}} {{serial_number}}")

        urls = [self.app_url, self.url(App, "devices", self.app.pk), self.url(App, "configuration", self.app.pk)]
        fill(2)
        few = {url: self.statements(url) for url in urls}
        fill(20)
        for url in urls:
            self.assertEqual(self.statements(url), few[url], url)
            self.assertLessEqual(few[url], 20, url)


class ChangeTest(AppPagesTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client.post(self.upload_url, {"file": self.ipa()})
        self.app = App.objects.get()
        self.device = make_device(self.account, enrolled=True, platform="iOS", serial_number="SER1", os_version="17.0")

    def page_url(self, view: str) -> str:
        return self.url(App, view, self.app.pk)

    def test_the_next_version_goes_to_nobody_to_old_ones_or_to_all(self) -> None:
        make_group_with(self.account, self.device, apps=(self.app,), auto_deploy=False)
        url = self.page_url("version")
        for build, (deploy_to, commands) in enumerate((("none", 0), ("outdated", 0), ("all", 1)), start=30):
            self.assertContains(self.client.get(url), "should have it, whatever is there: 1 device")
            response = self.client.post(url, {"file": self.ipa(version=str(build)), "deploy_to": deploy_to})
            self.assertRedirects(response, self.page_url("change"))
            self.assertEqual(Command.objects.count(), commands, deploy_to)
        self.assertEqual(AppVersion.objects.count(), 4)

    def test_those_with_an_older_version_are_counted_and_sent(self) -> None:
        make_app_install(self.app, self.device, version=self.app.versions.get(), is_by_hand=True)
        self.assertContains(self.client.get(self.page_url("version")), "at most 1 device,")
        self.client.post(self.page_url("version"), {"file": self.ipa(version="30"), "deploy_to": "outdated"})
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")

    def test_a_bad_version_changes_nothing(self) -> None:
        url = self.page_url("version")
        for data, field in (
            ({"file": SimpleUploadedFile("a.ipa", b"no"), "deploy_to": "all"}, "file"),
            ({"file": SimpleUploadedFile("a.pkg", build_pkg()), "deploy_to": "all"}, "file"),
            ({"deploy_to": "all"}, "file"),
            ({"file": self.ipa(version="30"), "deploy_to": "everybody"}, "deploy_to"),
        ):
            response = self.client.post(url, data)
            self.assertEqual((response.status_code, list(response.context["form"].errors)), (200, [field]))
        self.assertEqual((AppVersion.objects.count(), Command.objects.count()), (1, 0))
        headers = {"Accept": "application/json"}
        self.assertEqual(self.client.post(url, {"deploy_to": "all"}, headers=headers).status_code, 422)

    def test_a_store_app_has_nothing_to_upload(self) -> None:
        store = make_app(self.account, store=True)
        response = self.client.get(self.url(App, "version", store.pk), follow=True)
        self.assertContains(response, "there is nothing to upload for it")

    def test_the_newest_version_is_sent_again(self) -> None:
        make_group_with(self.account, self.device, apps=(self.app,), auto_deploy=False)
        self.client.post(self.page_url("deploy"), {"deploy_to": "all"})
        self.assertEqual(Command.objects.count(), 1)
        response = self.client.post(self.page_url("deploy"), {"deploy_to": "none"})
        self.assertIn("deploy_to", response.context["form"].errors)

    def test_a_name_is_given_and_given_back(self) -> None:
        self.client.post(self.page_url("edit"), {"name": "Waves"})
        self.app.refresh_from_db()
        self.assertEqual(self.app.name, "Waves")
        self.assertContains(self.client.get(self.page_url("edit")), 'value="Waves"')
        self.client.post(self.page_url("edit"), {"name": ""})
        self.app.refresh_from_db()
        self.assertEqual(self.app.name, "Surf Report")

    def test_it_is_deleted_after_its_name_was_typed_by_somebody_who_may(self) -> None:
        make_app_install(self.app, self.device, is_on_device=True)
        url, typed = self.page_url("remove"), {"confirmation": "Surf Report"}
        self.assertEqual(self.client.post(url, typed).status_code, 403)
        admin = self.people[Role.ADMIN]
        self.assertContains(admin.get(url), "1 device has it from here")
        admin.post(url, {"confirmation": "Surf"})
        self.app.refresh_from_db()
        self.assertIsNone(self.app.removed_at)
        self.assertRedirects(admin.post(url, typed), self.list_url)
        self.assertEqual(admin.get(self.page_url("change")).status_code, 404)
        self.assertEqual(self.events("app.removed")[0].actor_label, f"{Role.ADMIN}@acme.example")

    def test_that_packages_stay_on_macs_is_said(self) -> None:
        package = make_app(self.account, platform_support="macOS")
        response = self.people[Role.OWNER].get(self.url(App, "remove", package.pk))
        self.assertContains(response, "What the package installed stays there")

    def test_one_that_somebody_deleted_meanwhile_is_no_error(self) -> None:
        gone = App.DoesNotExist
        with mock.patch("apps_catalog.admin.apps.update_app", side_effect=gone):
            response = self.client.post(self.page_url("edit"), {"name": "Waves"}, follow=True)
        self.assertContains(response, "Somebody deleted this app meanwhile.")
        with mock.patch("apps_catalog.admin.app_uploads.update_app", side_effect=gone):
            data = {"file": self.ipa(version="30"), "deploy_to": "none"}
            response = self.client.post(self.page_url("version"), data)
        self.assertContains(response, "Somebody deleted this app meanwhile.")

    def test_groups_get_it_and_lose_it(self) -> None:
        group = make_group_with(self.account, self.device, name="Sales")
        foreign = make_group_with(self.other_account, name="Foreign")
        response = self.client.post(self.page_url("assign"), {"group": foreign.pk})
        self.assertIn("group", response.context["form"].errors)
        self.client.post(self.page_url("assign"), {"group": group.pk})
        self.assertEqual(AppAssignment.objects.get().group, group)
        make_app_install(self.app, self.device, is_on_device=True)
        self.assertContains(self.client.get(self.page_url("assign")), "There is no assignment group")
        self.assertContains(self.client.get(self.page_url("change")), "Sales")
        response = self.client.get(f"{self.page_url('unassign')}?group={group.pk}")
        self.assertContains(response, "In “Sales” 1 device has it from here and loses it with its data.")
        self.client.post(self.page_url("unassign"), {"group": group.pk})
        self.assertFalse(AppAssignment.objects.exists())
        self.assertContains(self.client.get(self.page_url("unassign")), "No assignment group has this app.")
        self.assertEqual(len(self.events("assignment_group.unassigned")), 1)

    def test_it_is_installed_on_a_device_that_is_named(self) -> None:
        url = self.page_url("install")
        response = self.client.post(url, {"device": "ser1"})
        self.assertRedirects(response, self.page_url("change"))
        self.assertEqual(AppInstall.objects.get().device, self.device)
        self.assertEqual(Command.objects.get().channel.device, self.device)

    def test_who_cannot_get_it_is_said_at_the_field(self) -> None:
        make_device(self.account, enrolled=True, name="Twin one", platform="iOS")
        make_device(self.account, enrolled=True, name="Twin two", platform="iOS")
        make_device(self.account, enrolled=True, name="A Mac", platform="macOS")
        make_device(self.account, enrolled=True, name="Old", platform="iOS", os_version="12.0")
        make_device(self.account, enrolled=True, name="Riddle", platform="")
        make_device(self.account, name="Away", enrolled=False)
        make_device(self.other_account, enrolled=True, name="Foreign", platform="iOS")
        for given, words in (
            ("", "This field is required."),
            ("nobody", "No device matches."),
            ("Foreign", "No device matches."),
            ("twin", "Several devices match: Twin one"),
            ("A Mac", "This app is for iPhone and iPad"),
            ("Old", "needs iOS 15.0; this device has 12.0"),
            ("Riddle", "What kind of device this is, is not known yet."),
            ("Away", "Away is not enrolled."),
        ):
            response = self.client.post(self.page_url("install"), {"device": given})
            self.assertContains(response, words)
            self.assertEqual(list(response.context["form"].errors), ["device"], given)
        self.assertFalse(Command.objects.exists())

    def test_pages_of_another_account_are_not_found(self) -> None:
        self.assertEqual(self.outside.get(self.page_url("devices") + "?state=failed").status_code, 404)
        stranger = signed_in(self.outsider)
        self.assertEqual(stranger.post(self.page_url("install"), {"device": "SER1"}).status_code, 404)
