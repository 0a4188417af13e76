"""The other check-in messages, and who is told to go."""

import json
import plistlib

from django.db import connection

from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from tests.factories import make_command
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import SignedDevice


def raw_column(table: str, column: str) -> list[bytes]:
    """What the database file holds, past the model's fields."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        return [bytes(value) for (value,) in cursor.fetchall()]


class BootstrapTokenTest(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = self.enrolled_device("macOS")

    def fetched(self) -> dict:
        response = self.mac.checkin("GetBootstrapToken")
        self.assertEqual(response.status_code, 200)
        return plistlib.loads(response.content)

    def test_it_is_stored_and_given_back(self) -> None:
        self.assertEqual(self.mac.checkin("SetBootstrapToken", BootstrapToken=b"the secret").status_code, 200)
        self.assertEqual(self.fetched(), {"BootstrapToken": b"the secret"})
        self.assertEqual(len(self.events("bootstrap_token.stored")), 1)
        self.assertEqual(len(self.events("bootstrap_token.fetched")), 1)
        self.assertNotIn("secret", str([event.metadata for event in self.events("bootstrap_token.stored")]))

    def test_without_one_the_answer_is_an_empty_dictionary(self) -> None:
        self.assertEqual(self.fetched(), {})
        self.assertEqual(self.events("bootstrap_token.fetched"), [])

    def test_it_is_forgotten_when_the_mac_takes_it_back(self) -> None:
        for taken_back in ({}, {"BootstrapToken": b""}):
            self.mac.checkin("SetBootstrapToken", BootstrapToken=b"the secret")
            self.assertEqual(self.mac.checkin("SetBootstrapToken", **taken_back).status_code, 200)
            self.assertEqual(self.fetched(), {})
        self.assertEqual(len(self.events("bootstrap_token.cleared")), 2)

    def test_the_database_holds_no_plain_text(self) -> None:
        self.mac.checkin("SetBootstrapToken", BootstrapToken=b"the bootstrap secret")
        self.mac.token_update(UnlockToken=b"the unlock secret")
        stored = raw_column("mdm_channels_channel", "bootstrap_token")
        stored += raw_column("mdm_channels_channel", "unlock_token")
        self.assertEqual(len(stored), 2)
        self.assertNotIn(b"secret", b"".join(stored))

    def test_another_devices_token_is_out_of_reach(self) -> None:
        self.mac.checkin("SetBootstrapToken", BootstrapToken=b"the secret")
        other = self.enrolled_device("macOS")
        response = other.checkin("GetBootstrapToken", UDID=self.mac.device_key)
        self.assertEqual(response.status_code, 403)
        self.assertNotIn(b"the secret", response.content)


class OtherMessagesTest(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = self.enrolled_device("macOS")

    def test_network_users_are_declined_with_410(self) -> None:
        user = self.mac.user()
        self.assertEqual(user.checkin("UserAuthenticate", UserShortName="jane").status_code, 410)
        self.assertEqual(user.checkin("UserAuthenticate", DigestResponse="Digest x").status_code, 410)
        self.assertEqual(Channel.objects.count(), 1)

    def test_a_token_service_that_is_not_served_is_404(self) -> None:
        response = self.mac.checkin("GetToken", TokenServiceType="com.apple.maid")
        self.assertEqual(response.status_code, 404)

    def declarative(self, endpoint: str, device: SignedDevice | None = None, **keys: object) -> object:
        return (device or self.mac).checkin("DeclarativeManagement", Endpoint=endpoint, **keys)

    def test_declarative_tokens_and_items_agree(self) -> None:
        user = self.mac.user()
        user.token_update()
        for device in (self.mac, user):
            tokens = json.loads(self.declarative("tokens", device).content)
            items = json.loads(self.declarative("declaration-items", device).content)
            self.assertEqual(tokens["SyncTokens"]["DeclarationsToken"], items["DeclarationsToken"])
            self.assertRegex(tokens["SyncTokens"]["Timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertEqual(set(items["Declarations"]), {"Activations", "Assets", "Configurations", "Management"})

    def test_an_unknown_declaration_is_404_and_an_unknown_endpoint_400(self) -> None:
        self.assertEqual(self.declarative("declaration/activation/com.example").status_code, 404)
        self.assertEqual(self.declarative("whatever").status_code, 400)

    def test_a_status_report_is_logged_by_its_parts(self) -> None:
        status = {"StatusItems": {"device": {"model": {}}, "a\ud800": 1}, "Errors": [{}]}
        response = self.declarative("status", Data=json.dumps(status).encode())
        self.assertEqual((response.status_code, response.content), (200, b""))
        (event,) = self.events("declarative.status")
        self.assertEqual(event.metadata["errors"], 1)
        self.assertEqual(event.metadata["parts"], ["a?", "device"])

    def test_a_status_report_that_is_no_json_object_is_400(self) -> None:
        for data in (b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000):
            self.assertEqual(self.declarative("status", Data=data).status_code, 400, data[:10])
        self.assertEqual(self.events("declarative.status"), [])


class WhoMustGoTest(DeviceTestCase):
    """401 removes management from a device, so exactly those get it that an operator removed."""

    MESSAGES = (
        ("TokenUpdate", {"Topic": "com.apple.mgmt.x", "Token": b"t", "PushMagic": "m"}),
        ("SetBootstrapToken", {"BootstrapToken": b"x"}),
        ("GetBootstrapToken", {}),
        ("UserAuthenticate", {}),
        ("GetToken", {"TokenServiceType": "com.apple.maid"}),
        ("DeclarativeManagement", {"Endpoint": "tokens"}),
    )

    def test_a_removed_device_gets_401_from_every_message_and_may_check_out(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        make_command(device.channel)
        remove_device(device.row, SYSTEM)
        for speaker in (device, user):
            self.assertEqual(speaker.connect("Idle").status_code, 401)
            for message_type, keys in self.MESSAGES:
                self.assertEqual(speaker.checkin(message_type, **keys).status_code, 401, message_type)
        self.assertEqual(device.channel.state, ChannelState.LEAVING)
        self.assertEqual(device.check_out().status_code, 200)
        self.assertEqual(device.connect("Idle").status_code, 403)

    def test_a_device_that_checked_out_gets_403(self) -> None:
        device = self.enrolled_device("macOS")
        device.check_out()
        self.assertEqual(device.connect("Idle").status_code, 403)
        for message_type, keys in self.MESSAGES:
            self.assertEqual(device.checkin(message_type, **keys).status_code, 403, message_type)

    def test_a_removed_device_that_is_invited_again_is_a_new_one_and_its_users_are_not_told_to_go(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        old = device.row
        remove_device(old, SYSTEM)
        link = self.identity_of(device).enrollment
        again = device.with_certificate(*self.issue(enrollment=link)).enroll()
        self.assertNotEqual(again.row.pk, old.pk)
        self.assertEqual(again.connect("Idle").status_code, 200)
        same_user = again.user(user.ids["UserID"])
        self.assertEqual(same_user.connect("Idle").status_code, 403)
        self.assertEqual(same_user.token_update().status_code, 200)
        self.assertEqual(same_user.channel.device, again.row)
