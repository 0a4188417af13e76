"""Sending commands: to the right line, and only what the device can obey."""

import plistlib

from devices.services import actions
from devices.services.errors import NotEnrolled
from devices.services.platforms import platform_of
from devices.services.sending import find_channel, send, send_raw, target_of
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import CommandExists
from mdm.commands.states import State
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import InvalidCommand, NotSupported, Platform, Request
from tests.base import AccountTestCase
from tests.factories import make_channel, make_command, make_device


class SendTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone = make_device(self.account)
        self.mac = make_device(self.account, platform="macOS")

    def test_a_command_goes_to_the_devices_own_line(self) -> None:
        make_channel(self.mac, user_key="JANE")
        command = send(self.mac, Request("RestartDevice"), actor=SYSTEM, command_uuid="MINE")
        self.assertEqual((command.channel, command.command_uuid), (self.mac.device_channel, "MINE"))
        with self.assertRaises(CommandExists):
            send(self.mac, Request("RestartDevice"), actor=SYSTEM, command_uuid="MINE")

    def test_a_command_goes_to_a_user_by_key_or_short_name(self) -> None:
        jane = make_channel(self.mac, user_key="JANE-KEY", user_short_name="jane")
        for user in ("JANE-KEY", "jane"):
            self.assertEqual(send(self.mac, Request("ProfileList"), actor=SYSTEM, user_key=user).channel, jane)
        with self.assertRaisesMessage(NotEnrolled, "The user john"):
            send(self.mac, Request("ProfileList"), actor=SYSTEM, user_key="john")

    def test_a_device_that_is_not_enrolled_is_refused(self) -> None:
        with self.assertRaises(NotEnrolled):
            send(make_device(self.account, enrolled=False), Request("SecurityInfo"), actor=SYSTEM)
        for state in (ChannelState.AUTHENTICATED, ChannelState.LEAVING, ChannelState.CLOSED):
            Channel.objects.filter(device=self.phone).update(state=state)
            with self.assertRaises(NotEnrolled):
                send(self.phone, Request("SecurityInfo"), actor=SYSTEM)
        self.assertFalse(Command.objects.exists())

    def test_what_the_device_cannot_obey_is_refused(self) -> None:
        unsupervised = make_device(self.account, is_supervised=False)
        old = make_device(self.account, os_version="9.3.5")
        for device, request in (
            (self.phone, Request("SetFirmwarePassword", {"NewPassword": "x"})),
            (self.mac, Request("EnableLostMode", {"Message": "Call"})),
            (unsupervised, Request("RestartDevice")),
            (old, Request("RestartDevice")),
        ):
            with self.assertRaises(NotSupported):
                send(device, request, actor=SYSTEM)
        with self.assertRaises(InvalidCommand):
            send(self.phone, Request("DeviceLock", {"Nonsense": 1}), actor=SYSTEM)
        self.assertFalse(Command.objects.exists())

    def test_what_is_not_known_of_a_device_is_no_reason_to_refuse(self) -> None:
        unknown = make_device(self.account, platform="", os_version="", is_supervised=None)
        self.assertEqual(target_of(unknown).platform, None)
        send(unknown, Request("RestartDevice"), actor=SYSTEM)

    def test_a_raw_command_is_sent_whatever_it_asks(self) -> None:
        send_raw(self.phone, plistlib.dumps({"Command": {"RequestType": "FutureThing"}}), actor=SYSTEM)
        self.assertEqual(Command.objects.get().request_type, "FutureThing")
        with self.assertRaises(ProtocolError):
            send_raw(self.phone, b"rubbish", actor=SYSTEM)
        with self.assertRaises(NotEnrolled):
            send_raw(make_device(self.account, enrolled=False), b"rubbish", actor=SYSTEM)

    def test_the_target_is_what_the_device_told(self) -> None:
        target = target_of(self.mac, is_user_channel=True)
        self.assertEqual((target.platform, target.os_version, target.is_user_channel), (Platform.MACOS, "14.5", True))

    def test_a_line_is_found_with_its_device(self) -> None:
        channel = find_channel(self.phone)
        with self.assertNumQueries(0):
            self.assertEqual(channel.device, self.phone)


class RefreshTest(AccountTestCase):
    def test_the_whole_inventory_is_asked_for_and_nothing_twice(self) -> None:
        mac = make_device(self.account, platform="macOS")
        make_command(mac, "SecurityInfo", state=State.SENT)
        make_command(mac, "ProfileList", state=State.ACKNOWLEDGED)
        names = [command.request_type for command in actions.refresh(mac)]
        self.assertEqual(
            names, ["DeviceInformation", "InstalledApplicationList", "ProfileList", "CertificateList", "UserList"]
        )
        self.assertEqual(actions.refresh(mac), [])

    def test_every_platform_can_be_asked(self) -> None:
        for platform in ("", "iOS", "macOS", "tvOS", "visionOS", "watchOS"):
            for is_user_enrollment in (False, True):
                device = make_device(
                    self.account, platform=platform, is_user_enrollment=is_user_enrollment, is_supervised=False
                )
                self.assertGreaterEqual(len(actions.refresh(device)), 4, (platform, is_user_enrollment))

    def test_a_device_that_is_not_enrolled_is_refused(self) -> None:
        with self.assertRaises(NotEnrolled):
            actions.refresh(make_device(self.account, enrolled=False))


class PlatformTest(AccountTestCase):
    def test_the_product_says_the_platform(self) -> None:
        for product, platform in (
            ("iPhone15,2", "iOS"),
            ("iPad13,1", "iOS"),
            ("iPod9,1", "iOS"),
            ("AppleTV14,1", "tvOS"),
            ("RealityDevice14,1", "visionOS"),
            ("Watch7,5", "watchOS"),
            ("MacBookPro18,1", "macOS"),
            ("Mac14,2", "macOS"),
            ("Macmini9,1", "macOS"),
            ("iMac21,1", "macOS"),
            ("VirtualMac2,1", "macOS"),
            ("Fridge1,1", ""),
            ("", ""),
        ):
            self.assertEqual(platform_of(product), platform, product)
        self.assertEqual(platform_of("", "Apple TV"), "tvOS")
        self.assertEqual(platform_of("", "MacBook Air"), "macOS")
