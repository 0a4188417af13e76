"""The device list as a file for spreadsheets."""

import csv
import io
from unittest import mock

from devices.admin.list import export as export_module
from devices.models import Device
from mdm.accounts.models import Role
from tests.admin.test_device_list_filters import ListTestCase
from tests.factories import make_attribute, make_attribute_value, make_device, make_device_user, make_group


class ExportTest(ListTestCase):
    def export(self, **data: str) -> list[list[str]]:
        response = self.client.post(self.url(Device, "list_export"), data)
        self.assertEqual(response.status_code, 200)
        self.assertTrue(response.streaming)
        self.assertIn("attachment", response["Content-Disposition"])
        raw = b"".join(response.streaming_content)
        self.assertTrue(raw.startswith(b"\xef\xbb\xbf"))
        return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))

    def test_it_has_the_devices_that_fit_and_the_columns_that_are_shown(self) -> None:
        make_device(self.account, name="Müller’s Mac", platform="macOS", serial_number="C02")
        make_device(self.account, name="Phone", platform="iOS")
        make_device(self.other_account, name="Theirs", platform="macOS")
        rows = self.export(query="platform=macOS", columns="device,serial,supervised", which="shown")
        self.assertEqual(rows, [["Device", "Serial number", "Supervised"], ["Müller’s Mac", "C02", "Yes"]])

    def test_it_may_have_all_columns_with_attributes_and_without_secret_values(self) -> None:
        facts = {"AvailableDeviceCapacity": 12.5, "BatteryLevel": 0.5}
        device = make_device(self.account, name="Mac", platform="macOS", information=facts)
        make_device_user(device, username="ada", full_name="Ada Lovelace")
        make_attribute_value(device, make_attribute(self.account, "room"), "B 12")
        make_attribute_value(device, make_attribute(self.account, "pin", secret=True), "1234")
        heading, row = self.export(which="all")
        found = dict(zip(heading, row, strict=True))
        self.assertEqual(found["room"], "B 12")
        self.assertEqual(found["Users"], "Ada Lovelace")
        self.assertEqual((found["Storage free (GB)"], found["Battery (%)"]), ("12.5", "50"))
        self.assertNotIn("pin", heading)
        self.assertNotIn("1234", row)

    def test_what_a_spreadsheet_would_run_is_text(self) -> None:
        make_device(self.account, name='=HYPERLINK("http://evil")', phone_number="+49123")
        make_attribute(self.account, "room", default="@sum")
        row = self.export(which="all")[1]
        self.assertIn('\'=HYPERLINK("http://evil")', row)
        self.assertIn("'+49123", row)
        self.assertIn("'@sum", row)

    def test_every_batch_is_in_it_once(self) -> None:
        group = make_group(self.account)
        names = {f"Device {number}" for number in range(25)}
        for name in names:
            make_device(self.account, name=name, group=group)
        with mock.patch.object(export_module, "CHUNK", 10):
            rows = self.export(columns="device")
        self.assertEqual(len(rows), 26)
        self.assertEqual({row[0] for row in rows[1:]}, names)

    def test_that_somebody_took_it_is_in_the_log(self) -> None:
        make_device(self.account)
        self.export(query="state=enrolled&q=a", columns="device,udid")
        event = self.events("devices.exported")[0]
        self.assertEqual((event.metadata["filters"], event.metadata["columns"]), (2, ["device", "udid"]))
        self.assertEqual(event.actor_label, "operator@acme.example")

    def test_a_read_only_person_may_take_it_and_nobody_by_a_link(self) -> None:
        make_device(self.account)
        self.client = self.people[Role.READ_ONLY]
        self.assertEqual(len(self.export(columns="device")), 2)
        self.assertEqual(self.client.get(self.url(Device, "list_export")).status_code, 405)

    def test_a_file_that_broke_off_says_so(self) -> None:
        make_device(self.account)
        response = self.client.post(self.url(Device, "list_export"), {"columns": "device"})
        pieces = []
        with (
            mock.patch.object(export_module, "load", side_effect=RuntimeError),
            self.assertLogs("devices.admin.list.export", "ERROR"),
            self.assertRaises(RuntimeError),
        ):
            pieces.extend(iter(response.streaming_content))
        self.assertIn(b"broke off after 0 devices", b"".join(pieces))
