import plistlib

import pytest

from mdm.protocol.command import read_raw, render
from mdm.protocol.errors import Malformed, ProtocolError, TooLarge

COMMAND = {"RequestType": "InstallProfile", "Payload": b"\x00\x01" * 100, "Nested": {"b": [1, True], "a": "ü & <x>"}}


class TestRender:
    def test_the_device_gets_command_and_uuid(self):
        assert plistlib.loads(render("C-1", COMMAND)) == {"Command": COMMAND, "CommandUUID": "C-1"}

    def test_the_parameters_keep_their_order(self):
        assert list(plistlib.loads(render("C-1", COMMAND))["Command"]) == list(COMMAND)

    def test_a_value_that_cannot_be_sent_is_refused(self):
        with pytest.raises(Malformed):
            render("C-1", {"RequestType": "DeviceLock", "Message": None})


class TestReadRaw:
    @pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
    def test_a_whole_command_and_only_its_dictionary(self, form):
        whole = plistlib.dumps({"Command": COMMAND, "CommandUUID": "C-1"}, fmt=form)
        request_type, command_uuid, normalised = read_raw(whole)
        assert (request_type, command_uuid) == ("InstallProfile", "C-1")
        assert plistlib.loads(normalised) == COMMAND
        assert read_raw(plistlib.dumps(COMMAND, fmt=form))[:2] == ("InstallProfile", None)

    def test_line_ends_may_be_missing(self):
        stripped = plistlib.dumps({"Command": COMMAND}).replace(b"\n", b"").replace(b"\t", b"")
        request_type, command_uuid, normalised = read_raw(stripped)
        assert (request_type, command_uuid) == ("InstallProfile", None)
        assert plistlib.loads(normalised) == COMMAND

    def test_the_normalised_form_is_stable(self):
        first = read_raw(plistlib.dumps(COMMAND, sort_keys=False))[2]
        assert read_raw(first)[2] == first

    @pytest.mark.parametrize(
        "value",
        [
            {},
            ["RequestType"],
            {"Command": "Restart"},
            {"Command": {}},
            {"RequestType": 5},
            {"RequestType": ""},
            {"RequestType": "Restart Device"},
            {"RequestType": "x" * 65},
            {"Command": {"RequestType": "DeviceLock"}, "CommandUUID": ""},
            {"Command": {"RequestType": "DeviceLock"}, "CommandUUID": 5},
            {"Command": {"RequestType": "DeviceLock"}, "CommandUUID": "x" * 65},
        ],
    )
    def test_what_is_no_command_is_refused(self, value):
        with pytest.raises(Malformed):
            read_raw(plistlib.dumps(value))

    def test_text_and_size_are_refused(self):
        with pytest.raises(ProtocolError):
            read_raw(b'{"RequestType": "DeviceLock"}')
        with pytest.raises(TooLarge):
            read_raw(plistlib.dumps(COMMAND), max_bytes=10)
