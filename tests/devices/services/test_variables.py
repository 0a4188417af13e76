import plistlib
import time
from datetime import UTC, datetime
from unittest import TestCase

from devices.services.errors import NotPossible
from devices.services.variables import BUILT_IN, MAX_FILLED_LENGTH, fill, variables_of
from tests.base import AccountTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_device_user,
    make_group,
)


class VariablesOfTest(AccountTestCase):
    def test_facts_of_the_device(self):
        device = make_device(
            self.account, name="Sara's", group=make_group(self.account, "Sales"), imei="35 4", phone_number="+1555"
        )
        found = variables_of(device)
        expected = {
            "serial_number": device.serial_number,
            "udid": device.udid,
            "name": "Sara's",
            "device_name": device.device_name,
            "imei": "35 4",
            "model_name": "iPhone",
            "os_version": "17.5",
            "phone_number": "+1555",
            "wifi_mac": "",
            "device_group": "Sales",
            "device_id": str(device.pk),
            "user_short_name": "",
        }
        self.assertEqual({name: found[name] for name in expected}, expected)
        self.assertEqual(set(found), BUILT_IN)

    def test_attributes_with_what_counts_secret_ones_too_and_before_facts(self):
        device = make_device(self.account)
        make_attribute(self.account, "Office", default="Berlin")
        make_attribute_value(device, make_attribute(self.account, "WiFi_Key", secret=True), "hush")
        make_attribute_value(device, make_attribute(self.account, "Serial_Number"), "ours")
        make_attribute(self.account, "empty")
        found = variables_of(device)
        names = ("office", "wifi_key", "serial_number", "empty")
        self.assertEqual([found[name] for name in names], ["Berlin", "hush", "ours", ""])

    def test_the_user_is_the_managed_one_seen_last_or_whoever_is_logged_in(self):
        device = make_device(self.account, platform="macOS")
        make_device_user(device, "first", logged_in=False)
        make_device_user(device, "sara", full_name="Sara Miller", logged_in=True)
        self.assert_user(device, "sara", "Sara Miller")
        seen = datetime(2024, 7, 1, tzinfo=UTC)
        make_channel(device, user_key="U1", user_short_name="ann", user_long_name="Ann Lee", last_seen_at=seen)
        other = make_channel(device, user_key="U2", user_short_name="bob")
        make_channel(device, user_key="U3", user_short_name="gone", state="closed")
        self.assert_user(device, "ann", "Ann Lee")
        self.assertEqual(variables_of(device, user=other)["user_short_name"], "bob")

    def assert_user(self, device, short: str, long: str) -> None:
        found = variables_of(device)
        self.assertEqual((found["user_short_name"], found["user_long_name"]), (short, long))


class FillTest(TestCase):
    known = {"office": "Berlin & Rome", "floor": "1", "nested": "{{floor}}", "empty": ""}

    def filled(self, text: str, *, escape: bool = False) -> str:
        as_bytes = fill(text.encode(), self.known, escape=escape)
        as_text = fill(text, self.known, escape=escape)
        self.assertEqual(as_bytes.decode(), as_text)
        return as_text

    def test_names_in_either_form_and_any_case(self):
        for text in ("{{floor}}", "{{ floor }}", "{{\tFLOOR}}", "{{$floor}}", "{{ $Floor }}"):
            self.assertEqual(self.filled(f"<{text}>{text}"), "<1>1", text)
        self.assertEqual(self.filled("{{empty}}"), "")

    def test_what_is_not_known_or_no_variable_stays_as_it_is(self):
        for text in (
            "{{other}}",
            "{floor}",
            "{{flo or}}",
            "{{floor}",
            "{{}}",
            "{{$$floor}}",
            "{{flöor}}",
            "$floor",
            "{{",
        ):
            self.assertEqual(self.filled(text), text)
        self.assertEqual(self.filled("{{{floor}}}"), "{1}")

    def test_values_are_not_searched_again(self):
        self.assertEqual(self.filled("{{nested}}"), "{{floor}}")

    def test_escaping_keeps_xml_well_formed(self):
        self.assertEqual(self.filled("<a>{{office}}</a>", escape=True), "<a>Berlin &amp; Rome</a>")
        self.assertEqual(self.filled("{{office}}"), "Berlin & Rome")
        hostile = "</string><true/>\"'\r\x00\x01\ufffe]]>ü"
        document = plistlib.dumps({"Key": "{{hostile}}"})
        found = plistlib.loads(fill(document, {"hostile": hostile}, escape=True))
        self.assertEqual(found, {"Key": "</string><true/>\"'\r]]>ü"})

    def test_bytes_that_are_no_text_pass_through(self):
        self.assertEqual(fill(b"\xff{{floor}}\x00\xfe", self.known), b"\xff1\x00\xfe")

    def test_the_result_is_bounded(self):
        with self.assertRaisesRegex(NotPossible, "longer than"):
            fill("{{long}}" * 300, {"long": "x" * 65536})
        self.assertEqual(len(fill("{{long}}" * 100, {"long": "x" * 65536})), 6_553_600)
        self.assertLess(6_553_600, MAX_FILLED_LENGTH)

    def test_hostile_text_takes_no_longer_than_its_length(self):
        start = time.process_time()
        for text in ("{{" * 500_000, "{{" + " " * 1_000_000, "{{ " * 300_000, "{{" + "a" * 1_000_000, "{{a " * 250_000):
            self.assertEqual(fill(text, self.known), text)
            self.assertEqual(fill(text.encode(), self.known), text.encode())
        self.assertLess(time.process_time() - start, 5)
