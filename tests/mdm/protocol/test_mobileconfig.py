import plistlib
import time
from contextlib import suppress

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from mdm.common.certs import self_signed
from mdm.protocol.cms import sign
from mdm.protocol.errors import ProtocolError
from mdm.protocol.mobileconfig import MAX_BYTES, has_variables, is_signed, read
from tests.mdm.protocol.test_cms import EC_CERTIFICATE, cms_message, der, indefinite

SIGNED_DATA = core.ObjectIdentifier("1.2.840.113549.1.7.2").dump()
ENVELOPED_DATA = core.ObjectIdentifier("1.2.840.113549.1.7.3").dump()
WIFI = {"PayloadType": "com.apple.wifi.managed", "PayloadVersion": 1, "PayloadIdentifier": "a.b.1", "PayloadUUID": "1"}
DOCK = {"PayloadType": "com.apple.dock", "PayloadVersion": 1, "PayloadIdentifier": "a.b.2", "PayloadUUID": "2"}
TOP = {
    "PayloadType": "Configuration",
    "PayloadVersion": 1,
    "PayloadIdentifier": "a.b",
    "PayloadUUID": "0",
    "PayloadDisplayName": "Office",
    "PayloadScope": "System",
    "PayloadContent": [WIFI, DOCK, WIFI | {"PayloadUUID": "3"}],
}


def profile(is_binary=False, **changes) -> bytes:
    kept = {key: value for key, value in (TOP | changes).items() if value is not None}
    return plistlib.dumps(kept, fmt=plistlib.FMT_BINARY if is_binary else plistlib.FMT_XML)


