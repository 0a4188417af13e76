import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.v1.device_attributes import ATTRIBUTES, attributes_of
from api.v1.device_encoding import loaded
from devices.models import Device
from tests.base import AccountTestCase
from tests.data.device_facts import IPHONE_INFORMATION, IPHONE_SECURITY, MAC_INFORMATION, MAC_SECURITY
from tests.factories import make_dep_device, make_dep_server, make_device
from tests.factories.secrets import make_secrets

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "002_e8052d88a967e05e.txt"

# What clients find in every device, in this order: by type where it is known. A change here is one of the API.
KEYS = {
    "name": str,
    "last_seen_at": str,
    "last_seen_ip": str,
    "status": str,
    "enrolled_at": str,
    "enrollment_channels": list,
    "device_name": str,
    "os_version": str,
    "build_version": str,
    "supplemental_build_version": str,
    "supplemental_os_version_extra": str,
    "model_name": str,
    "model": str,
    "product_name": str,
    "unique_identifier": str,
    "serial_number": str,
    "processor_architecture": str,
    "imei": str,
    "meid": str,
    "device_capacity": float,
    "available_device_capacity": float,
    "battery_level": str,
    "time_zone": str,
    "modem_firmware_version": str,
    "iccid": str,
    "bluetooth_mac": str,
    "ethernet_macs": list,
    "wifi_mac": str,
    "current_carrier_network": str,
    "sim_carrier_network": str,
    "subscriber_carrier_network": str,
    "carrier_settings_version": str,
    "phone_number": str,
    "voice_roaming_enabled": bool,
    "data_roaming_enabled": bool,
    "is_roaming": bool,
    "subscriber_mcc": str,
    "subscriber_mnc": str,
    "simmcc": str,
    "simmnc": str,
    "current_mcc": str,
    "current_mnc": str,
    "service_subscriptions": list,
    "hardware_encryption_caps": int,
    "passcode_present": bool,
    "passcode_compliant": bool,
    "passcode_compliant_with_profiles": bool,
    "is_supervised": bool,
    "is_dep_enrollment": bool,
    "dep_enrolled": bool,
    "dep_assigned": bool,
    "user_enrollment": bool,
    "is_user_approved_enrollment": bool,
    "ddm_enabled": bool,
    "managed_apple_id": str,
    "auto_admin_name": str,
    "is_device_locator_service_enabled": bool,
    "is_do_not_disturb_in_effect": bool,
    "personal_hotspot_enabled": bool,
    "itunes_store_account_is_active": bool,
    "cellular_technology": int,
    "last_cloud_backup_date": str,
    "is_activation_lock_enabled": bool,
    "is_cloud_backup_enabled": bool,
    "lost_mode_enabled": bool,
    "filevault_enabled": bool,
    "filevault_recovery_key": str,
    "firmware_password_enabled": bool,
    "recovery_lock_password_enabled": bool,
    "remote_desktop_enabled": bool,
    "firmware_password": str,
    "recovery_lock_password": str,
    "firewall": {"enabled": bool, "block_all_incoming": bool, "stealth_mode": bool},
    "system_integrity_protection_enabled": bool,
    "os_update": {
        "automatic_os_installation_enabled": bool,
        "automatic_app_installation_enabled": bool,
        "automatic_check_enabled": bool,
        "automatic_security_updates_enabled": bool,
        "background_download_enabled": bool,
        "catalog_url": str,
        "default_catalog": bool,
        "perform_periodic_check": bool,
        "previous_scan_date": str,
        "previous_scan_result": str,
    },
    "location_latitude": str,
    "location_longitude": str,
    "location_accuracy": str,
    "location_updated_at": str,
}
UNKNOWABLE = {"ddm_enabled", "managed_apple_id"}
AT = datetime(2024, 7, 1, 21, 32, 19, tzinfo=UTC)
COLUMNS = {
    "imei": "35 445506 652132 5",
    "meid": "35404596608032",
    "phone_number": "+15555555555",
    "wifi_mac": "f0:db:e2:df:e9:2f",
    "bluetooth_mac": "f0:db:e2:df:e9:11",
    "ethernet_mac": "f0:db:e2:00:00:01",
    "is_dep_enrollment": True,
    "location": {"latitude": "50.1", "longitude": "8.68", "accuracy": "65", "at": AT.isoformat()},
}


def all_known(account) -> Device:
    """A device that has everything, which there is none of."""
    information = IPHONE_INFORMATION | MAC_INFORMATION | {"BatteryLevel": 0.5, "SIMCarrierNetwork": "Verizon"}
    security = IPHONE_SECURITY | MAC_SECURITY
    device = make_device(account, platform="macOS", information=information, security=security, **COLUMNS)
    device.channels.update(last_seen_at=AT, last_seen_ip="203.0.113.7")
    make_secrets(device, filevault_recovery_key="ABCD", firmware_password="fw", recovery_lock_password="rl")
    make_dep_device(make_dep_server(account), device=device)
    return device


