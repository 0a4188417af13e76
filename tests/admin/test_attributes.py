"""Custom attributes in the admin: the list, one attribute, its values, and who may look at secret ones."""

from unittest.mock import patch

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from devices.models import AttributeValue, CustomAttribute, Device
from devices.services.profiles import create_profile
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_group,
    make_mobileconfig,
    make_payload,
    make_script,
)
from tests.factories.due import marked
from tests.factories.profiles import make_profile_install


class AttributeTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client_, self.reader = self.people[Role.OPERATOR], self.people[Role.READ_ONLY]
        self.room = make_attribute(self.account, "room", default="none")
        self.pin = make_attribute(self.account, "pin", default="0000", secret=True)
        self.sales = make_group(self.account, "Sales")
        self.device = make_device(self.account, name="Reception", serial_number="C02X", group=self.sales)
        self.list_url = self.url(CustomAttribute, "changelist")
        self.reader.get(self.list_url)  # the first page of a session notes it

    def of(self, view: str, attribute: CustomAttribute | None = None) -> str:
        return self.url(CustomAttribute, view, (attribute or self.room).pk)

    def statements(self, url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.reader.get(url).status_code, 200)
        return len(captured)

    def use(self, text: str = "{{Room}}") -> None:
        """A profile that names the attribute, and that the device has."""
        content = make_mobileconfig("a.b", make_payload(Here=text))
        profile = create_profile(self.account, "Office", content, attribute_support=True, actor=SYSTEM)
        make_profile_install(profile, self.device)


class NamesTest(AttributeTestCase):
    def test_what_the_device_says_itself_cannot_be_named_again(self) -> None:
        for name in ("serial_number", "Serial_Number", "device_group"):
            response = self.client_.post(self.url(CustomAttribute, "add"), {"name": name, "default_value": "x"})
            self.assertContains(response, "what the device itself says")
        self.assertEqual(CustomAttribute.objects.filter(account=self.account).count(), 2)


class ListTest(AttributeTestCase):
    def test_it_says_where_values_are_set_and_hides_secret_defaults(self) -> None:
        make_attribute_value(self.sales, self.room)
        make_attribute_value(self.device, self.room)
        make_attribute_value(make_assignment_group(self.account), self.room)
        response = self.reader.get(self.list_url)
        self.assertContains(response, "1 device group, 1 assignment group, 1 device")
        self.assertContains(response, "nobody yet")
        self.assertContains(response, "•••••")
        self.assertNotContains(response, "0000")

    def test_it_counts_no_further_than_a_thousand(self) -> None:
        for _ in range(4):
            make_attribute_value(make_device(self.account), self.room)
        with (
            patch("devices.services.attribute_uses.MOST", 3),
            patch("devices.admin.attributes_page.MOST", 3),
        ):
            self.assertContains(self.reader.get(self.list_url), "3+ devices")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        few = self.statements(self.list_url)
        for _ in range(20):
            make_attribute_value(self.device, make_attribute(self.account))
        self.assertEqual(self.statements(self.list_url), few)


class PageTest(AttributeTestCase):
    def page(self, query: str = "", attribute: CustomAttribute | None = None) -> HttpResponse:
        return self.reader.get(self.of("change", attribute) + query)

    def test_it_names_the_profiles_and_scripts_that_use_it(self) -> None:
        self.assertContains(self.page(), "no profile and no script")
        self.use()
        make_script(self.account, "Set name", content="#!/bin/sh\necho {{room}}", variable_support=True)
        make_script(self.account, "Other", content="#!/bin/sh\necho room", variable_support=True)
        response = self.page()
        self.assertContains(response, "Office")
        self.assertContains(response, "Set name")
        self.assertNotContains(response, "Other")

    def test_values_stand_under_whose_they_are(self) -> None:
        make_attribute_value(self.sales, self.room, "Ground floor")
        make_attribute_value(self.device, self.room, "4.11")
        self.assertContains(self.page(), "Ground floor")
        response = self.page("?of=devices")
        self.assertContains(response, "4.11")
        self.assertNotContains(response, "Ground floor")
        self.assertContains(self.page("?of=assignment-groups"), "No assignment group has a value.")

    def test_devices_are_searched_and_paged(self) -> None:
        make_attribute_value(self.device, self.room, "4.11")
        others = [make_device(self.account, name=f"iPad {number}") for number in range(3)]
        for one in others:
            make_attribute_value(one, self.room, "5")
        found = self.page("?of=devices&q=recep").context["rows"]
        self.assertEqual([one.owner for one in found], [self.device])
        with patch("devices.admin.attributes_page.PAGE", 2):
            first = self.page("?of=devices")
            rest = self.page(first.context["more"])
        self.assertEqual([one.owner for one in first.context["rows"]], [self.device, others[0]])
        self.assertEqual([one.owner for one in rest.context["rows"]], others[1:])

    def test_the_number_of_statements_does_not_grow(self) -> None:
        make_attribute_value(self.device, self.room)
        few = self.statements(self.of("change") + "?of=devices")
        for _ in range(30):
            make_attribute_value(make_device(self.account), self.room)
        self.assertEqual(self.statements(self.of("change") + "?of=devices"), few)

    def test_secret_values_are_not_on_the_page(self) -> None:
        make_attribute_value(self.device, self.pin, "hunter2")
        for role in Role:
            response = self.people[role].get(self.of("change", self.pin) + "?of=devices")
            for secret in ("hunter2", "0000"):
                self.assertNotContains(response, secret)
            self.assertEqual("reveal/" in response.content.decode(), role in (Role.OWNER, Role.ADMIN))


