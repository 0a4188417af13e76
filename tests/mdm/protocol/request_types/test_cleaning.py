import contextlib
import plistlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm.protocol import plist
from mdm.protocol.request_types import REQUEST_TYPES, InvalidCommand, clean, to_command
from tests.mdm.protocol.request_types.strategies import REQUEST_TYPE_NAMES, RUBBISH, SOUND_REQUESTS


def refusal(request_type, parameters, **options) -> str:
    with pytest.raises(InvalidCommand) as caught:
        clean(request_type, parameters, **options)
    return str(caught.value)


def setting(**keys):
    return {"Settings": [keys]}


def test_sound_parameters_come_back_json_safe():
    cleaned = clean("EraseDevice", {"ReturnToService": {"Enabled": True, "WiFiProfileData": b"\x00wifi"}})
    assert cleaned == {"ReturnToService": {"Enabled": True, "WiFiProfileData": "AHdpZmk="}}


def test_base64_may_have_white_space_and_comes_back_without():
    assert clean("InstallProfile", {"Payload": "AHdp\n Zmk="}) == {"Payload": "AHdpZmk="}


@pytest.mark.parametrize(
    ("request_type", "parameters", "message"),
    [
        (
            "Settings",
            setting(Item="DeviceName", DeviceName=5),
            "Settings[0].DeviceName: expected a string, got a number",
        ),
        ("Settings", setting(Item="DeviceName"), "Settings[0].DeviceName: is required"),
        (
            "Settings",
            setting(Item="DeviceNam"),
            "Settings[0].Item: is none of the known items; did you mean DeviceName?",
        ),
        (
            "Settings",
            setting(Item="DeviceName", DeviceName="x", Enabled=True),
            "Settings[0].Enabled: unknown parameter",
        ),
        ("Settings", {"Settings": ["DeviceName"]}, "Settings[0]: expected a dictionary, got a string"),
        ("Settings", {"Settings": {}}, "Settings: expected an array, got a dictionary"),
        ("Settings", {}, "Settings: is required"),
        ("Settings", setting(Item="Bluetooth", Enabled=1), "Settings[0].Enabled: expected true or false, got a number"),
        (
            "Settings",
            setting(Item="Wallpaper", Image="AA==", Where=True),
            "Settings[0].Where: expected an integer, got a boolean",
        ),
        ("Settings", setting(Item="Wallpaper", Image="AA==", Where=4), "Settings[0].Where: must be one of: 1, 2, 3"),
        ("Settings", setting(Item="Wallpaper", Image="%", Where=1), "Settings[0].Image: is not base64"),
        ("DeviceLock", {"PIN": "12345"}, "PIN: must be six digits"),
        ("DeviceLock", {"PIN": None}, "PIN: expected a string, got null"),
        ("DeviceLock", {"Pin": "123456"}, "Pin: unknown parameter; did you mean PIN?"),
        (
            "DeviceLock",
            {"Message": "a\x00b"},
            "Message: contains control characters, which a property list cannot hold",
        ),
        (
            "DeviceLock",
            {"Message": "\ud800"},
            "Message: contains control characters, which a property list cannot hold",
        ),
        ("DeviceLock", {7: "x"}, "The parameters: keys must be strings"),
        ("DeviceLock", ["PIN"], "expected the parameters as a dictionary, got an array"),
        ("DeviceInformation", {"Queries": ["UDIDD"]}, "Queries[0]: unknown value; did you mean UDID?"),
        ("RequestMirroring", {"ScanTime": 5}, "ScanTime: must be at least 10"),
        ("RequestMirroring", {"ScanTime": 500}, "ScanTime: must be at most 300"),
        ("RequestMirroring", {"ScanTime": 30.0}, "ScanTime: expected an integer, got a number"),
        ("InstallApplication", {"iTunesStoreID": 2**63}, "iTunesStoreID: does not fit in 64 bits"),
        ("InstallApplication", {}, "InstallApplication needs one of iTunesStoreID, Identifier, ManifestURL"),
        ("EnableLostMode", {"Footnote": "x"}, "EnableLostMode needs one of Message, PhoneNumber"),
        ("RemoveMedia", {"MediaType": "Book", "iTunesStoreID": 5}, "iTunesStoreID: expected a string, got a number"),
        ("SetFirmwarePassword", {"NewPassword": "ü"}, "NewPassword: must be printable ASCII characters"),
        ("InstallMedia", {"MediaType": "Song", "iTunesStoreID": 1}, "MediaType: must be one of: Book"),
    ],
)
def test_a_fault_is_named_with_its_path(request_type, parameters, message):
    assert refusal(request_type, parameters) == message


def test_a_refusal_never_repeats_the_value():
    assert "hunter2" not in refusal("DeviceLock", {"PIN": "hunter2"})
    assert "hunter2" not in refusal("InstallProfile", {"Payload": "hunter2!"})


def test_an_unknown_key_is_shown_cut_and_printable():
    message = refusal("DeviceLock", {"a\n\x1b" + "b" * 1000: 1})
    assert message.isprintable()
    assert len(message) < 300


