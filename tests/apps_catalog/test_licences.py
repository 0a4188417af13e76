"""An app's licence comes before the app, and goes back after it."""

from datetime import timedelta

from django.utils import timezone

from apps_catalog.models import AppInstall, ContentToken, LicenceAssignment
from apps_catalog.services.app_delivery import send_apps
from apps_catalog.services.catalog import remove_app
from apps_catalog.services.licence_needs import UNREAD, WAITING
from apps_catalog.services.licence_tokens import add_token
from apps_catalog.services.licence_totals import notes_of
from devices.models import Device, DeviceState, ItemState
from devices.services.devices import remove_device
from devices.services.lines import open_lines
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.services import enqueue
from mdm.commands.states import State
from mdm.events.models import Event
from mdm.protocol import plist
from mdm.protocol.request_types.lists import installed_application_list
from tests.apps_catalog.base_licences import LicenceTestCase
from tests.factories import make_device
from tests.factories.wanted import make_group_with, make_store_app


class UnreadLocationTest(LicenceTestCase):
    """A location was connected, and Apple has not said yet what it owns."""

    def setUp(self):
        super().setUp()
        self.token = add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
        self.phone = self.device()

    def test_an_app_waits_until_it_is_known_and_has_its_licence_then(self):
        self.vpp.fail("/service/config", 503)
        self.assign(self.phone)
        self.work(1)
        row = self.install(self.phone)
        self.assertEqual((row.state, row.error, self.orders(self.phone)), (ItemState.PENDING, UNREAD, 0))
        self.assertEqual(notes_of([row]), {row.pk: UNREAD})
        self.work(3)
        self.assertEqual((self.orders(self.phone), self.licences()[self.phone.serial_number]), (1, "assigned"))

    def test_an_app_that_needs_none_after_all_goes_without(self):
        free = make_store_app(self.account)
        self.assign(self.phone, app=free)
        self.assertEqual(self.install(self.phone, free).error, UNREAD)
        self.work()
        self.assertEqual((self.install(self.phone, free).state, self.orders(self.phone)), (ItemState.PUSHED, 1))

    def test_after_an_hour_of_trouble_it_is_waited_for_no_more(self):
        self.assign(self.phone)
        ContentToken.objects.update(created_at=timezone.now() - timedelta(hours=2))
        for _ in range(2):
            self.vpp.fail("/service/config", 503)
            self.work(1)
        self.assertEqual((self.install(self.phone).state, self.orders(self.phone)), (ItemState.PUSHED, 1))

    def test_other_accounts_do_not_wait(self):
        phone, app = make_device(self.other_account), make_store_app(self.other_account)
        make_group_with(self.other_account, phone, apps=(app,))
        self.reconcile(phone)
        self.assertEqual(AppInstall.objects.get(device=phone).state, ItemState.PUSHED)


class LicenceBeforeInstallTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.connect()
        self.phone = self.device()

    def order(self, device: Device) -> Command:
        return Command.objects.get(channel__device=device, request_type="InstallApplication", state=State.QUEUED)

    def installed(self, device: Device) -> None:
        self.acknowledge(self.order(device), State="Installing")
        Command.objects.filter(state=State.QUEUED).update(state=State.CANCELLED)
        facts = {"Identifier": self.app.bundle_identifier, "Name": "x", "Version": "2.0", "ShortVersion": "2.0"}
        self.report(device, facts)

    def report(self, device: Device, *apps: dict[str, str]) -> None:
        command = enqueue(device.channels.get(), installed_application_list())
        self.acknowledge(command, InstalledApplicationList=list(apps))

    def test_nothing_is_sent_until_the_device_has_its_licence(self):
        self.assign(self.phone)
        row = self.install(self.phone)
        self.assertEqual((row.state, row.error, row.awaits_licence), (ItemState.PENDING, WAITING, True))
        self.assertEqual(self.orders(self.phone), 0)
        self.assertEqual(self.licences(), {self.phone.serial_number: "wanted"})
        self.work()
        self.assertEqual((self.vpp.count("/assets/associate"), self.orders(self.phone)), (1, 0))
        self.work()
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {self.phone.serial_number})
        self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
        row = self.install(self.phone)
        self.assertEqual((row.state, row.error, row.awaits_licence), (ItemState.PUSHED, "", False))
        command = plist.loads(self.deliver(self.order(self.phone)))["Command"]
        self.assertEqual(command["Options"], {"PurchaseMethod": 1})

    def test_an_event_that_takes_its_time_is_asked_about_until_it_is_done(self):
        self.vpp.looks = 3
        self.assign(self.phone)
        self.work(4)
        self.assertEqual((self.orders(self.phone), self.licences()[self.phone.serial_number]), (0, "asking"))
        self.work()
        self.assertEqual((self.orders(self.phone), self.vpp.count("/assets/associate")), (1, 1))

    def test_the_licence_goes_back_once_the_app_is_off_the_device_and_not_before(self):
        self.assign(self.phone)
        self.work(2)
        self.installed(self.phone)
        self.group_of_app.app_assignments.all().delete()
        self.reconcile(self.phone)
        self.work()
        self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
        removal = Command.objects.get(request_type="RemoveApplication", state=State.QUEUED)
        self.acknowledge(removal)
        self.work(2)
        self.assertEqual((self.licences(), self.vpp.serials(self.app.itunes_store_id)), ({}, set()))
        returned = self.logged("licence.returned").metadata
        self.assertEqual((returned["app"], returned["devices"]), (self.app.name, 1))

    def test_a_device_that_leaves_gives_its_licence_back(self):
        for leave in (
            lambda: Device.objects.filter(pk=self.phone.pk).update(state=DeviceState.UNENROLLED),
            lambda: remove_device(Device.objects.get(pk=self.phone.pk), SYSTEM),
        ):
            self.phone = self.device()
            self.assign(self.phone)
            self.work(2)
            self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
            leave()
            self.work(2)
            self.assertEqual((self.licences(), self.vpp.serials(self.app.itunes_store_id)), ({}, set()))

    def test_an_app_that_is_deleted_gives_its_licences_back_when_it_is_gone(self):
        self.assign(self.phone)
        self.work(2)
        self.installed(self.phone)
        remove_app(self.app, actor=SYSTEM)
        self.work()
        self.acknowledge(Command.objects.get(request_type="RemoveApplication", state=State.QUEUED))
        self.work(2)
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), set())

    def test_what_is_not_wanted_any_more_before_the_licence_came_is_forgotten(self):
        self.assign(self.phone)
        self.group_of_app.app_assignments.all().delete()
        self.reconcile(self.phone)
        self.work(2)
        self.assertEqual((self.licences(), self.vpp.count("/assets/associate")), ({}, 0))
        self.assertFalse(AppInstall.objects.exists())

    def test_a_licence_that_is_on_its_way_back_is_asked_for_again_where_it_is_wanted_again(self):
        self.assign(self.phone)
        self.work(2)
        self.group_of_app.app_assignments.all().delete()
        self.reconcile(self.phone)
        self.vpp.looks = 2
        self.work()
        self.assertEqual(self.licences(), {self.phone.serial_number: "giving_back"})
        self.assign(self.phone)
        self.work(8)
        self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
        self.assertEqual(self.install(self.phone).state, ItemState.PUSHED)

    def test_an_app_sent_by_hand_waits_for_its_licence_too(self):
        lines = open_lines([self.phone])
        self.assertEqual(send_apps([(self.phone, self.app)], lines, actor=SYSTEM), 0)
        self.work(2)
        self.assertEqual((self.orders(self.phone), self.install(self.phone).state), (1, ItemState.PUSHED))

    def test_a_second_order_for_a_device_with_a_licence_goes_at_once(self):
        self.assign(self.phone)
        self.work(2)
        self.installed(self.phone)
        self.assertEqual(send_apps([(self.phone, self.app)], open_lines([self.phone]), actor=SYSTEM), 1)

    def test_many_devices_are_one_request(self):
        devices = [self.phone, self.device(), self.device()]
        other = make_store_app(self.account)
        self.vpp.buy(other.itunes_store_id, 5)
        self.sync()
        self.assign(*devices)
        self.assign(*devices, app=other)
        self.work(2)
        self.assertEqual(self.vpp.count("/assets/associate"), 1)
        self.assertEqual((len(self.vpp.bodies[0]["assets"]), len(self.vpp.bodies[0]["serialNumbers"])), (2, 3))
        self.assertEqual([self.orders(device) for device in devices], [2, 2, 2])
        assigned = Event.objects.filter(event_type="licence.assigned").order_by("pk")
        self.assertEqual([event.metadata["devices"] for event in assigned], [3, 3])

    def test_requests_keep_to_apples_limits(self):
        self.vpp.limits |= {"maxSerialNumbers": 2}
        devices = [self.device() for _ in range(5)]
        self.assign(*devices)
        self.work(2)
        self.assertEqual([len(body["serialNumbers"]) for body in self.vpp.bodies], [2, 2, 1])
        self.assertEqual(len(self.vpp.serials(self.app.itunes_store_id)), 5)

    def test_an_app_of_no_location_goes_as_it_always_did(self):
        other = make_store_app(self.account)
        self.assign(self.phone, app=other)
        command = plist.loads(self.deliver(self.order(self.phone)))["Command"]
        self.assertEqual(command["Options"], {"PurchaseMethod": 0})
        self.assertFalse(LicenceAssignment.objects.exists())

    def test_a_device_without_a_serial_number_gets_it_without_a_licence(self):
        phone = self.device(serial_number="", is_user_enrollment=True)
        self.assign(phone)
        self.assertEqual((self.orders(phone), self.licences()), (1, {}))

    def test_what_is_for_people_only_needs_no_licence_of_a_device(self):
        other = make_store_app(self.account)
        self.vpp.buy(other.itunes_store_id, 5, deviceAssignable=False)
        self.sync()
        self.assign(self.phone, app=other)
        self.assertEqual((self.orders(self.phone), self.licences()), (1, {}))

    def test_a_location_of_another_account_has_nothing_to_do_with_it(self):
        ContentToken.objects.update(account=self.other_account)
        LicenceAssignment.objects.all().delete()
        ContentToken.objects.get().assets.update(account=self.other_account)
        self.assign(self.phone)
        self.assertEqual((self.orders(self.phone), self.licences()), (1, {}))

    def test_a_command_that_waits_while_the_licence_is_lost_is_not_delivered_without_one(self):
        self.assign(self.phone)
        self.work(2)
        LicenceAssignment.objects.all().delete()
        command = self.order(self.phone)
        self.assertIsNone(self.deliver(command))
        self.assertIn("no licence", self.install(self.phone).error)
        self.vpp.take(self.app.itunes_store_id, self.phone.serial_number)
        AppInstall.objects.update(retry_at=timezone.now())
        self.reconcile(self.phone)
        self.work(2)
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {self.phone.serial_number})
        self.assertEqual(self.install(self.phone).state, ItemState.PUSHED)

    def test_a_licence_that_is_there_already_is_used_and_becomes_ours(self):
        self.vpp.give(self.app.itunes_store_id, self.phone.serial_number)
        self.sync()
        self.assign(self.phone)
        self.assertEqual((self.orders(self.phone), self.vpp.count("/assets/associate")), (1, 0))
        self.assertTrue(LicenceAssignment.objects.get().is_ours)

    def test_a_licence_that_others_gave_out_is_never_taken_back(self):
        self.vpp.give(self.app.itunes_store_id, self.phone.serial_number, "ELSEWHERE1")
        self.sync()
        self.work(2)
        self.assertEqual(self.vpp.count("/assets/disassociate"), 0)
        self.assertEqual(self.licences(), dict.fromkeys((self.phone.serial_number, "ELSEWHERE1"), "assigned"))


class ShortageTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.connect()
        self.devices = [self.device() for _ in range(7)]

    def test_as_many_as_there_are_get_one_and_the_others_wait(self):
        self.assign(*self.devices)
        self.work(3)
        self.assertEqual(len(self.vpp.serials(self.app.itunes_store_id)), 5)
        self.assertEqual(sum(self.orders(device) for device in self.devices), 5)
        self.assertEqual(LicenceAssignment.objects.filter(state="wanted", is_short=True).count(), 2)
        short = self.logged("licence.shortage").metadata
        self.assertEqual((short["waiting"], short["total"], short["app"]), (2, 5, self.app.name))
        # Nobody asks for what is not there.
        self.assertEqual(self.vpp.count("/assets/associate"), 1)

    def test_they_get_theirs_as_soon_as_some_are_bought(self):
        self.assign(*self.devices)
        self.work(2)
        self.vpp.buy(self.app.itunes_store_id, 1)
        self.sync()
        self.work()
        self.assertEqual(sum(self.orders(device) for device in self.devices), 6)
        self.vpp.buy(self.app.itunes_store_id, 10)
        self.sync()
        self.work()
        self.assertEqual(sum(self.orders(device) for device in self.devices), 7)
        self.assertEqual(Event.objects.filter(event_type="licence.shortage").count(), 1)
        self.assertIsNone(self.token.assets.get().short_since)

    def test_what_one_device_gives_back_the_next_one_gets(self):
        self.assign(*self.devices)
        self.work(2)
        lucky = next(device for device in self.devices if self.orders(device))
        remove_device(lucky, SYSTEM)
        self.work(4)
        self.assertEqual(sum(self.orders(device) for device in self.devices if device != lucky), 5)
        self.assertNotIn(lucky.serial_number, self.vpp.serials(self.app.itunes_store_id))

    def test_apples_word_counts_more_than_our_count(self):
        """Another program took some since we counted."""
        for named in (True, False):
            with self.subTest(failures_name_serials=named):
                self.vpp.names_serials = named
                self.vpp.assigned.clear()
                LicenceAssignment.objects.all().delete()
                AppInstall.objects.all().delete()
                Command.objects.all().delete()
                self.sync()
                self.vpp.give(self.app.itunes_store_id, "OTHER1", "OTHER2")
                self.assign(*self.devices[:4])
                self.work(4)
                self.assertEqual(len(self.vpp.serials(self.app.itunes_store_id)), 5)
                self.assertEqual(sum(self.orders(device) for device in self.devices), 3)
                self.assertEqual(LicenceAssignment.objects.filter(state="wanted", is_short=True).count(), 1)
                self.vpp.take(self.app.itunes_store_id, "OTHER1")
                self.sync()
                self.work(2)
                self.assertEqual(sum(self.orders(device) for device in self.devices), 4)

    def test_another_location_with_some_left_takes_over(self):
        self.assign(*self.devices)
        self.work(2)
        first = self.token
        other = self.enterContext(type(self.vpp)(location="Hamburg"))
        other.buy(self.app.itunes_store_id, 5)
        with self.settings(VPP_URL=other.url):
            self.vpp, kept = other, self.vpp
            self.connect()
            self.reconcile(*self.devices)
            self.assertEqual(LicenceAssignment.objects.filter(asset__token=self.token, state="wanted").count(), 2)
            ContentToken.objects.filter(pk=first.pk).update(paused_until=timezone.now() + timedelta(hours=1))
            self.work_only(self.token)
            self.work_only(self.token)
        self.assertEqual(
            (len(kept.serials(self.app.itunes_store_id)), len(other.serials(self.app.itunes_store_id))), (5, 2)
        )

    def work_only(self, token: ContentToken) -> None:
        others = ContentToken.objects.exclude(pk=token.pk)
        others.update(started_at=timezone.now())
        self.work()
        others.update(started_at=None)