class RevealTest(AttributeTestCase):
    def test_one_value_is_shown_and_the_log_says_to_whom(self) -> None:
        row = make_attribute_value(self.device, self.pin, "hunter2")
        admin = self.people[Role.ADMIN]
        response = admin.post(self.of("reveal", self.pin), {"value": row.pk})
        self.assertContains(response, "hunter2")
        self.assertIn("no-store", response.headers["Cache-Control"])
        (event,) = self.events("secret.viewed")
        self.assertEqual(event.device, self.device)
        self.assertEqual(event.metadata["secrets"], {"custom attribute pin": str(self.device.pk)})
        part = admin.post(self.of("reveal", self.pin), {"value": "default"}, headers={"HX-Request": "true"})
        self.assertContains(part, "0000")
        self.assertNotContains(part, "<html")
        self.assertEqual(self.events("secret.viewed")[-1].metadata["of"], "custom_attribute")

    def test_others_are_refused(self) -> None:
        row = make_attribute_value(self.device, self.pin, "hunter2")
        foreign = make_attribute_value(make_device(self.other_account), make_attribute(self.other_account, "pin"))
        for role in (Role.OPERATOR, Role.READ_ONLY):
            response = self.people[role].post(self.of("reveal", self.pin), {"value": row.pk})
            self.assertEqual(response.status_code, 403)
        owner = self.people[Role.OWNER]
        self.assertEqual(owner.get(self.of("reveal", self.pin)).status_code, 405)
        for value in (foreign.pk, "x", ""):
            self.assertEqual(owner.post(self.of("reveal", self.pin), {"value": value}).status_code, 404)
        self.assertEqual(self.events("secret.viewed"), [])


class SetTest(AttributeTestCase):
    def set(self, data: dict[str, object], query: str = "", attribute: CustomAttribute | None = None) -> HttpResponse:
        return self.client_.post(self.of("set_values", attribute) + query, data, follow=True)

    def test_groups_and_devices_get_a_value_at_once(self) -> None:
        self.use()
        everyone = make_assignment_group(self.account, "Everyone")
        response = self.set(
            {"value": "4", "device_groups": [self.sales.pk], "assignment_groups": [everyone.pk], "devices": "c02x"}
        )
        self.assertContains(response, "The value is set for the device group Sales")
        self.assertContains(response, "“Office” goes again to those of 1 device where another value counts now.")
        self.assertEqual(AttributeValue.objects.filter(attribute=self.room, plain="4").count(), 3)
        self.assertIn(self.device, marked())

    def test_a_value_is_changed_where_it_is(self) -> None:
        row = make_attribute_value(self.sales, self.room, "4")
        page = self.client_.get(self.of("set_values") + f"?value={row.pk}")
        self.assertContains(page, "Value for the device group Sales")
        self.set({"value": "5\r\n6"}, f"?value={row.pk}")
        self.assertEqual(self.sales.attribute_values.get().plain, "5\n6")
        self.assertContains(
            self.set({"value": "5\n6"}, "?value=" + str(self.sales.attribute_values.get().pk)), "Nothing"
        )

    def test_a_secret_value_is_not_put_into_the_form_and_not_guessed(self) -> None:
        row = make_attribute_value(self.sales, self.pin, "hunter2")
        url = f"?value={row.pk}"
        self.assertNotContains(self.client_.get(self.of("set_values", self.pin) + url), "hunter2")
        self.assertNotContains(self.set({"value": "hunter2"}, url, self.pin), "Nothing has changed")

    def test_somebody_has_to_be_named(self) -> None:
        self.assertContains(self.set({"value": "4"}), "Choose a group, or name a device.")
        self.assertContains(self.set({"value": "4", "devices": "nobody"}), "is no device")
        foreign = make_group(self.other_account)
        self.assertContains(self.set({"value": "4", "device_groups": [foreign.pk]}), "Please look at what is marked")

    def test_many_devices_are_asked_about_first(self) -> None:
        self.use()
        data = {"value": "4", "device_groups": [self.sales.pk]}
        with patch("devices.admin.attributes_values.MANY", 0):
            response = self.set(data)
            self.assertContains(response, "“Office” is sent again to up to 1 device")
            self.assertFalse(AttributeValue.objects.exists())
            self.set(data | {"anyway": "on"})
        self.assertEqual(self.sales.attribute_values.get().plain, "4")

    def test_a_value_is_taken_back_after_a_question(self) -> None:
        self.use()
        row = make_attribute_value(self.device, self.room, "4")
        question = self.client_.post(self.of("clear"), {"value": row.pk})
        self.assertContains(question, "“Office” is sent again to up to 1 device")
        self.assertTrue(AttributeValue.objects.exists())
        self.client_.post(self.of("clear"), {"value": row.pk, "confirmed": "yes"})
        self.assertFalse(AttributeValue.objects.exists())
        self.assertEqual(self.events("custom_attribute.value_set")[-1].device, self.device)

    def test_readers_and_strangers_set_nothing(self) -> None:
        row = make_attribute_value(self.device, self.room, "4")
        for view in ("set_values", "clear", "edit", "remove", "import_values", "apply_import"):
            data = {"value": row.pk, "confirmed": "yes", "confirmation": "room"}
            self.assertEqual(self.reader.post(self.of(view), data).status_code, 403, view)
            self.assertEqual(self.outside.post(self.of(view), data).status_code, 404, view)
        self.assertEqual(AttributeValue.objects.get().plain, "4")