def signed(content: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return sign(content, key, self_signed("Signer", key=key))


def xml(inside: str) -> bytes:
    """A profile whose first payload has these keys as well."""
    text = profile(PayloadContent=[WIFI | {"Here": "HERE"}]).decode()
    return text.replace("<key>Here</key>\n\t\t\t<string>HERE</string>", inside).encode()


def fault(data: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        read(data)
    return str(caught.value)


class TestWhatIsAProfile:
    @pytest.mark.parametrize("is_binary", [False, True])
    def test_xml_and_binary(self, is_binary):
        found = read(profile(is_binary))
        assert (found.identifier, found.uuid, found.display_name, found.scope) == ("a.b", "0", "Office", "System")
        assert found.payload_types == ("com.apple.wifi.managed", "com.apple.dock")
        assert (found.is_signed, found.warnings) == (False, ())

    @pytest.mark.parametrize("is_binary", [False, True])
    def test_signed_in_der(self, is_binary):
        found = read(signed(profile(is_binary)))
        assert (found.identifier, found.is_signed) == ("a.b", True)

    def test_signed_in_ber(self):
        message = cms_message("ec", body=profile(), content=profile())
        message = indefinite(message, keep=(der(EC_CERTIFICATE),), chunk=100)
        assert message[1] == 0x80
        assert read(message).is_signed

    def test_what_need_not_be_there(self):
        found = read(profile(PayloadDisplayName=None, PayloadScope=None))
        assert (found.display_name, found.scope, found.warnings) == ("", "", ())

    def test_white_space_and_a_byte_order_mark_before_it(self):
        assert read(b"\xef\xbb\xbf" + profile()).identifier == "a.b"
        assert read(b"\n  " + profile()).identifier == "a.b"

    def test_what_devices_may_stumble_over_is_said(self):
        found = read(profile(PayloadVersion=None, PayloadScope="Everybody", PayloadContent=[WIFI, WIFI]))
        assert found.scope == ""
        assert [text.split()[1] for text in found.warnings] == ["PayloadVersion", "PayloadScope", "payloads"]
        assert "not filled in" in read(signed(xml("<key>A</key><string>{{a}}</string>"))).warnings[0]


class TestVariables:
    @pytest.mark.parametrize(
        "inside",
        [
            "<key>A</key><string>{{serial_number}}</string>",
            "<key>A</key><integer>{{ port }}</integer>",
            "<key>A</key><integer>80{{port}}</integer>",
            "<key>A</key><real>{{x}}</real><key>B</key><date>{{x}}</date><key>C</key><data>\n{{x}}\n</data>",
            "<key>A</key>\n{{xml}}\n",
            "<key>A</key>{{xml}}<key>B</key><string>b</string>",
            "<key>A</key><{{flag}}/>",
            "<key>{{name}}</key><array>{{items}}</array>",
        ],
    )
    def test_they_may_stand_for_any_value(self, inside):
        assert read(xml(inside)).identifier == "a.b"
        assert has_variables(xml(inside))

    def test_where_none_are_filled_in_they_are_faults_like_any_other(self):
        assert fault(signed(xml("<key>A</key><integer>{{port}}</integer>"))).endswith("invalid <integer>.")
        with pytest.raises(ProtocolError, match="invalid <integer>"):
            read(xml("<key>A</key><integer>{{port}}</integer>"), may_vary=False)
        assert not has_variables(signed(xml("<key>A</key><string>{{a}}</string>")))
        assert not has_variables(profile(True, PayloadDisplayName="{{a}}"))
        assert not has_variables(profile())

    def test_other_faults_are_found_in_their_line_still(self):
        data = xml("<key>A</key><data>\n\n{{x}}\n</data><key>B</key>\n<string>R&D</string>")
        line = data[: data.index(b"R&D")].count(b"\n") + 1
        assert f"line {line}." in fault(data)


class TestFaults:
    @pytest.mark.parametrize("data", [b"", b" \r\n\t"])
    def test_empty(self, data):
        assert fault(data) == "The file is empty."

    def test_too_large(self):
        assert "10 MiB" in fault(profile() + b"\n" * MAX_BYTES)
        assert "10 MiB" in fault(b"\0" * (MAX_BYTES + 1))

    @pytest.mark.parametrize(
        "page", [b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", b"\n<HTML lang='en'>", b"\xef\xbb\xbf<html>"]
    )
    def test_a_web_page(self, page):
        assert "web page" in fault(page)

    @pytest.mark.parametrize("data", [b"hello", b"PK\x03\x04\0\0", b"0", b"{}", bytes(range(256)), b"<dict></dict>"])
    def test_no_property_list(self, data):
        assert "not a property list" in fault(data)

    def test_another_encoding(self):
        text = profile().decode().replace("UTF-8", "UTF-16")
        assert "UTF-8" in fault(text.encode("utf-16"))

    def test_broken_xml_is_named_with_its_line(self):
        data = b"<!-- <plist> -->\n" + xml("<key>A</key><string>R&D</string>")
        line = data[: data.index(b"R&D")].count(b"\n") + 1
        assert fault(data) == f"The property list is not well-formed XML: there is a fault in line {line}."

    def test_the_line_is_found_in_no_more_time_than_the_file_is_long(self):
        begin = time.process_time()
        assert "line 2." in fault(b"<?\n" + b"<!--" * 250_000 + b" ?><plist><dict></bad></plist>")
        assert time.process_time() - begin < 5

    def test_broken_binary(self):
        assert "binary property list" in fault(profile(True)[:-5])

    def test_own_entities(self):
        assert "entities" in fault(b'<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><dict/></plist>')

    @pytest.mark.parametrize("value", [["a"], "a", 1])
    def test_no_dictionary(self, value):
        assert "not a dictionary" in fault(plistlib.dumps(value))

    def test_another_kind_of_property_list(self):
        assert "not Configuration" in fault(plistlib.dumps({"CFBundleIdentifier": "a"}))
        assert "not Configuration" in fault(profile(PayloadType="Profile Service"))
        assert "not Configuration" in fault(profile(PayloadType=["Configuration"]))

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"PayloadIdentifier": None}, "The profile has no PayloadIdentifier."),
            ({"PayloadIdentifier": " "}, "The PayloadIdentifier of the profile is empty."),
            ({"PayloadIdentifier": 5}, "The PayloadIdentifier of the profile is not a string."),
            ({"PayloadIdentifier": "a" * 256}, "The PayloadIdentifier of the profile is longer than 255 characters."),
            ({"PayloadUUID": None}, "The profile has no PayloadUUID."),
            ({"PayloadUUID": ""}, "The PayloadUUID of the profile is empty."),
            ({"PayloadUUID": b"a"}, "The PayloadUUID of the profile is not a string."),
            ({"PayloadUUID": "a" * 65}, "The PayloadUUID of the profile is longer than 64 characters."),
            ({"PayloadContent": None}, "The profile has no PayloadContent."),
            ({"PayloadContent": {}}, "The PayloadContent of the profile is not an array."),
            ({"PayloadContent": []}, "The PayloadContent of the profile is empty: there is nothing to install."),
            ({"PayloadContent": [WIFI, "a"]}, "Payload 2 of the profile is not a dictionary."),
            ({"PayloadContent": [WIFI, DOCK | {"PayloadType": ""}]}, "The PayloadType of payload 2 of the profile is empty."),
            ({"PayloadContent": [{"PayloadType": "a"}]}, "Payload 1 of the profile has no PayloadIdentifier."),
            (
                {"PayloadContent": [{"PayloadType": "a", "PayloadIdentifier": "b"}]},
                "Payload 1 of the profile has no PayloadUUID.",
            ),
            ({"PayloadContent": [WIFI, {}]}, "Payload 2 of the profile has no PayloadType."),
        ],
    )  # fmt: skip
    def test_keys_that_are_missing_or_wrong(self, changes, sentence):
        assert fault(profile(**changes)) == sentence
        assert fault(profile(True, **changes)) == sentence

    def test_an_enrollment(self):
        sentence = fault(profile(PayloadContent=[WIFI, DOCK | {"PayloadType": "com.apple.mdm"}]))
        assert sentence.startswith("Payload 2 of the profile is an enrollment (com.apple.mdm)")

    def test_encrypted_content(self):
        assert "encrypted" in fault(profile(PayloadContent=None, EncryptedPayloadContent=b"a"))
        assert "encrypted" in fault(signed(profile()).replace(SIGNED_DATA, ENVELOPED_DATA, 1))

    def test_a_signature_that_does_not_fit(self):
        data = signed(profile())
        assert "signature is not in order" in fault(data.replace(b"Office", b"Orifce"))
        assert "signature is not in order" in fault(data[:-5])

    def test_a_signature_without_its_content(self):
        assert "no content" in fault(cms_message("ec", body=profile()))

    def test_signed_content_that_is_no_profile(self):
        assert "not a property list" in fault(signed(b"hello"))
        assert "not Configuration" in fault(signed(plistlib.dumps({})))


