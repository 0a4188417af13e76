"""Managed configuration of an app, and what can be done with apps on a device's page."""

from django.utils import timezone

from apps_catalog.models import App, ManagedConfig
from devices.models import Device, InstalledApp
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import make_attribute, make_device, make_installed_app
from tests.factories.apps import make_app, make_app_install, make_managed_config


class ConfigurationTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OPERATOR]
        self.app = make_app(self.account, "Surf Report")
        self.list_url = self.page_url("configuration")
        self.key_url = self.page_url("configuration_key")

    def page_url(self, view: str) -> str:
        return self.url(App, view, self.app.pk)

    def test_a_key_is_added_changed_and_deleted(self) -> None:
        data = {"key": "server", "value_type": "string", "value": "one\r\ntwo "}
        self.assertRedirects(self.client.post(self.key_url, data), self.list_url)
        config = ManagedConfig.objects.get()
        self.assertEqual((config.key, config.value, config.value_type), ("server", "one\ntwo ", "string"))
        url = f"{self.key_url}?key={config.pk}"
        self.assertContains(self.client.get(url), "one\ntwo")
        self.client.post(url, {"key": "another", "value_type": "integer", "value": "3"})
        config = ManagedConfig.objects.get()
        self.assertEqual((config.key, config.value, config.value_type), ("server", "3", "integer"))
        self.client.post(self.page_url("configuration_remove"), {"key": config.pk})
        self.assertFalse(ManagedConfig.objects.exists())
        kinds = ("created", "updated", "removed")
        self.assertEqual([len(self.events(f"managed_config.{kind}")) for kind in kinds], [1, 1, 1])

    def test_a_value_that_is_not_of_its_type_is_refused_and_kept(self) -> None:
        for value_type, value, words in (
            ("boolean", "perhaps", "A boolean is 0 or 1"),
            ("integer", "1.5", "An integer is a whole number"),
            ("date", "tomorrow", "A date is a time with its zone"),
            ("string array", '"a', "A string array is strings in quotes"),
        ):
            data = {"key": "k", "value_type": value_type, "value": value}
            response = self.client.post(self.key_url, data)
            self.assertContains(response, words)
            self.assertEqual(response.context["form"]["value"].value(), value)
        for data in (
            {"key": "", "value_type": "string"},
            {"key": "k" * 256, "value_type": "string"},
            {"key": "k", "value_type": "secret"},
            {"key": "k", "value_type": "string", "value": "x" * 65_537},
            {"key": "k\x00", "value_type": "string"},
        ):
            self.assertTrue(self.client.post(self.key_url, data).context["form"].errors, data)
        self.assertFalse(ManagedConfig.objects.exists())

    def test_the_page_explains_types_and_variables(self) -> None:
        make_attribute(self.account, "asset_tag")
        self.assertContains(self.client.get(self.key_url), "2027-01-31T12:30:00+01:00")
        response = self.client.get(self.list_url)
        for words in ("serial_number", "asset_tag"):
            self.assertContains(response, words)

    def test_a_variable_that_nobody_knows_is_warned_about(self) -> None:
        make_attribute(self.account, "asset_tag")
        make_attribute(self.other_account, "elsewhere")
        value = "{{serial_number}} {{asset_tag}} {{elsewhere}}"
        response = self.client.post(self.key_url, {"key": "k", "value_type": "string", "value": value}, follow=True)
        self.assertContains(response, "Nothing is known by the name {{elsewhere}}")
        self.assertEqual([one.unknown for one in response.context["keys"]], [("elsewhere",)])

    def test_values_and_answers_are_for_those_who_manage_devices(self) -> None:
        config = make_managed_config(self.app, "password", "s3cret-value")
        device = make_device(self.account)
        make_app_install(self.app, device, feedback={"token": "s3cret-answer"}, feedback_at=timezone.now())
        response = self.client.get(self.list_url)
        self.assertContains(response, "s3cret-value")
        self.assertContains(response, "s3cret-answer")
        reader = self.people[Role.READ_ONLY]
        response = reader.get(self.list_url)
        self.assertContains(response, "password")
        self.assertNotContains(response, "s3cret")
        self.assertEqual(reader.get(f"{self.key_url}?key={config.pk}").status_code, 403)
        self.assertEqual(self.outside.get(self.list_url).status_code, 404)
        self.assertNotContains(reader.get(self.page_url("change")), "s3cret")

    def test_a_key_of_another_app_is_not_found(self) -> None:
        other = make_managed_config(make_app(self.account), "other")
        for number in (other.pk, "x", "9" * 30, ""):
            self.assertEqual(self.client.get(f"{self.key_url}?key={number}").status_code, 404)
            self.assertEqual(self.client.post(self.page_url("configuration_remove"), {"key": number}).status_code, 404)
        self.assertEqual(ManagedConfig.objects.count(), 1)

    def test_it_is_pushed_after_a_question_that_names_the_number(self) -> None:
        make_managed_config(self.app)
        make_app_install(self.app, make_device(self.account))
        make_app_install(self.app, make_device(self.account), "failed")
        make_installed_app(make_device(self.account), self.app.bundle_identifier, is_managed=True)
        url = self.page_url("configuration_push")
        self.assertContains(self.client.get(url), "2 enrolled devices that manage this app get its 1 key.")
        response = self.client.post(url, follow=True)
        self.assertContains(response, "The configuration goes to 2 devices.")
        self.app.refresh_from_db()
        self.assertEqual(self.app.configuration, 1)

    def test_a_push_that_cannot_be_says_why(self) -> None:
        app = make_app(self.account, store=True, bundle_identifier="")
        response = self.client.post(self.url(App, "configuration_push", app.pk), follow=True)
        self.assertContains(response, "The bundle identifier of this app is not known yet")


class DeviceAppsTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.ADMIN]
        self.device = make_device(self.account)
        self.managed = make_installed_app(self.device, "com.example.managed", name="Surf", is_managed=True)
        self.own = make_installed_app(self.device, "com.example.own", name="Notes")
        self.tab = f"{self.url(Device, 'change', self.device.pk)}?tab=apps"

    def act(self, view: str, app: InstalledApp, **more: str) -> object:
        return self.client.post(self.url(Device, view, self.device.pk), {"app": app.pk, **more}, follow=True)

    def test_the_tab_offers_what_fits_and_what_the_person_may(self) -> None:
        links = {view: self.url(Device, view, self.device.pk) for view in ("manage_app", "update_app", "uninstall_app")}
        text = self.client.get(self.tab).content.decode()
        self.assertEqual(
            [text.count(f'formaction="{links[view]}"') for view in ("update_app", "uninstall_app")], [1, 1]
        )
        self.assertIn('aria-label="Manage Notes"', text)
        self.assertNotIn('aria-label="Manage Surf"', text)
        text = self.people[Role.OPERATOR].get(self.tab).content.decode()
        self.assertNotIn(links["uninstall_app"] + '" class', text)
        self.assertIn(links["update_app"], text)
        text = self.people[Role.READ_ONLY].get(self.tab).content.decode()
        for url in links.values():
            self.assertNotIn(url, text)

    def test_management_is_requested(self) -> None:
        self.assertContains(self.act("manage_app", self.own), "is asked to let Notes be managed")
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")
        self.assertContains(self.act("manage_app", self.managed), "This app is managed already.")

    def test_a_managed_app_is_updated(self) -> None:
        self.assertContains(self.act("update_app", self.managed), "is sent the newest version of Surf")
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")
        self.assertContains(self.act("update_app", self.own), "Only a managed app can be updated")

    def test_a_managed_app_is_removed_after_a_question(self) -> None:
        self.assertContains(self.act("uninstall_app", self.managed), "deletes the app with its data")
        self.assertFalse(Command.objects.exists())
        self.assertContains(self.act("uninstall_app", self.managed, confirmed="1"), "is told to remove Surf")
        self.assertEqual(Command.objects.get().request_type, "RemoveApplication")
        self.client = self.people[Role.OPERATOR]
        self.assertEqual(self.act("uninstall_app", self.managed, confirmed="1").status_code, 403)

    def test_an_app_of_another_device_is_not_found(self) -> None:
        other = make_installed_app(make_device(self.account), is_managed=True)
        for view in ("manage_app", "update_app", "uninstall_app"):
            self.assertEqual(self.act(view, other, confirmed="1").status_code, 404)
            self.assertEqual(self.client.post(self.url(Device, view, self.device.pk), {"app": "x"}).status_code, 404)
        self.assertFalse(Command.objects.exists())