class DeviceAttributesTest(AccountTestCase):
    def attributes(self, device: Device) -> dict:
        """As they arrive at the client."""
        return json.loads(json.dumps(attributes_of(loaded(Device.objects.filter(pk=device.pk)).get())))

    def test_the_keys_are_those_of_the_api_in_their_order(self):
        self.assertEqual(list(self.attributes(all_known(self.account))), list(KEYS))
        self.assertEqual(list(ATTRIBUTES), list(KEYS))

    def test_each_value_has_its_type(self):
        self.assert_typed(self.attributes(all_known(self.account)), KEYS, may_be_null=UNKNOWABLE)

    def test_what_is_not_known_is_null_and_there(self):
        for device in (make_device(self.account), make_device(self.account, enrolled=False)):
            attributes = self.attributes(device)
            self.assertEqual(list(attributes), list(KEYS))
            self.assert_typed(attributes, KEYS, may_be_null=set(KEYS))
            known = {
                name for name, value in attributes.items() if value not in (None, []) and not isinstance(value, dict)
            }
            self.assertLessEqual({"name", "status", "model_name", "user_enrollment", "dep_assigned"}, known)
            self.assertEqual(set(attributes["os_update"].values()), {None})

    def assert_typed(self, values: dict, types: dict, *, may_be_null: set[str]) -> None:
        self.assertEqual(list(values), list(types))
        for name, kind in types.items():
            if isinstance(kind, dict):
                self.assert_typed(values[name], kind, may_be_null=set(kind) if name in may_be_null else set())
            elif not (values[name] is None and name in may_be_null):
                self.assertIs(type(values[name]), kind, name)

    def test_numbers_and_times_that_nothing_can_hold_are_not_known(self):
        """One such device must not take the list of all devices away."""
        for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon"):
            information = {"LastCloudBackupDate": at, "CellularTechnology": 1e300, "DeviceCapacity": 2**63 - 1}
            make_device(self.account, information=information, security={"HardwareEncryptionCaps": -(2.0**64)})
        response = self.api.get("/api/v1/devices")
        self.assertEqual(response.status_code, 200, response.content)
        for row in response.json()["data"]:
            shown = row["attributes"]
            for name in ("last_cloud_backup_date", "cellular_technology", "hardware_encryption_caps"):
                self.assertIsNone(shown[name], name)
            self.assertIsInstance(shown["device_capacity"], float)

    def test_what_a_mac_entrusted_is_shown_and_what_is_pending_is_not(self):
        device = make_device(self.account, platform="macOS")
        make_secrets(
            device, filevault_recovery_key="ABCD-EFGH", pending_firmware_password="not yet", admin_password="no"
        )
        attributes = self.attributes(device)
        self.assertEqual(attributes["filevault_recovery_key"], "ABCD-EFGH")
        self.assertEqual((attributes["firmware_password"], attributes["recovery_lock_password"]), (None, None))
        self.assertNotIn("no", attributes.values())

    def test_apples_list_tells_whether_it_is_assigned(self):
        device, other = make_device(self.account), make_device(self.account)
        make_dep_device(make_dep_server(self.account), device=device)
        self.assertIs(self.attributes(device)["dep_assigned"], True)
        self.assertIs(self.attributes(other)["dep_assigned"], False)

    def test_where_it_was(self):
        attributes = self.attributes(make_device(self.account, location=COLUMNS["location"] | {"accuracy": ""}))
        self.assertEqual((attributes["location_latitude"], attributes["location_longitude"]), ("50.1", "8.68"))
        self.assertIsNone(attributes["location_accuracy"])
        self.assertEqual(attributes["location_updated_at"], "2024-07-01T21:32:19.000Z")

    def test_it_costs_no_statement_for_devices_that_were_loaded_for_it(self):
        for _ in range(3):
            all_known(self.account)
        make_device(self.account)
        devices = list(loaded(Device.objects.filter(account=self.account)))
        with self.assertNumQueries(0):
            for device in devices:
                attributes_of(device)

    @pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not here")
    def test_the_reference_shows_the_same_keys_and_types(self):
        page = REFERENCE.read_text()
        example = page[page.index("curl https://a.simplemdm.com/api/v1/devices/121 ") :]
        start = example.index('"attributes": ') + len('"attributes": ')
        shown, _ = json.JSONDecoder().raw_decode(example[start:])
        ours = self.attributes(all_known(self.account))
        self.assertEqual([key for key in ours if key in shown], list(shown))
        for section in ("firewall", "os_update"):
            self.assertEqual(list(shown[section]), list(KEYS[section]))
        for name, value in shown.items():
            if value is not None and not isinstance(value, dict):
                self.assertIs(type(value), KEYS[name], name)

    @pytest.mark.skipif(not REFERENCE.parents[1].joinpath("compatibility.md").exists(), reason="it is not here")
    def test_newer_clients_find_theirs(self):
        page = REFERENCE.parents[1].joinpath("compatibility.md").read_text()
        listed = re.search(r"- Device attributes also: (.*?)\.\n", page, re.DOTALL)[1]
        self.assertEqual(set(re.findall(r"`(\w+)`", listed)) - set(KEYS), set())
