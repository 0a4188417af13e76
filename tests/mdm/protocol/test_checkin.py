import contextlib
import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol import checkin
from mdm.protocol.checkin import declares_message_type, parse_checkin
from mdm.protocol.errors import Malformed, ProtocolError, TooLarge, UnknownMessageType
from mdm.protocol.ids import ChannelKey

DATA = Path(__file__).parents[2] / "data"
PHONE = "00008101-000A1B2C3D4E501E"
MAC = "5C0FFEE0-1111-4222-8333-0123456789AB"
ENROLLMENT = "0E1F2A3B-4C5D-4E6F-8A9B-0C1D2E3F4A5B"
USER = "7A6B5C4D-3E2F-4A1B-9C8D-7E6F5A4B3C2D"
TOPIC = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000001"


def sample(name: str) -> bytes:
    return (DATA / "checkin" / f"{name}.plist").read_bytes()


def parse(**message):
    return parse_checkin(plistlib.dumps({"UDID": PHONE, "Topic": TOPIC} | message))


class TestAuthenticate:
    def test_an_iphone_in_xml_and_in_binary(self):
        message = parse_checkin(sample("authenticate_iphone"))
        assert message == checkin.Authenticate(
            key=ChannelKey(PHONE),
            topic=TOPIC,
            device_name="Lab iPhone",
            model="MG6A3LL",
            model_name="iPhone",
            os_version="18.5",
            build_version="22F76",
            product_name="iPhone13,2",
            serial_number="LABPHONE0001",
            imei="35 000000 000000 0",
            meid="35000000000000",
        )
        assert parse_checkin(sample("authenticate_binary")) == message

    def test_a_user_enrollment_tells_little(self):
        message = parse_checkin(sample("authenticate_user_enrollment"))
        assert message.key == ChannelKey(ENROLLMENT, is_user_enrollment=True)
        assert (message.serial_number, message.device_name, message.os_version) == ("", "", "")

    def test_the_topic_is_needed(self):
        with pytest.raises(Malformed, match="Topic"):
            parse(MessageType="Authenticate", Topic="")


class TestTokenUpdate:
    def test_an_iphone(self):
        message = parse_checkin(sample("token_update_iphone"))
        assert message.token == bytes(range(32))
        assert message.push_magic == "11111111-2222-4333-8444-555555555555"
        assert message.unlock_token == b"unlock " * 200
        assert not message.awaiting_configuration
        assert not message.not_on_console

    def test_no_unlock_token_is_none_and_tokens_may_be_longer(self):
        message = parse_checkin(sample("token_update_without_unlock_token"))
        assert message.unlock_token is None
        assert len(message.token) == 96
        assert parse(MessageType="TokenUpdate", UnlockToken=b"").unlock_token is None

    def test_users_of_macs_shared_ipads_and_user_enrollments(self):
        mac = parse_checkin(sample("token_update_mac_user"))
        assert mac.key == ChannelKey(MAC, USER)
        assert (mac.user_id, mac.user_short_name, mac.user_long_name) == (USER, "robin", "Robin Example")
        assert mac.not_on_console
        ipad = parse_checkin(sample("token_update_shared_ipad_user"))
        assert ipad.key == ChannelKey(PHONE, "kim@school.example")
        assert ipad.awaiting_configuration
        enrolled = parse_checkin(sample("token_update_user_enrollment_user"))
        assert enrolled.key == ChannelKey(ENROLLMENT, USER, is_user_enrollment=True)
        assert enrolled.enrollment_user_id == USER

    def test_secrets_do_not_show(self):
        shown = repr(parse_checkin(sample("token_update_iphone")))
        assert "unlock " not in shown
        assert "11111111-2222" not in shown


