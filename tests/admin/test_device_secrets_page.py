"""Secrets of a device on its page: shown one at a time, by a post, to whom may destroy, each with a line in the log."""

from django.test.utils import override_settings
from django.urls import reverse
from django.utils import timezone

from devices.models import AttributeValue, Device
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_command,
    make_device,
    make_group,
)
from tests.factories.secrets import make_secrets

HTMX = {"HX-Request": "true"}
KEY = "ABCD-EFGH-IJKL"
BYPASS = b"<plist><dict><key>ActivationLockBypassCode</key><string>YYYYY-CCCC</string></dict></plist>"


class SecretsCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = make_device(self.account, platform="macOS", name="Lab Mac")
        make_secrets(self.mac, filevault_recovery_key=KEY, recovery_lock_password="lock-word")
        self.page = self.url(Device, "change", self.mac.pk) + "?tab=security"

    def show(self, secret: str, role: Role = Role.ADMIN, **options: object) -> object:
        url = reverse("admin:devices_device_reveal", args=[self.mac.pk, secret])
        return self.people[role].post(url, **options)


class ShowTest(SecretsCase):
    def test_the_tab_names_what_is_kept_and_shows_none_of_it(self) -> None:
        response = self.people[Role.OWNER].get(self.page)
        self.assertContains(response, "FileVault recovery key")
        self.assertContains(response, "Each look is noted in the log")
        self.assertNotContains(response, KEY)
        self.assertNotContains(response, "lock-word")
        self.assertFalse(self.events("secret.viewed"))

    def test_one_is_shown_on_a_page_of_its_own_and_noted(self) -> None:
        response = self.show("filevault_recovery_key")
        self.assertContains(response, KEY)
        self.assertContains(response, f'data-copy="{KEY}"')
        self.assertNotContains(response, "lock-word")
        self.assertIn("no-store", response["Cache-Control"])
        event = self.events("secret.viewed")[0]
        self.assertEqual((event.device, event.actor_label), (self.mac, "admin@acme.example"))
        self.assertEqual(event.metadata["secrets"], {"filevault_recovery_key": str(self.mac.pk)})
        self.assertNotIn(KEY, str(event.metadata))

    def test_by_htmx_it_is_a_piece_of_the_page(self) -> None:
        response = self.show("recovery_lock_password", headers=HTMX)
        self.assertContains(response, "lock-word")
        self.assertContains(response, "data-hide")
        self.assertNotContains(response, "<html")
        self.assertIn("no-store", response["Cache-Control"])
        self.assertEqual(len(self.events("secret.viewed")), 1)

    def test_a_get_shows_nothing(self) -> None:
        url = reverse("admin:devices_device_reveal", args=[self.mac.pk, "filevault_recovery_key"])
        self.assertEqual(self.people[Role.OWNER].get(url).status_code, 405)
        self.assertFalse(self.events("secret.viewed"))

    def test_operators_and_readers_are_neither_offered_nor_shown_any(self) -> None:
        for role in (Role.OPERATOR, Role.READ_ONLY):
            self.assertEqual(self.show("filevault_recovery_key", role).status_code, 403)
            self.assertNotContains(self.people[role].get(self.page), "secrets/")
        url = reverse("admin:devices_device_reveal", args=[self.mac.pk, "filevault_recovery_key"])
        self.assertEqual(self.outside.post(url).status_code, 404)
        self.assertFalse(self.events("secret.viewed"))

    def test_what_is_not_kept_is_said_and_not_noted(self) -> None:
        self.assertContains(self.show("firmware_password", follow=True), "keeps no such secret")
        self.assertContains(self.show("firmware_password", headers=HTMX), "keeps no such secret")
        self.assertEqual(self.show("no_such_secret").status_code, 404)
        self.assertFalse(self.events("secret.viewed"))

    def test_the_pin_of_the_last_lock_is_kept(self) -> None:
        make_command(self.mac, "DeviceLock", state="acknowledged", secrets={"/PIN": "111111"})
        make_command(self.mac, "DeviceLock", state="acknowledged", secrets={"/PIN": "222222"})
        make_command(self.mac, "DeviceLock", state="failed", secrets={"/PIN": "333333"})
        self.assertContains(self.show("unlock_pin"), "222222")

    def test_the_bypass_code_is_read_from_its_answer(self) -> None:
        make_command(
            self.mac, "ActivationLockBypassCode", state="acknowledged", finished_at=timezone.now(), result=BYPASS
        )
        self.assertContains(self.show("activation_lock_bypass_code"), "YYYYY-CCCC")
        Command.objects.update(result=None)
        self.assertContains(self.show("activation_lock_bypass_code", follow=True), "keeps no such secret")

    def test_one_whose_key_is_lost_breaks_nothing(self) -> None:
        with override_settings(FIELD_ENCRYPTION_KEYS=["other:" + "A" * 43]):
            self.assertContains(self.show("filevault_recovery_key", headers=HTMX), "cannot be read any more")
        self.assertFalse(self.events("secret.viewed"))


class RotateTest(SecretsCase):
    def rotate(self, secret: str, role: Role = Role.ADMIN) -> object:
        url = reverse("admin:devices_device_rotate", args=[self.mac.pk, secret])
        return self.people[role].post(url, follow=True)

    def test_a_mac_is_told_to_take_another_one(self) -> None:
        self.assertContains(
            self.rotate("recovery_lock_password"), "is told to take another one: Recovery lock password"
        )
        self.assertEqual(Command.objects.get().request_type, "SetRecoveryLock")
        self.assertContains(self.people[Role.OWNER].get(self.page), "A new one is on its way")
        self.assertContains(self.rotate("recovery_lock_password"), "under way already")
        self.assertContains(self.show("recovery_lock_password"), "lock-word")  # the present one counts until the answer

    def test_what_the_device_makes_itself_is_not_changed(self) -> None:
        self.assertContains(self.rotate("unlock_pin"), "cannot be changed from here")
        self.assertEqual(self.rotate("recovery_lock_password", Role.OPERATOR).status_code, 403)
        self.assertFalse(Command.objects.exists())


