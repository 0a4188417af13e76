import plistlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdm.protocol.errors import Malformed, ProtocolError, TooLarge
from mdm.protocol.ids import ChannelKey
from mdm.protocol.report import answer, error_chain, parse_report

DATA = Path(__file__).parents[2] / "data" / "connect"
PHONE = "00008101-000A1B2C3D4E501E"
COMMAND = "0D0E0F00-AAAA-4BBB-8CCC-DDDDDDDDDDDD"


def sample(name: str) -> bytes:
    return (DATA / f"{name}.plist").read_bytes()


class TestParseReport:
    def test_idle_on_each_kind_of_channel(self):
        keys = {
            "idle_iphone": ChannelKey(PHONE),
            "idle_mac_user": ChannelKey("5C0FFEE0-1111-4222-8333-0123456789AB", "7A6B5C4D-3E2F-4A1B-9C8D-7E6F5A4B3C2D"),
            "idle_shared_ipad_user": ChannelKey(PHONE, "kim@school.example"),
            "idle_user_enrollment": ChannelKey("0E1F2A3B-4C5D-4E6F-8A9B-0C1D2E3F4A5B", is_user_enrollment=True),
        }
        for name, key in keys.items():
            report = parse_report(sample(name))
            assert (report.key, report.command_uuid) == (key, "")
            assert report.is_idle
            assert not report.is_final

    @pytest.mark.parametrize("name", ["device_information", "device_information_binary", "managed_application_list"])
    def test_answers_whose_inner_keys_have_the_same_names(self, name):
        report = parse_report(sample(name))
        assert (report.status, report.command_uuid, report.key) == ("Acknowledged", COMMAND, ChannelKey(PHONE))
        assert report.is_final
        assert report.raw == sample(name)

    def test_not_now_is_not_final_and_errors_are(self):
        assert parse_report(sample("not_now")).is_not_now
        assert not parse_report(sample("not_now")).is_final
        assert parse_report(sample("error")).is_final
        assert parse_report(sample("command_format_error")).is_final

    @pytest.mark.parametrize("status", [None, "", "idle", "OK", 5])
    def test_a_status_that_apple_does_not_define_is_refused(self, status):
        message = {"UDID": PHONE, "CommandUUID": COMMAND} | ({} if status is None else {"Status": status})
        with pytest.raises(Malformed, match="Status"):
            parse_report(plistlib.dumps(message))

    @pytest.mark.parametrize("status", ["Acknowledged", "Error", "CommandFormatError", "NotNow"])
    @pytest.mark.parametrize("command_uuid", [None, "", "x" * 65, "a\tb", 5])
    def test_an_answer_names_its_command(self, status, command_uuid):
        message = {"UDID": PHONE, "Status": status} | ({} if command_uuid is None else {"CommandUUID": command_uuid})
        with pytest.raises(Malformed, match="CommandUUID"):
            parse_report(plistlib.dumps(message))

    def test_a_report_of_nobody_or_too_large_is_refused(self):
        with pytest.raises(Malformed, match="UDID"):
            parse_report(plistlib.dumps({"Status": "Idle"}))
        with pytest.raises(TooLarge):
            parse_report(sample("idle_iphone"), max_bytes=50)

    @given(st.binary(max_size=200))
    def test_garbage_is_refused(self, body):
        with pytest.raises(ProtocolError):
            parse_report(body)


class TestAnswer:
    def test_the_worker_reads_the_rest(self):
        for name in ("device_information", "device_information_binary"):
            responses = answer(parse_report(sample(name)).raw)["QueryResponses"]
            assert responses["DeviceName"] == "Robin & Kim's iPhone"
            assert responses["BatteryLevel"] == 0.75
            assert responses["LastCloudBackupDate"].isoformat() == "2024-07-01T21:32:19+00:00"

    def test_it_must_be_a_dictionary(self):
        with pytest.raises(Malformed):
            answer(plistlib.dumps(["Status"]))


class TestErrorChain:
    def test_the_chain_is_kept_in_order_with_what_was_sent(self):
        chain = error_chain(answer(sample("error")))
        assert [error["ErrorCode"] for error in chain] == [12021, -1]
        assert chain[0]["USEnglishDescription"] == "“Restart” is not a valid request type."
        assert "USEnglishDescription" not in chain[1]

    def test_none_is_empty(self):
        assert error_chain({"Status": "Error"}) == []

    def test_it_is_bounded_and_unknown_keys_are_dropped(self):
        item = {"ErrorCode": 1, "LocalizedDescription": "x" * 5000, "Extra": b"x"}
        chain = error_chain({"ErrorChain": [item] * 100})
        assert len(chain) == 20
        assert chain[0] == {"ErrorCode": 1, "LocalizedDescription": "x" * 2048}

    @pytest.mark.parametrize(
        "chain",
        ["text", {"ErrorCode": 1}, ["text"], [{"ErrorCode": "1"}], [{"ErrorCode": True}], [{"ErrorDomain": 5}]],
    )
    def test_wrong_types_are_refused(self, chain):
        with pytest.raises(Malformed):
            error_chain({"ErrorChain": chain})
