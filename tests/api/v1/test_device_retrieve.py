import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.models import DeviceSecrets
from mdm.channels.models import Channel, ChannelState
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.data.device_facts import IPHONE_INFORMATION, IPHONE_SECURITY, MAC_INFORMATION, MAC_SECURITY
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_enrollment,
)

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "002_e8052d88a967e05e.txt"
# Served beside those of the reference; newer clients need them.
NEWER = {
    "enrolled_at",
    "auto_admin_name",
    "dep_enrolled",
    "dep_assigned",
    "lost_mode_enabled",
    "time_zone",
    "user_enrollment",
    "ddm_enabled",
    "supplemental_build_version",
    "supplemental_os_version_extra",
    "service_subscriptions",
    "managed_apple_id",
    "simmcc",
}


class DeviceRetrieveTest(AccountTestCase):
    def attributes(self, device) -> dict:
        response = self.api.get(f"/api/v1/devices/{device.pk}")
        self.assertEqual(response.status_code, 200, response.content)
        self.assertEqual((response.json()["data"]["type"], response.json()["data"]["id"]), ("device", device.pk))
        return response.json()["data"]["attributes"]

    def assert_attributes(self, device, **expected) -> None:
        attributes = self.attributes(device)
        self.assertEqual({name: attributes[name] for name in expected}, expected)

    def test_an_iphone(self):
        device = make_device(self.account, information=IPHONE_INFORMATION, security=IPHONE_SECURITY, imei="35 4")
        self.assert_attributes(
            device,
            name=device.name,
            status="enrolled",
            enrollment_channels=["device"],
            unique_identifier=device.udid,
            serial_number=device.serial_number,
            model_name="iPhone",
            processor_architecture=None,
            imei="35 4",
            meid=None,
            device_capacity=128.0,
            available_device_capacity=119.07,
            battery_level="93%",
            cellular_technology=3,
            hardware_encryption_caps=3,
            passcode_present=True,
            passcode_compliant_with_profiles=False,
            is_supervised=True,
            is_activation_lock_enabled=True,
            last_cloud_backup_date="2024-06-30T08:15:00.000Z",
            lost_mode_enabled=False,
            time_zone="Europe/Berlin",
            user_enrollment=False,
            supplemental_build_version="21F91",
            ethernet_macs=[],
            filevault_enabled=None,
            firewall={"enabled": None, "block_all_incoming": None, "stealth_mode": None},
            location_latitude=None,
        )

    def test_a_mac(self):
        device = make_device(
            self.account,
            platform="macOS",
            information=MAC_INFORMATION,
            security=MAC_SECURITY,
            is_dep_enrollment=True,
            ethernet_mac="f0:db:e2:00:00:01, f0:db:e2:00:00:02",
        )
        make_channel(device, user_key="501")
        self.assert_attributes(
            device,
            enrollment_channels=["device", "user"],
            processor_architecture="arm64",
            battery_level=None,
            ethernet_macs=["f0:db:e2:00:00:01", "f0:db:e2:00:00:02"],
            auto_admin_name="localadmin",
            filevault_enabled=True,
            firmware_password_enabled=False,
            recovery_lock_password_enabled=True,
            remote_desktop_enabled=False,
            system_integrity_protection_enabled=False,
            is_dep_enrollment=True,
            dep_enrolled=True,
            is_user_approved_enrollment=True,
            firewall={"enabled": True, "block_all_incoming": False, "stealth_mode": True},
            os_update={
                "automatic_os_installation_enabled": False,
                "automatic_app_installation_enabled": False,
                "automatic_check_enabled": True,
                "automatic_security_updates_enabled": True,
                "background_download_enabled": True,
                "catalog_url": "https://example.com/catalog",
                "default_catalog": False,
                "perform_periodic_check": True,
                "previous_scan_date": "2024-06-30T08:15:00.000Z",
                "previous_scan_result": "0",
            },
        )

    def test_what_is_said_of_several_sims_is_that_of_the_one_for_data(self):
        device = make_device(self.account, information=IPHONE_INFORMATION)
        self.assert_attributes(
            device,
            iccid="8914 8110 0002 8094 4264",
            current_carrier_network="Verizon",
            carrier_settings_version="46.0.1",
            current_mcc="310",
            subscriber_mcc="311",
        )
        subscriptions = self.attributes(device)["service_subscriptions"]
        self.assertEqual([entry["label"] for entry in subscriptions], ["Secondary", "Primary"])
        self.assertEqual(subscriptions[1]["iccid"], "8914 8110 0002 8094 4264")
        self.assertIsNone(subscriptions[0]["iccid"])

    def test_when_and_from_where_it_was_last_seen(self):
        device = make_device(self.account, enrolled_at=datetime(2024, 7, 1, 21, 32, 19, 123456, UTC))
        Channel.objects.update(last_seen_at=datetime(2024, 7, 2, 1, 2, 3, tzinfo=UTC), last_seen_ip="203.0.113.7")
        self.assert_attributes(
            device,
            last_seen_at="2024-07-02T01:02:03.000Z",
            last_seen_ip="203.0.113.7",
            enrolled_at="2024-07-01T21:32:19.123Z",
        )

    def test_an_awaited_device_tells_its_link_and_nothing_else_is_known(self):
        device = make_device(self.account, enrolled=False)
        enrollment = make_enrollment(device=device)
        attributes = self.attributes(device)
        self.assertEqual(attributes["status"], "awaiting enrollment")
        self.assertEqual(attributes["enrollment_url"], enrollment.url)
        self.assertEqual((attributes["model_name"], attributes["os_version"]), ("Unknown", None))
        self.assertEqual((attributes["enrollment_channels"], attributes["last_seen_at"]), ([], None))

    def test_a_device_that_left(self):
        device = make_device(self.account, state="unenrolled")
        Channel.objects.update(state=ChannelState.CLOSED)
        self.assert_attributes(device, status="unenrolled", enrollment_channels=[])

    def test_a_user_enrollment_is_known_by_its_enrollment_id(self):
        device = make_device(self.account, udid="", enrollment_id="E-1", is_user_enrollment=True, serial_number="")
        self.assert_attributes(device, unique_identifier="E-1", serial_number=None, user_enrollment=True)

    def test_a_device_that_lies_about_types_is_not_believed(self):
        lies = {key: {"unexpected": ["value"]} for key in [*IPHONE_INFORMATION, *MAC_INFORMATION]}
        secrets = dict.fromkeys([*IPHONE_SECURITY, *MAC_SECURITY], "yes")
        device = make_device(self.account, platform="macOS", information=lies, security=secrets)
        self.assert_attributes(
            device,
            battery_level=None,
            device_capacity=None,
            passcode_present=None,
            firewall={"enabled": None, "block_all_incoming": None, "stealth_mode": None},
            service_subscriptions=[],
            auto_admin_name=None,
            last_cloud_backup_date=None,
        )
        odd = {"ServiceSubscriptions": ["x"], "AutoSetupAdminAccounts": ["x"], "LastCloudBackupDate": "yesterday"}
        self.attributes(make_device(self.account, information=odd | {"BatteryLevel": True}))

    def test_every_attribute_is_always_there(self):
        self.assertEqual(
            set(self.attributes(make_device(self.account))),
            set(self.attributes(make_device(self.account, enrolled=False))) - {"enrollment_url"},
        )
        self.assertLessEqual(NEWER, set(self.attributes(make_device(self.account))))

    @pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not here")
    def test_it_has_every_attribute_of_the_reference(self):
        page = REFERENCE.read_text()
        example = page[page.index("curl https://a.simplemdm.com/api/v1/devices/121 ") :]
        example = example[: example.index('"relationships"')]
        documented = set(re.findall(r'"(\w+)":', example)) - {"data", "type", "id", "attributes"}
        attributes = self.attributes(make_device(self.account))
        served = set(attributes) | set(attributes["firewall"]) | set(attributes["os_update"])
        self.assertEqual(documented - served, set())

    def test_it_tells_the_assignment_groups_and_the_values_that_count(self):
        device = make_device(self.account)
        group = make_assignment_group(self.account, members=[self.group])
        make_attribute_value(group, make_attribute(self.account, "office"), "Rome")
        relationships = self.api.get(f"/api/v1/devices/{device.pk}").json()["data"]["relationships"]
        self.assertEqual([one["id"] for one in relationships["groups"]["data"]], [group.pk])
        values = relationships["custom_attribute_values"]["data"]
        self.assertEqual(
            values,
            [{"type": "custom_attribute_value", "id": "office", "attributes": {"value": "Rome", "secret": False}}],
        )

    def test_secret_values_are_shown_to_those_who_ask_and_may(self):
        device = make_device(self.account)
        url = f"/api/v1/devices/{device.pk}"
        ask = {"include_secret_custom_attributes": "1"}
        make_attribute_value(device, make_attribute(self.account, "key", secret=True), "hush")
        self.assertNotIn(b"hush", self.api.get(url).content)
        self.assertEqual(self.read_only_api.get(url, ask).status_code, 403)
        self.assertEqual(self.outsider_api.get(url, ask).status_code, 404)
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())
        self.assertIn(b"hush", self.api.get(url, ask).content)
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.device, event.actor_label), (device, "Test key"))
        self.assertEqual(event.metadata["secrets"], {"custom attribute key": str(device.pk)})

    def test_a_shown_recovery_key_stands_in_the_log_by_its_name(self):
        device = make_device(self.account, platform="macOS")
        DeviceSecrets.objects.create(account=self.account, device=device, filevault_recovery_key="ABCD-EFGH")
        self.assertEqual(self.attributes(device)["filevault_recovery_key"], "ABCD-EFGH")
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.device, list(event.metadata["secrets"])), (device, ["filevault_recovery_key"]))
        self.assertNotIn("ABCD", str(event.metadata))

    def test_an_outsider_gets_404(self):
        device = make_device(self.account)
        self.assertEqual(self.outsider_api.get(f"/api/v1/devices/{device.pk}").status_code, 404)
