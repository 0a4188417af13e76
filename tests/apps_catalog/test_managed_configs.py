"""Managed app configuration: what values mean, and what a device gets."""

from datetime import UTC, datetime

from django.db import connection
from django.test import SimpleTestCase
from django.test.utils import CaptureQueriesContext

from apps_catalog.models import App, AppInstall, ManagedConfig
from apps_catalog.services.catalog import remove_app
from apps_catalog.services.config_values import parse
from apps_catalog.services.errors import CatalogError, InvalidValue
from apps_catalog.services.managed_configs import configuration_of, push, remove_config, set_config
from devices.models import AssignmentMember, DeviceState, ItemState
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.endpoints.renderers import CannotRender, complete
from mdm.events.models import Event
from mdm.protocol import plist
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import AccountTestCase
from tests.factories import (
    make_app,
    make_app_assignment,
    make_app_install,
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_command,
    make_device,
    make_installed_app,
    make_managed_config,
)


class ParseTest(SimpleTestCase):
    def check(self, value_type: str, expected: dict[str, object]):
        for text, value in expected.items():
            with self.subTest(text):
                found = parse(text, value_type)
                self.assertEqual((found, type(found)), (value, type(value)))

    def refuse(self, value_type: str, *texts: str, saying: str):
        for text in texts:
            with self.subTest(text), self.assertRaisesMessage(InvalidValue, saying):
                parse(text, value_type)

    def test_booleans(self):
        self.check("boolean", {"0": False, "1": True, "true": True, "False": False, " 1 ": True})
        self.refuse(
            "boolean", "", "2", "yes", "01", saying="A boolean is 0 or 1 (false and true are understood as well)."
        )

    def test_dates(self):
        evening = datetime(2017, 1, 1, 19, 31, 15, tzinfo=UTC)
        for text in (
            "2017-01-01T12:31:15-07:00",
            "2017-01-01T19:31:15Z",
            "2017-01-01 19:31:15+00:00",
            "20170101T193115Z",
            "Sun, 01 Jan 2017 12:31:15 -0700",
        ):
            with self.subTest(text):
                self.assertEqual(parse(text, "date"), evening)
        self.refuse(
            "date", "", "tomorrow", "2017-13-01T00:00:00Z", "1483299075", saying="A date is a time with its zone"
        )
        self.refuse("date", "2017-01-01T12:31:15", "2017-01-01", saying="A date needs its time zone")
        self.refuse("date", "0001-01-01T00:00:00+02:00", saying="This date is outside of the years 1 to 9999.")

    def test_floats(self):
        self.check("float", {"0.123": 0.123, "-42": -42.0, "1e3": 1000.0, ".5": 0.5, "+7.": 7.0})
        self.refuse("float", "", "nan", "inf", "1_000", "0x10", "1,5", "٣", saying="A float is a number with a point")
        self.refuse("float", "1e400", saying="This float is too large.")

    def test_integers(self):
        self.check("integer", {"32": 32, "-129": -129, "+1": 1, "9223372036854775807": 2**63 - 1})
        self.refuse("integer", "", "1.0", "1_000", "0x10", "٣", "9" * 5000, saying="An integer is a whole number")
        self.refuse("integer", "9223372036854775808", saying="An integer has at most 64 bits.")

    def test_arrays_of_numbers(self):
        self.check("integer array", {"1,452,-129": [1, 452, -129], "1, 2": [1, 2], "": [], "7": [7]})
        self.check("float array", {"0.123,923.1,42": [0.123, 923.1, 42.0], "": []})
        self.refuse(
            "integer array", "1,,2", "1,x", "1,", saying="An integer array is whole numbers, separated by commas."
        )
        self.refuse("float array", "1;2", saying="A float array is floats, separated by commas.")

    def test_strings_stay_as_they_are(self):
        self.check("string", {"": "", " a ": " a ", "1": "1", "a,b": "a,b"})

    def test_arrays_of_strings(self):
        self.check(
            "string array",
            {
                '"First string","Second string"': ["First string", "Second string"],
                '"a, b", c': ["a, b", "c"],
                '"say ""hi"""': ['say "hi"'],
                '"two\nlines"': ["two\nlines"],
                '"$imei","$udid"': ["$imei", "$udid"],
                '""': [""],
                "": [],
            },
        )
        self.refuse("string array", '"open', '"a"b', saying="A string array is strings in quotes, separated by commas")
        self.refuse("string array", "a\nb", saying="A string array is one line")


class SetConfigTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)

    def set(self, key="server", value="https://example.com", value_type="string"):
        return set_config(self.app, key=key, value=value, value_type=value_type, actor=SYSTEM)

    def test_a_value_is_kept_as_it_was_given_and_not_in_the_log(self):
        config = self.set(value=" secret ")
        config = ManagedConfig.objects.get(pk=config.pk)
        self.assertEqual((config.value, config.account), (" secret ", self.account))
        event = Event.objects.get(event_type="managed_config.created")
        self.assertEqual((event.metadata["key"], event.metadata["app_id"]), ("server", self.app.pk))
        self.assertNotIn("secret", str(event.metadata))

    def test_the_same_again_does_nothing(self):
        self.assertEqual(self.set().pk, self.set().pk)
        self.assertEqual(Event.objects.count(), 1)

    def test_another_value_replaces_the_one_before(self):
        first, second = self.set(), self.set(value="7", value_type="integer")
        self.assertEqual(first.pk, second.pk)
        self.assertEqual(configuration_of(self.app, make_device(self.account)), {"server": 7})
        self.assertTrue(Event.objects.filter(event_type="managed_config.updated").exists())

    def test_a_wrong_value_changes_nothing(self):
        self.set()
        with self.assertRaises(InvalidValue):
            self.set(value="seven", value_type="integer")
        self.assertEqual(ManagedConfig.objects.get().value, "https://example.com")

    def test_what_no_plist_can_hold_is_refused_at_once(self):
        for key, value in (("a\x01", "b"), ("a", "b\x01")):
            with self.subTest(key + value), self.assertRaisesMessage(InvalidValue, "This cannot be sent to a device"):
                self.set(key=key, value=value)
        self.assertFalse(ManagedConfig.objects.exists())

    def test_an_app_that_was_deleted_meanwhile_gets_none(self):
        remove_app(App.objects.get(), actor=SYSTEM)
        with self.assertRaises(App.DoesNotExist):
            self.set()
        self.assertFalse(ManagedConfig.objects.exists())

    def test_remove(self):
        remove_config(self.set(), actor=SYSTEM)
        self.assertFalse(ManagedConfig.objects.exists())
        self.assertEqual(Event.objects.get(event_type="managed_config.removed").metadata["key"], "server")


class ConfigurationOfTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)
        self.device = make_device(self.account, imei="35 209900", device_name="{{serial_number}} $udid")

    def value_of(self, value: str, value_type: str = "string"):
        ManagedConfig.objects.all().delete()
        make_managed_config(self.app, "key", value, value_type)
        return configuration_of(self.app, self.device)["key"]

    def test_each_key_with_a_value_of_its_type(self):
        make_managed_config(self.app, "on", "1", "boolean")
        make_managed_config(self.app, "ids", "1,53,3", "integer array")
        make_managed_config(make_app(self.account), "other", "x")
        self.assertEqual(configuration_of(self.app, self.device), {"on": True, "ids": [1, 53, 3]})

    def test_an_app_without_keys_has_an_empty_one(self):
        self.assertEqual(configuration_of(self.app, self.device), {})

    def test_variables_are_filled_in(self):
        self.assertEqual(self.value_of("SN {{serial_number}}"), f"SN {self.device.serial_number}")
        self.assertEqual(self.value_of("{{ $imei }}"), "35 209900")

    def test_the_short_form_is_filled_in(self):
        self.assertEqual(self.value_of("$imei"), "35 209900")
        self.assertEqual(self.value_of('"$imei","$udid"', "string array"), ["35 209900", self.device.udid])
        self.assertEqual(self.value_of("IMEI $imei, please"), "IMEI 35 209900, please")

    def test_what_only_looks_like_a_variable_stays(self):
        for text in ("pa$imei", "$$imei", "$imeis", "$imei2", "$unknown", "$5", "US$", "{{unknown}}"):
            with self.subTest(text):
                self.assertEqual(self.value_of(text), text)

    def test_custom_attributes_are_filled_in_between_braces_only(self):
        attribute = make_attribute(self.account, "asset_tag")
        make_attribute_value(self.device, attribute, "A-7")
        self.assertEqual(self.value_of("{{asset_tag}} $asset_tag"), "A-7 $asset_tag")

    def test_what_a_device_says_of_itself_is_not_searched_again(self):
        self.assertEqual(self.value_of("{{device_name}}"), "{{serial_number}} $udid")
        self.assertEqual(self.value_of("$device_name"), "{{serial_number}} $udid")

    def test_commas_and_quotes_of_a_device_do_not_split_an_array(self):
        self.device.device_name = 'a","b'
        self.assertEqual(self.value_of('"{{device_name}}"', "string array"), ['a","b'])


class PushTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)
        make_managed_config(self.app, "imei", "$imei")
        self.device = make_device(self.account, imei="35 209900")
        self.group = make_assignment_group(self.account)
        make_app_assignment(self.group, self.app)
        self.has_it(self.device)

    def has_it(self, device, state=ItemState.INSTALLED, app=None, **facts):
        """Assigned and sent, by a command that the device may still carry out."""
        AssignmentMember.objects.create(account=self.account, group=self.group, device=device)
        install = make_app_install(app or self.app, device, state, is_on_device=True, **facts)
        if state == ItemState.PUSHED:
            command = make_command(Channel.objects.get(device=device, user_key=""), "InstallApplication")
            install.command_uuid = command.command_uuid
            install.save()
        return install

    def push(self, app=None):
        count = push(app or self.app, actor=SYSTEM)
        self.reconcile_marked()
        return count

    def orders(self):
        return Command.objects.filter(request_type="Settings").order_by("pk")

    def devices_told(self):
        return set(self.orders().values_list("channel__device", flat=True))

    def test_devices_that_have_the_app_from_us_are_told(self):
        managed, unmanaged, updating = (make_device(self.account) for _ in range(3))
        row = self.has_it(updating, ItemState.PUSHED)
        make_installed_app(managed, self.app.bundle_identifier, is_managed=True)
        make_installed_app(self.device, self.app.bundle_identifier, is_managed=True)
        make_installed_app(unmanaged, self.app.bundle_identifier)
        self.assertEqual(self.push(), 3)
        self.assertEqual(self.devices_told(), {self.device.pk, managed.pk})
        self.assertTrue(Channel.objects.filter(device=managed, push_due_at__isnull=False).exists())
        self.assertEqual(Event.objects.get(event_type="managed_config.pushed").metadata["devices"], 3)
        AppInstall.objects.filter(pk=row.pk).update(state=ItemState.INSTALLED)
        self.reconcile(updating)
        self.assertEqual(self.devices_told(), {self.device.pk, managed.pk, updating.pk})

    def test_where_it_was_only_taken_note_of_it_is_never_removed(self):
        managed = make_device(self.account)
        make_installed_app(managed, self.app.bundle_identifier, is_managed=True)
        self.push()
        self.reconcile(managed)
        self.assertFalse(Command.objects.filter(request_type="RemoveApplication").exists())

    def test_it_is_sent_once_for_each_push(self):
        self.push()
        self.orders().update(state=State.ACKNOWLEDGED)
        self.reconcile(self.device)
        self.assertEqual(self.orders().count(), 1)
        self.push()
        self.assertEqual(self.orders().count(), 2)

    def test_the_command_holds_the_values_of_the_moment_of_delivery(self):
        self.push()
        make_managed_config(self.app, "level", "3", "integer")
        command = self.orders().get()
        self.assertNotIn("35 209900", str(command.parameters))
        self.assertEqual(
            plist.loads(complete(command))["Command"],
            {
                "RequestType": "Settings",
                "Settings": [
                    {
                        "Item": "ApplicationConfiguration",
                        "Identifier": self.app.bundle_identifier,
                        "Configuration": {"imei": "35 209900", "level": 3},
                    }
                ],
            },
        )

    def test_without_any_key_the_configuration_is_taken_away(self):
        ManagedConfig.objects.all().delete()
        self.push()
        (item,) = plist.loads(complete(self.orders().get()))["Command"]["Settings"]
        self.assertEqual(item, {"Item": "ApplicationConfiguration", "Identifier": self.app.bundle_identifier})

    def test_for_an_app_that_is_gone_no_command_is_made(self):
        self.push()
        self.app.delete()
        with self.assertRaisesMessage(CannotRender, "The app was deleted from the catalogue."):
            complete(self.orders().get())

    def test_once_more_queues_nothing_while_the_first_waits(self):
        self.push()
        self.push()
        self.assertEqual(self.orders().count(), 1)
        other = make_app(self.account)
        make_app_assignment(self.group, other)
        make_app_install(other, self.device, is_on_device=True)
        self.push(other)
        self.assertEqual(self.orders().count(), 2)
        self.orders().update(state=State.SENT)
        self.push()
        self.assertEqual(self.orders().count(), 3)

    def test_a_refusal_is_in_the_log_in_the_devices_words(self):
        self.push()
        chain = [{"ErrorCode": 1, "ErrorDomain": "D", "LocalizedDescription": "The app is busy."}]
        item = {"Item": "ApplicationConfiguration", "Status": "Error", "ErrorChain": chain}
        self.acknowledge(self.orders().get(), Settings=[item])
        self.assertEqual(self.logged("managed_config.failed").metadata["why"], "The app is busy.")

    def test_devices_that_are_gone_and_users_are_not_told(self):
        make_channel(self.device, user_key="user")
        gone, removed = make_device(self.account), make_device(self.account)
        for device in (gone, removed):
            self.has_it(device)
        gone.state = DeviceState.UNENROLLED
        gone.save()
        gone.channels.update(state=ChannelState.CLOSED)
        remove_device(removed, SYSTEM)
        self.assertEqual(self.push(), 1)
        self.assertEqual(self.orders().get(state=State.QUEUED).channel.user_key, "")

    def test_devices_that_cannot_be_configured_are_passed_over(self):
        old = make_device(self.account, platform="macOS", os_version="10.14")
        self.app.platform_support = ""
        self.app.save()
        self.has_it(old)
        self.push()
        self.assertEqual(self.devices_told(), {self.device.pk})

    def test_devices_of_other_accounts_are_not_told(self):
        stranger = make_device(self.other_account)
        make_installed_app(stranger, self.app.bundle_identifier, is_managed=True)
        self.push()
        self.assertEqual(self.devices_told(), {self.device.pk})

    def test_an_app_whose_identifier_is_not_known_cannot_be_configured(self):
        with self.assertRaisesMessage(CatalogError, "The bundle identifier of this app is not known yet"):
            push(make_app(self.account, store=True, bundle_identifier=""), actor=SYSTEM)

    def test_the_number_of_statements_does_not_grow_with_the_devices(self):
        counts = []
        for more in (0, 15):
            for _ in range(more):
                self.has_it(make_device(self.account))
            with CaptureQueriesContext(connection) as statements:
                self.assertEqual(push(self.app, actor=SYSTEM), 1 + more)
            counts.append(len(statements))
        self.assertEqual(counts[0], counts[1])
        self.assertLess(counts[0], 10)
