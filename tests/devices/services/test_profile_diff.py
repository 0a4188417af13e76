"""What differs between two versions of a profile, and what people see of its values."""

import plistlib
from datetime import datetime
from typing import Any

from django.test import SimpleTestCase

from devices.services.profile_diff import Change, PayloadChange, compare
from devices.services.profile_values import MASK, MAX_TEXT, payloads_of
from mdm.protocol.errors import ProtocolError
from tests.factories import make_mobileconfig, make_payload, make_signed

WIFI = make_payload(SSID_STR="Office", Password="correct horse", AutoJoin=True)


def profile(*payloads: dict[str, Any], **top: Any) -> bytes:
    return make_mobileconfig("a.b", *payloads, **{"PayloadUUID": "0", "PayloadDisplayName": "Office", **top})


def only(before: bytes, after: bytes) -> PayloadChange:
    (change,) = compare(before, after)
    return change


class CompareTest(SimpleTestCase):
    def changed(self, **values: Any) -> dict[tuple[str, ...], tuple[str, str | None, str | None]]:
        change = only(profile(WIFI), profile(WIFI | values))
        self.assertEqual((change.payload_type, change.change), ("com.apple.wifi.managed", Change.CHANGED))
        return {
            one.path: (one.change, one.before and one.before.text, one.after and one.after.text)
            for one in change.values
        }

    def test_the_same_settings_differ_in_nothing_whatever_their_form(self) -> None:
        content = profile(WIFI, Dates=datetime(2026, 1, 2, 3, 4, 5))
        binary = plistlib.dumps(plistlib.loads(content), fmt=plistlib.FMT_BINARY, sort_keys=False)
        for other in (content, binary, make_signed(content)):
            self.assertEqual(compare(content, other), [])

    def test_values_are_added_removed_and_changed_key_by_key(self) -> None:
        self.assertEqual(
            self.changed(SSID_STR="Lab", HIDDEN_NETWORK=False),
            {("SSID_STR",): ("changed", "Office", "Lab"), ("HIDDEN_NETWORK",): ("added", None, "false")},
        )
        shorter = {key: value for key, value in WIFI.items() if key != "AutoJoin"}
        (gone,) = only(profile(WIFI), profile(shorter)).values
        self.assertEqual((gone.path, gone.change, gone.before.text), (("AutoJoin",), Change.REMOVED, "true"))

    def test_nested_values_are_named_by_where_they_stand(self) -> None:
        before = WIFI | {"EAP": {"Types": [13], "Servers": [{"Name": "a"}]}}
        after = WIFI | {"EAP": {"Types": [13, 25], "Servers": [{"Name": "a"}, {"Name": "b"}]}}
        found = {one.path: one.change for one in only(profile(before), profile(after)).values}
        self.assertEqual(found, {("EAP", "Types"): "changed", ("EAP", "Servers", "2", "Name"): "added"})

    def test_true_and_one_are_different_values(self) -> None:
        self.assertEqual(self.changed(AutoJoin=1), {("AutoJoin",): ("changed", "true", "1")})

    def test_a_changed_secret_is_said_to_be_another_one_and_never_shown(self) -> None:
        change = only(profile(WIFI), profile(WIFI | {"Password": "battery staple"}))
        (value,) = change.values
        self.assertEqual((value.before.text, value.after.text), (MASK, MASK))
        self.assertTrue(value.after.is_secret)
        text = " ".join(f"{line.before} {line.after}" for line in change.lines)
        self.assertIn(f"{MASK} (another one)", text)
        for secret in ("correct horse", "battery staple"):
            self.assertNotIn(secret, repr(change))

    def test_payloads_are_found_again_by_uuid_identifier_or_kind(self) -> None:
        dock = make_payload("com.apple.dock", size=1)
        self.assertEqual(compare(profile(WIFI, dock), profile(dock, WIFI)), [])
        for other in (WIFI | {"PayloadUUID": "new"}, WIFI | {"PayloadUUID": "new", "PayloadIdentifier": "new"}):
            changes = compare(profile(WIFI, dock), profile(dock, other))
            self.assertEqual([one.change for one in changes], [Change.CHANGED])

    def test_whole_payloads_come_and_go(self) -> None:
        dock = make_payload("com.apple.dock", size=1)
        added, removed = only(profile(WIFI), profile(WIFI, dock)), only(profile(WIFI, dock), profile(WIFI))
        self.assertEqual((added.change, removed.change), (Change.ADDED, Change.REMOVED))
        self.assertEqual([one.path for one in added.values], [("size",)])
        self.assertTrue(all(line.before is None for line in added.lines))

    def test_the_profiles_own_keys_come_first(self) -> None:
        changes = compare(profile(WIFI), profile(WIFI | {"AutoJoin": False}, PayloadDisplayName="Lab"))
        self.assertEqual([one.payload_type for one in changes], ["", "com.apple.wifi.managed"])

    def test_data_is_told_apart_by_its_fingerprint(self) -> None:
        before, after = WIFI | {"Icon": b"1" * 2000}, WIFI | {"Icon": b"2" * 2000}
        (value,) = only(profile(before), profile(after)).values
        self.assertIn("2,000 bytes", value.before.text)
        self.assertNotEqual(value.before.text, value.after.text)

    def test_what_is_very_long_is_cut(self) -> None:
        before = WIFI | {"Many": [{"n": number} for number in range(3000)]}
        change = only(profile(before), profile(before | {"AutoJoin": False}))
        self.assertTrue(change.cut)
        (value,) = only(profile(WIFI), profile(WIFI | {"Note": "x" * 5000})).values
        self.assertEqual(len(value.after.text), MAX_TEXT + 1)