class AttributesTest(SecretsCase):
    def setUp(self) -> None:
        super().setUp()
        self.tab = self.url(Device, "change", self.mac.pk) + "?tab=attributes"

    def test_each_value_says_where_it_comes_from_and_what_it_overrides(self) -> None:
        room = make_attribute(self.account, "room", default="none yet")
        tag = make_attribute(self.account, "asset_tag", default="T-0")
        make_attribute(self.account, "unset")
        make_attribute_value(self.mac.group, room, "Library")
        make_attribute_value(self.mac, tag, "T-17")
        response = self.people[Role.READ_ONLY].get(self.tab)
        lines = {line.attribute.name: line for line, _ in response.context["attributes"]}
        self.assertEqual((lines["room"].counts.value, lines["room"].counts.place), ("Library", "device_group"))
        self.assertEqual([reason.value for reason in lines["room"].overridden], ["none yet"])
        self.assertTrue(lines["asset_tag"].is_own)
        self.assertIsNone(lines["unset"].counts)
        self.assertContains(response, "overridden: T-0")

    def test_the_device_gets_a_value_of_its_own_and_loses_it_again(self) -> None:
        room = make_attribute(self.account, "room", default="none yet")
        url = self.url(Device, "own_value", self.mac.pk)
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(f"{url}?attribute={room.pk}"), "Value for this device")
        response = client.post(url, {"attribute": room.pk, "value": "Library"}, follow=True)
        self.assertContains(response, "Lab Mac has a value of its own for room.".replace("'", "&#x27;"))
        self.assertEqual(AttributeValue.objects.get().value, "Library")
        self.assertEqual(self.events("custom_attribute.value_set")[0].actor_label, "operator@acme.example")
        client.post(url, {"attribute": room.pk, "value": ""})
        self.assertFalse(AttributeValue.objects.exists())

    def test_another_accounts_attribute_is_no_choice(self) -> None:
        make_attribute(self.account, "room")
        theirs = make_attribute(self.other_account, "secret_project", secret=True, default="x")
        response = self.people[Role.OWNER].post(
            self.url(Device, "own_value", self.mac.pk), {"attribute": theirs.pk, "value": "x"}
        )
        self.assertTrue(response.context["form"].errors)
        self.assertEqual(self.show(f"attribute-{theirs.pk}").status_code, 404)
        for nonsense in ("attribute-", "attribute-x", "attribute-999999999999999999999"):
            self.assertEqual(self.show(nonsense).status_code, 404, nonsense)

    def test_an_account_without_attributes_is_told_what_they_are(self) -> None:
        response = self.people[Role.OPERATOR].get(self.url(Device, "own_value", self.mac.pk))
        self.assertContains(response, "The account has no custom attributes")

    def test_a_secret_value_is_hidden_until_somebody_asks(self) -> None:
        wifi = make_attribute(self.account, "wifi_password", secret=True, default="account-word")
        make_attribute_value(make_group(self.account), wifi, "of another group")
        make_attribute_value(self.mac, wifi, "of the mac")
        for url in (self.tab, self.url(Device, "own_value", self.mac.pk) + f"?attribute={wifi.pk}"):
            response = self.people[Role.OWNER].get(url)
            self.assertNotContains(response, "of the mac")
            self.assertNotContains(response, "account-word")
        self.assertContains(self.show(f"attribute-{wifi.pk}", headers=HTMX), "of the mac")
        self.assertEqual(
            self.events("secret.viewed")[0].metadata["secrets"], {"custom attribute wifi_password": str(self.mac.pk)}
        )
        self.assertEqual(self.show(f"attribute-{wifi.pk}", Role.OPERATOR).status_code, 403)
        room = make_attribute(self.account, "room", default="open")
        self.assertEqual(self.show(f"attribute-{room.pk}").status_code, 404)


class AnswersTest(SecretsCase):
    def file(self, query: str = "", role: Role = Role.READ_ONLY) -> object:
        return self.people[role].get(self.url(Device, "answers", self.mac.pk) + query)

    def test_an_answer_is_taken_along_as_json_or_property_list(self) -> None:
        self.mac.information = {"UDID": "U", "BatteryLevel": 0.5, "Nothing": None, "Deep": [{"UnlockToken": "x"}]}
        self.mac.save()
        as_json = self.file()
        self.assertEqual(as_json.json(), {"UDID": "U", "BatteryLevel": 0.5, "Nothing": None, "Deep": [{}]})
        self.assertIn("attachment", as_json["Content-Disposition"])
        self.assertIn("no-store", as_json["Cache-Control"])
        as_plist = self.file("?of=DeviceInformation&as=plist")
        self.assertContains(as_plist, "<key>BatteryLevel</key>")
        self.assertNotContains(as_plist, "UnlockToken")

    def test_lists_are_there_as_well_and_unknown_ones_are_not(self) -> None:
        for name in ("SecurityInfo", "DeviceLocation", "InstalledApplicationList", "ProfileList", "UserList"):
            for kind in ("json", "plist"):
                self.assertEqual(self.file(f"?of={name}&as={kind}").status_code, 200, f"{name} {kind}")
        self.assertEqual(self.file("?of=Secrets").status_code, 404)
        self.assertEqual(self.outside.get(self.url(Device, "answers", self.mac.pk)).status_code, 404)