class DefinitionTest(AttributeTestCase):
    def test_an_attribute_is_added_by_the_rules_of_the_api(self) -> None:
        url = self.url(CustomAttribute, "add")
        self.client_.post(url, {"name": "desk", "default_value": "1", "is_secret": "on"})
        desk = CustomAttribute.objects.get(name="desk")
        self.assertEqual((desk.value, desk.is_secret, desk.plain), ("1", True, ""))
        self.assertContains(
            self.client_.post(url, {"name": "Desk"}), "There is a custom attribute called Desk already."
        )
        self.assertContains(self.client_.post(url, {"name": "a b"}), "letters from a to z")

    def test_a_new_default_goes_to_devices(self) -> None:
        self.use()
        response = self.client_.post(self.of("edit"), {"default_value": "attic"}, follow=True)
        self.assertContains(response, "Saved. “Office” goes again")
        self.assertEqual(CustomAttribute.objects.get(pk=self.room.pk).value, "attic")
        self.assertIn(self.device, marked())

    def test_a_secret_default_stays_unless_another_is_typed(self) -> None:
        url = self.of("edit", self.pin)
        self.assertNotContains(self.client_.get(url), "0000")
        for data, default in (({}, "0000"), ({"default_value": "1"}, "1"), ({"no_default": "on"}, "")):
            self.client_.post(url, data)
            self.pin = CustomAttribute.objects.get(pk=self.pin.pk)
            self.assertEqual((self.pin.value, self.pin.is_secret), (default, True))

    def test_only_who_may_see_secrets_makes_them_visible(self) -> None:
        self.assertNotContains(self.client_.get(self.of("edit", self.pin)), 'name="is_secret"')
        self.client_.post(self.of("edit", self.pin), {"default_value": ""})
        self.assertTrue(CustomAttribute.objects.get(pk=self.pin.pk).is_secret)
        self.people[Role.ADMIN].post(self.of("edit", self.pin), {"default_value": ""})
        pin = CustomAttribute.objects.get(pk=self.pin.pk)
        self.assertEqual((pin.is_secret, pin.plain), (False, "0000"))

    def test_deleting_says_what_is_lost_and_asks_for_the_name(self) -> None:
        self.use()
        make_attribute_value(self.device, self.room)
        question = self.client_.get(self.of("remove"))
        for words in ("those of 1 device", "the profile Office", "stays as it stands: {{room}}", "up to 1 device"):
            self.assertContains(question, words)
        self.client_.post(self.of("remove"), {"confirmation": "rooms"})
        self.assertTrue(CustomAttribute.objects.filter(pk=self.room.pk).exists())
        response = self.client_.post(self.of("remove"), {"confirmation": "room"}, follow=True)
        self.assertContains(response, "The attribute “room” and its values were deleted.")
        self.assertFalse(Device.objects.get(pk=self.device.pk).attribute_values.exists())

    def test_an_empty_list_says_what_attributes_are_for(self) -> None:
        CustomAttribute.objects.all().delete()
        self.assertContains(self.client_.get(self.list_url), "No custom attribute yet")
        self.assertNotContains(self.reader.get(self.list_url), "add/")
