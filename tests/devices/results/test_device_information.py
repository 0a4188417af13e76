from datetime import UTC, datetime

from devices.results.facts import MAX_ITEMS
from mdm.endpoints.tasks import apply_results
from tests.devices.results.base import ResultTestCase, store_answer

IPHONE = {
    "UDID": "00008101-000A1B2C3D4E501E",
    "DeviceName": "Robin & Kim's iPhone",
    "OSVersion": "18.5",
    "BuildVersion": "22F76",
    "ModelName": "iPhone",
    "Model": "MPVN3QN",
    "ProductName": "iPhone15,2",
    "SerialNumber": "LABPHONE0001",
    "DeviceCapacity": 128.0,
    "AvailableDeviceCapacity": 101.5,
    "BatteryLevel": 0.75,
    "IsSupervised": True,
    "WiFiMAC": "02:00:00:00:00:01",
    "BluetoothMAC": "02:00:00:00:00:02",
    "LastCloudBackupDate": datetime(2024, 7, 1, 21, 32, 19),
    "ServiceSubscriptions": [
        {"IMEI": "35 000000 000001 0", "PhoneNumber": "+15550100", "Slot": "CTSubscriptionSlotOne"},
        {"IMEI": "35 000000 000002 0", "MEID": "A0000000000001", "Slot": "CTSubscriptionSlotTwo"},
    ],
}
MAC = {
    "DeviceName": "Jane's MacBook Air",
    "OSVersion": "15.5",
    "ProductName": "Mac15,12",
    "ModelName": "MacBook Air",
    "IsSupervised": False,
    "EthernetMACs": ["02:00:00:00:00:03", "02:00:00:00:00:04"],
    "HostName": "jane.local",
}


class DeviceInformationTest(ResultTestCase):
    def inform(self, device, facts, **options):
        return self.tell(device, "DeviceInformation", {"QueryResponses": facts}, **options)

    def test_an_iphone_fills_its_columns_and_facts(self):
        self.assert_read(self.inform(self.phone, IPHONE))
        phone = self.phone
        self.assertEqual(phone.device_name, "Robin & Kim's iPhone")
        self.assertEqual((phone.os_version, phone.build_version), ("18.5", "22F76"))
        self.assertEqual((phone.model, phone.model_name, phone.product_name), ("MPVN3QN", "iPhone", "iPhone15,2"))
        self.assertEqual((phone.wifi_mac, phone.bluetooth_mac), ("02:00:00:00:00:01", "02:00:00:00:00:02"))
        self.assertEqual((phone.imei, phone.meid), ("35 000000 000001 0", "A0000000000001"))
        self.assertEqual((phone.phone_number, phone.is_supervised, phone.platform), ("+15550100", True, "iOS"))
        self.assertEqual(phone.information["AvailableDeviceCapacity"], 101.5)
        self.assertEqual(phone.information["LastCloudBackupDate"], "2024-07-01T21:32:19Z")
        self.assertIsNotNone(phone.information_at)

    def test_a_mac_with_two_ethernet_ports(self):
        self.inform(self.mac, MAC)
        self.assertEqual(self.mac.ethernet_mac, "02:00:00:00:00:03, 02:00:00:00:00:04")
        self.assertEqual((self.mac.platform, self.mac.is_supervised), ("macOS", False))
        self.inform(self.mac, {"EthernetMAC": "02:00:00:00:00:05"})
        self.assertEqual(self.mac.ethernet_mac, "02:00:00:00:00:05")

    def test_the_name_that_operators_gave_stays(self):
        name = self.phone.name
        self.inform(self.phone, IPHONE)
        self.assertEqual(self.phone.name, name)

    def test_a_repeat_is_harmless(self):
        self.inform(self.phone, IPHONE)
        before = self.phone.information
        self.assert_read(self.inform(self.phone, IPHONE))
        self.assertEqual(self.phone.information, before)

    def test_an_answer_to_some_queries_keeps_the_other_facts(self):
        self.inform(self.phone, IPHONE)
        self.inform(self.phone, {"BatteryLevel": 0.5})
        self.assertEqual(self.phone.information["BatteryLevel"], 0.5)
        self.assertEqual(self.phone.information["DeviceCapacity"], 128.0)
        self.assertEqual(self.phone.os_version, "18.5")
        self.assertTrue(self.phone.is_supervised)

    def test_two_answers_of_one_batch_build_on_each_other(self):
        channel = self.phone.device_channel
        store_answer(channel, "DeviceInformation", {"QueryResponses": {"BatteryLevel": 0.5}})
        store_answer(channel, "DeviceInformation", {"QueryResponses": {"DeviceCapacity": 64.0}})
        apply_results()
        self.phone.refresh_from_db()
        self.assertEqual(self.phone.information, {"BatteryLevel": 0.5, "DeviceCapacity": 64.0})

    def test_what_opens_something_is_not_kept(self):
        secrets = {"ActivationLockBypassCode": "the secret", "UnlockToken": b"the secret", "PushToken": b"the secret"}
        self.inform(self.phone, {**IPHONE, **secrets})
        self.assertNotIn("secret", str(self.phone.information))
        self.assertFalse(set(secrets) & set(self.phone.information))

    def test_an_answer_on_a_users_channel_is_passed_over(self):
        command = self.inform(self.mac, {"DeviceName": "Something else"}, user_key="USER")
        self.assert_read(command)
        self.assertNotEqual(self.mac.device_name, "Something else")
        self.assertEqual(self.mac.information, {})

    def test_hostile_values_are_cut_turned_round_or_passed_over(self):
        hostile = {
            "DeviceName": "x" * 5000,
            "OSVersion": {"a": 1},
            "BuildVersion": 7,
            "SerialNumber": ["S"],
            "IsSupervised": "yes",
            "EthernetMACs": "02:00",
            "ServiceSubscriptions": {"IMEI": "1"},
            "Big": 2**63,
            "Bytes": b"\x00\xff" * 5000,
            "Deep": [[[[[[[[[[[["deep"]]]]]]]]]]]],
            "Long": "y" * 100_000,
            "k" * 1000: 1,
        }
        before = self.phone.serial_number
        self.assert_read(self.inform(self.phone, hostile))
        self.assertEqual(len(self.phone.device_name), 255)
        self.assertEqual((self.phone.build_version, self.phone.serial_number), ("7", before))
        self.assertIsNone(self.phone.is_supervised)
        self.assertEqual(self.phone.information["Big"], str(2**63))
        self.assertEqual(len(self.phone.information["Long"]), 4000)
        self.assertNotIn("deep", str(self.phone.information["Deep"]))

    def test_made_up_keys_do_not_pile_up_for_ever(self):
        for round_number in range(3):
            self.inform(self.phone, {f"Made{round_number}x{n}": n for n in range(MAX_ITEMS)})
        self.assertLessEqual(len(self.phone.information), 2 * MAX_ITEMS)

    def test_an_answer_without_query_responses_changes_no_fact(self):
        self.inform(self.phone, IPHONE)
        for answer in ({}, {"QueryResponses": "none"}, {"QueryResponses": []}):
            self.assert_read(self.tell(self.phone, "DeviceInformation", answer))
        self.assertEqual(self.phone.information["DeviceCapacity"], 128.0)

    def test_dates_are_utc(self):
        self.inform(self.phone, {"LastCloudBackupDate": datetime(2024, 1, 2, tzinfo=UTC).replace(tzinfo=None)})
        self.assertEqual(self.phone.information["LastCloudBackupDate"], "2024-01-02T00:00:00Z")