def test_settings_entries_are_checked_by_their_own_item():
    several = {"Settings": [{"Item": "Bluetooth", "Enabled": True}, {"Item": "TimeZone", "TimeZone": "Europe/Berlin"}]}
    assert clean("Settings", several) == several


def test_queries_of_earlier_editions_are_accepted():
    assert clean("DeviceInformation", {"Queries": ["SIMMCC", "UDID"]}) == {"Queries": ["SIMMCC", "UDID"]}


def test_a_free_subtree_tags_data_and_dates():
    moment = datetime(2024, 7, 1, 23, 30, 5, 999, tzinfo=timezone(timedelta(hours=2)))
    cleaned = clean("InstallApplication", {"Identifier": "a.b", "Configuration": {"cert": b"\x01", "until": [moment]}})
    assert cleaned["Configuration"] == {"cert": {"$data": "AQ=="}, "until": [{"$date": "2024-07-01T21:30:05Z"}]}
    command = to_command("InstallApplication", cleaned)
    assert command["Configuration"] == {"cert": b"\x01", "until": [datetime(2024, 7, 1, 21, 30, 5, tzinfo=UTC)]}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "Configuration.a: expected a value that a property list can hold, got null"),
        (float("nan"), "Configuration.a: expected a finite number"),
        (2**70, "Configuration.a: does not fit in 64 bits"),
        ({"$data": "%"}, "Configuration.a: is not base64"),
        ({"$date": "yesterday"}, "Configuration.a: is not an ISO 8601 date"),
        ({5: 5}, "Configuration.a: a key expected a string, got a number"),
        (object(), "Configuration.a: expected a value that a property list can hold, got something else"),
    ],
)
def test_a_free_subtree_holds_only_what_a_property_list_can(value, fault):
    assert refusal("InstallApplication", {"Identifier": "a.b", "Configuration": {"a": value}}) == fault


def test_a_free_dictionary_is_never_taken_for_a_tag_itself():
    cleaned = clean("InstallApplication", {"Identifier": "a.b", "Configuration": {"$data": "AQ=="}})
    assert to_command("InstallApplication", cleaned)["Configuration"] == {"$data": "AQ=="}


def test_depth_is_bounded():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    assert "nested more than" in refusal("InstallApplication", {"Identifier": "a.b", "Configuration": {"a": deep}})


def test_size_is_bounded():
    assert refusal("InstallProfile", {"Payload": bytes(800_000)}) == "The parameters are larger than 1000000 bytes"
    assert clean("InstallProfile", {"Payload": bytes(800_000)}, max_size=2_000_000)
    assert "longer than" in refusal("DeviceLock", {"Message": "x" * 70_000})
    assert refusal("Settings", {"Settings": [{}] * 10_001}) == "Settings: more than 10000 entries"


def test_a_command_carries_its_request_type_and_real_bytes():
    cleaned = clean("ClearPasscode", {"UnlockToken": "AAEC"})
    assert to_command("ClearPasscode", cleaned) == {"RequestType": "ClearPasscode", "UnlockToken": b"\x00\x01\x02"}


def test_a_spoilt_stored_command_is_refused_and_not_a_crash():
    with pytest.raises(InvalidCommand, match="UnlockToken: is not base64"):
        to_command("ClearPasscode", {"UnlockToken": "%%%"})


def test_every_request_type_without_required_parameters_is_clean_when_empty():
    for name, request_type in REQUEST_TYPES.items():
        if not request_type.at_least_one and not any(parameter.required for parameter in request_type.parameters):
            assert to_command(name, clean(name, {})) == {"RequestType": name}


@settings(max_examples=300, deadline=None)
@given(REQUEST_TYPE_NAMES | st.text(max_size=10), RUBBISH)
def test_rubbish_is_refused_in_no_other_way_than_invalid_command(request_type, parameters):
    with contextlib.suppress(InvalidCommand):
        clean(request_type, parameters)


@settings(max_examples=300, deadline=None)
@given(REQUEST_TYPE_NAMES, st.data())
def test_rubbish_under_a_known_key_is_refused_in_no_other_way(request_type, data):
    keys = [parameter.key for parameter in REQUEST_TYPES[request_type].parameters] or ["Nothing"]
    with contextlib.suppress(InvalidCommand):
        clean(request_type, {data.draw(st.sampled_from(keys)): data.draw(RUBBISH)})


@settings(max_examples=300, deadline=None)
@given(SOUND_REQUESTS)
def test_sound_parameters_are_accepted_stay_the_same_and_become_a_property_list(sound):
    request_type, parameters = sound
    cleaned = clean(request_type, parameters)
    assert clean(request_type, cleaned) == cleaned
    command = to_command(request_type, cleaned)
    read = plist.loads(plistlib.dumps(command))
    assert plist.loads(plist.dumps(command)) == read
    assert clean(request_type, {key: value for key, value in read.items() if key != "RequestType"}) == cleaned
