"""Asking devices for their inventory from time to time."""

from datetime import timedelta
from unittest import mock

from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, DeviceState
from devices.services import inventories
from devices.services.inventories import ask_due
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_channel, make_command, make_device

IPHONE = {"DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ProfileList", "CertificateList"}


class AskDueTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.long_ago = timezone.now() - timedelta(hours=25)

    def device(self, **fields: object) -> Device:
        """Enrolled, and asked for the last time, a day and an hour ago."""
        device = make_device(self.account, **({"information_at": self.long_ago} | fields))
        Channel.objects.filter(device=device).update(enrolled_at=self.long_ago)
        return device

    def asked(self, device: Device, user_key: str = "") -> set[str]:
        commands = Command.objects.filter(channel__device=device, channel__user_key=user_key, state=State.QUEUED)
        return set(commands.values_list("request_type", flat=True))

    def test_a_device_whose_inventory_is_old_is_asked_for_all_of_it_once(self):
        device = self.device()
        self.assertEqual(ask_due(), 1)
        self.assertEqual(self.asked(device), IPHONE)
        self.assertEqual(ask_due(), 0)
        self.assertEqual(Command.objects.count(), len(IPHONE))

    def test_each_kind_of_device_is_asked_what_it_can_tell(self):
        phone, mac = self.device(), self.device(platform="macOS")
        self.assertEqual(ask_due(), 2)
        self.assertEqual((self.asked(phone), self.asked(mac)), (IPHONE, IPHONE | {"UserList"}))

    def test_one_that_has_told_a_while_ago_only_is_not_asked(self):
        self.device(information_at=timezone.now() - timedelta(hours=23))
        self.assertEqual(ask_due(), 0)

    def test_one_that_never_told_is_asked(self):
        device = self.device(information_at=None)
        self.assertEqual(ask_due(), 1)
        self.assertEqual(self.asked(device), IPHONE)

    def test_one_that_does_not_answer_is_asked_again_a_day_later_only(self):
        device = self.device()
        ask_due()
        Command.objects.update(state=State.FAILED)
        self.assertEqual(ask_due(), 0)
        Device.objects.update(inventory_asked_at=self.long_ago)
        self.assertEqual(ask_due(), 1)
        self.assertEqual(self.asked(device), IPHONE)

    def test_one_for_which_something_waits_is_asked_when_it_has_connected(self):
        device = self.device()
        command = make_command(device.device_channel)
        self.assertEqual(ask_due(), 0)
        for state, expected in ((State.SENT, 0), (State.ACKNOWLEDGED, 1)):
            command.state = state
            command.save()
            self.assertEqual(ask_due(), expected, state)

    def test_one_that_has_just_enrolled_has_been_asked_by_that(self):
        make_device(self.account)
        self.assertEqual(ask_due(), 0)

    def test_devices_that_are_not_managed_are_not_asked(self):
        self.device(state=DeviceState.UNENROLLED)
        self.device(removed_at=timezone.now())
        closed = self.device()
        Channel.objects.filter(device=closed).update(state=ChannelState.CLOSED)
        self.assertEqual(ask_due(), 0)
        self.assertFalse(Command.objects.exists())

    def test_users_of_macs_are_asked_for_their_profiles(self):
        mac = self.device(platform="macOS")
        make_channel(mac, user_key="U1")
        make_command(make_channel(mac, user_key="U2"))
        make_channel(mac, user_key="U3", state=ChannelState.CLOSED)
        self.assertEqual(ask_due(), 1)
        self.assertEqual(self.asked(mac, "U1"), {"ProfileList"})
        self.assertNotIn("ProfileList", self.asked(mac, "U2"))
        self.assertEqual(self.asked(mac, "U3"), set())

    def test_the_asking_is_no_news_and_wakes_the_device(self):
        device = self.device()
        ask_due()
        self.assertFalse(Event.objects.exists())
        self.assertIsNotNone(Channel.objects.get(device=device).push_due_at)

    @override_settings(INVENTORY_HOURS=0)
    def test_it_can_be_switched_off(self):
        self.device()
        self.assertEqual(ask_due(), 0)

    @override_settings(INVENTORY_HOURS=72)
    def test_how_often_is_a_setting(self):
        self.device()
        self.assertEqual(ask_due(), 0)

    def test_a_run_stops_after_so_many_and_the_next_one_goes_on(self):
        for _ in range(5):
            self.device()
        with mock.patch.object(inventories, "BATCH", 2), mock.patch.object(inventories, "MOST", 3):
            self.assertEqual([ask_due() for _ in range(3)], [4, 1, 0])

    def test_the_number_of_statements_does_not_grow_with_the_devices(self):
        counts = set()
        for more in (2, 5):
            for _ in range(more):
                self.device()
                self.device(platform="macOS")
            with CaptureQueriesContext(connection) as queries:
                self.assertEqual(ask_due(), 2 * more)
            counts.add(len(queries))
        self.assertEqual(len(counts), 1, counts)