class TestHostile:
    @pytest.mark.parametrize(
        "data",
        [
            b"<plist>" + b"<array>" * 100_000,
            b"<plist>" + b"<array>" * 100_000 + b"</array>" * 100_000 + b"</plist>",
            b"<plist>" + b"<dict/>" * 1_000_000 + b"</plist>",
            b"<plist><integer>" + b"{{a}}" * 1_000_000,
            b"<plist><dict>" + b"<key></key>{{" * 500_000,
            b"<plist><dict>" + b"<{{" * 1_000_000,
            b"<!--" * 1_000_000 + b"<plist>",
            b"{{" * 4_000_000 + b"<plist",
            b" " * (MAX_BYTES - 10),
        ],
    )
    def test_size_and_nesting_cost_little(self, data):
        start = time.process_time()
        fault(data)
        assert time.process_time() - start < 5

    def test_deep_signed_structures(self):
        assert "signature is not in order" in fault(b"\x30\x80" * 100_000)

    @given(
        st.binary(max_size=300), st.sampled_from([b"", b"bplist00", b"\x30\x80", b"\x30\x82", b"<plist>", b"{{<plist>"])
    )
    def test_any_bytes_are_refused_in_words(self, data, head):
        assert fault(head + data)

    @given(st.integers(0, 2000), st.integers(0, 255))
    def test_one_wrong_byte_is_a_profile_or_a_sentence(self, at, value):
        for data in (profile(), profile(True), SIGNED):
            changed = bytearray(data)
            changed[at % len(data)] = value
            with suppress(ProtocolError):
                assert read(bytes(changed)).identifier

    def test_text_that_begins_with_a_zero_is_not_taken_for_signed(self):
        assert not is_signed(b"0123")


SIGNED = signed(profile())