class PayloadsTest(SimpleTestCase):
    def values(self, content: bytes) -> dict[str, str]:
        (payload,) = payloads_of(content)
        return {" ".join(value.path): value.shown.text for value in payload.values}

    def test_what_every_payload_has_is_left_out(self) -> None:
        self.assertEqual(self.values(profile(WIFI)), {"SSID_STR": "Office", "Password": MASK, "AutoJoin": "true"})

    def test_secrets_are_known_by_their_names_at_any_depth(self) -> None:
        payload = make_payload(
            IPSec={"SharedSecret": b"abc", "AuthName": "ann"},
            Challenge="xyz",
            APIToken="t",
            allowPasswordAutoFill=True,
            PasswordAgeLimit=3,
        )
        self.assertEqual(
            self.values(profile(payload)),
            {
                "IPSec SharedSecret": MASK,
                "IPSec AuthName": "ann",
                "Challenge": MASK,
                "APIToken": MASK,
                "allowPasswordAutoFill": "true",
                "PasswordAgeLimit": "3",
            },
        )

    def test_a_variable_in_place_of_a_secret_is_shown(self) -> None:
        self.assertEqual(self.values(profile(make_payload(Password="{{pin}}")))["Password"], "{{pin}}")
        self.assertEqual(self.values(profile(make_payload(Password="x{{pin}}")))["Password"], MASK)

    def test_variables_that_stand_for_numbers_switches_and_data_are_shown_as_they_stand(self) -> None:
        content = profile(make_payload(Port=3, On=True, Icon=b"1", Bare="q"))
        content = content.replace(b"<integer>3<", b"<integer>{{port}}<").replace(b"<true/>", b"<{{switch}}/>")
        content = content.replace(b"MQ==", b"{{icon}}").replace(b"<string>q</string>", b"{{bare}}")
        values = {name: text.strip() for name, text in self.values(content).items()}
        self.assertEqual(values, {"Port": "{{port}}", "On": "{{switch}}", "Icon": "{{icon}}", "Bare": "{{bare}}"})

    def test_what_is_no_profile_is_refused_with_its_fault(self) -> None:
        with self.assertRaises(ProtocolError):
            payloads_of(b"no plist")