class TestOtherMessages:
    def test_check_out(self):
        assert parse_checkin(sample("check_out")) == checkin.CheckOut(key=ChannelKey(PHONE), topic=TOPIC)

    def test_bootstrap_tokens(self):
        deposit = parse_checkin(sample("set_bootstrap_token"))
        assert deposit.bootstrap_token == b"bootstrap"
        assert deposit.awaiting_configuration
        assert "bootstrap'" not in repr(deposit)
        assert parse(MessageType="SetBootstrapToken").bootstrap_token is None
        assert isinstance(parse_checkin(sample("get_bootstrap_token")), checkin.GetBootstrapToken)

    def test_user_authenticate_in_two_steps(self):
        first = parse_checkin(sample("user_authenticate"))
        assert (first.key, first.digest_response) == (ChannelKey(MAC, USER), "")
        assert parse_checkin(sample("user_authenticate_digest")).digest_response.startswith("Digest")

    def test_get_token(self):
        message = parse_checkin(sample("get_token"))
        assert message.token_service_type == "com.apple.watch.pairing"
        assert (message.security_token, message.phone_udid) == ("c2VjcmV0", PHONE)
        assert "c2VjcmV0" not in repr(message)
        with pytest.raises(Malformed, match="TokenServiceType"):
            parse(MessageType="GetToken")

    def test_declarative_management(self):
        status = parse_checkin(sample("declarative_management_status"))
        assert (status.endpoint, status.data) == ("status", b'{"StatusItems":{},"Errors":[]}')
        tokens = parse_checkin(sample("declarative_management_tokens_user"))
        assert (tokens.endpoint, tokens.data, tokens.key) == ("tokens", None, ChannelKey(MAC, USER))
        with pytest.raises(Malformed, match="Endpoint"):
            parse(MessageType="DeclarativeManagement")

    def test_every_message_type_lives_on_identifiers_alone(self):
        needed = {"GetToken": {"TokenServiceType": "com.apple.maid"}, "DeclarativeManagement": {"Endpoint": "tokens"}}
        for message_type in checkin._READERS:
            message = parse(MessageType=message_type, **needed.get(message_type, {}))
            assert type(message).__name__ == message_type
            assert message.key == ChannelKey(PHONE)


class TestRefusal:
    @pytest.mark.parametrize("message_type", ["Hello", "authenticate", "__class__"])
    def test_an_unknown_message_type(self, message_type):
        with pytest.raises(UnknownMessageType):
            parse(MessageType=message_type)

    def test_no_message_type(self):
        with pytest.raises(Malformed, match="MessageType"):
            parse()

    def test_no_identifier(self):
        with pytest.raises(Malformed, match="UDID"):
            parse_checkin(plistlib.dumps({"MessageType": "CheckOut", "Topic": TOPIC}))

    @pytest.mark.parametrize(
        ("message", "sentence"),
        [
            ({"MessageType": "Authenticate", "SerialNumber": 5}, "SerialNumber must be a string."),
            ({"MessageType": "Authenticate", "DeviceName": "x" * 1025}, "DeviceName is longer than 1024 characters."),
            ({"MessageType": "TokenUpdate", "Token": "text"}, "Token must be data."),
            ({"MessageType": "TokenUpdate", "Token": b"x" * 8193}, "Token is longer than 8192 bytes."),
            ({"MessageType": "TokenUpdate", "NotOnConsole": 1}, "NotOnConsole must be a boolean."),
            ({"MessageType": "TokenUpdate", "UserLongName": []}, "UserLongName must be a string."),
            ({"MessageType": "SetBootstrapToken", "BootstrapToken": {}}, "BootstrapToken must be data."),
            (
                {"MessageType": "GetToken", "TokenServiceType": "a", "TokenParameters": ""},
                "TokenParameters must be a dictionary.",
            ),
            ({"MessageType": ["CheckOut"]}, "MessageType must be a string."),
            ({"MessageType": "CheckOut", "UDID": 7}, "UDID must be a string."),
        ],
    )
    def test_wrong_types_and_sizes_are_named(self, message, sentence):
        with pytest.raises(Malformed) as caught:
            parse(**message)
        assert str(caught.value) == sentence

    def test_a_body_that_is_no_dictionary_or_too_large(self):
        with pytest.raises(Malformed):
            parse_checkin(plistlib.dumps(["Authenticate"]))
        with pytest.raises(TooLarge):
            parse_checkin(sample("authenticate_iphone"), max_bytes=100)

    anything = st.sampled_from(["", "text", "x" * 2000, 5, True, b"", b"data", b"x" * 9000, [], ["text"], {}, {"k": 5}])

    @given(
        st.sampled_from(sorted(checkin._READERS)),
        st.dictionaries(
            st.sampled_from(["Topic", "Token", "PushMagic", "UDID", "UserID", "Endpoint", "TokenParameters", "Data"]),
            anything,
        ),
    )
    def test_any_mixture_of_types_is_read_or_refused(self, message_type, values):
        with contextlib.suppress(ProtocolError):
            assert type(parse(MessageType=message_type, **values)).__name__ == message_type


class TestDeclaresMessageType:
    def test_check_ins_do_and_reports_do_not(self):
        for path in (DATA / "checkin").glob("*.plist"):
            assert declares_message_type(path.read_bytes()), path.name
        for path in (DATA / "connect").glob("*.plist"):
            assert not declares_message_type(path.read_bytes()), path.name

    def test_a_nested_one_does_not_count(self):
        assert not declares_message_type(plistlib.dumps({"Status": "Idle", "Inner": {"MessageType": "CheckOut"}}))
