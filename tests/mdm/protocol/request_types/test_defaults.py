import pytest

from mdm.protocol.request_types import (
    REQUEST_TYPES,
    InvalidCommand,
    Platform,
    clean,
    default_queries,
    from_snake_case,
    with_defaults,
)

# The bodies that the raw endpoint's reference shows.
DOCUMENTED = [
    {"request_type": "DeviceInformation", "udid": "564DF4AE"},
    {"request_type": "SecurityInfo", "udid": "564DF4AE"},
    {"request_type": "UserList", "udid": "564DF4AE"},
    {"request_type": "EraseDevice", "udid": "564DF4AE", "pin": "123456"},
    {"request_type": "DeviceLock", "udid": "564DF4AE", "pin": "123459"},
    {"request_type": "AvailableOSUpdates", "udid": "564DF4AE"},
    {"request_type": "OSUpdateStatus", "udid": "564DF4AE"},
    {"request_type": "ScheduleOSUpdateScan", "udid": "564DF4AE"},
    {"request_type": "ScheduleOSUpdate", "udid": "564DF4AE"},
    {"request_type": "Settings", "udid": "564DF4AE", "settings": [{"item": "DeviceName", "device_name": "foo-bar"}]},
]


@pytest.mark.parametrize("platform", [None, Platform.MACOS, Platform.IOS])
@pytest.mark.parametrize("body", DOCUMENTED, ids=lambda body: body["request_type"])
def test_the_documented_bodies_are_accepted(body, platform):
    name = body["request_type"]
    assert clean(name, with_defaults(name, from_snake_case(name, body), platform)) is not None


def test_device_information_asks_what_the_platform_can_tell():
    mac, iphone = default_queries(Platform.MACOS), default_queries(Platform.IOS)
    assert {"UDID", "SerialNumber", "DeviceName", "OSVersion", "Model", "BuildVersion"} <= set(mac) & set(iphone)
    assert "IsAppleSilicon" in mac
    assert "IsAppleSilicon" not in iphone
    assert "ServiceSubscriptions" in iphone
    assert "ServiceSubscriptions" not in mac
    assert with_defaults("DeviceInformation", {}, Platform.MACOS) == {"Queries": mac}
    assert with_defaults("DeviceInformation", {"Queries": []}, Platform.MACOS) == {"Queries": mac}
    assert with_defaults("DeviceInformation", {"Queries": ["UDID"]}, Platform.MACOS) == {"Queries": ["UDID"]}


def test_device_information_asks_for_no_secret_and_nothing_costly_by_itself():
    asked = set(default_queries())
    assert not {"PushToken", "DevicePropertiesAttestation", "EACSPreflight", "SIMCarrierNetwork"} & asked


def test_an_os_update_without_updates_takes_the_default_action():
    first = with_defaults("ScheduleOSUpdate", {}, Platform.MACOS)
    assert first == {"Updates": [{"InstallAction": "Default"}]}
    first["Updates"][0]["InstallAction"] = "spoilt"
    assert with_defaults("ScheduleOSUpdate", {}, None) == {"Updates": [{"InstallAction": "Default"}]}


def test_a_required_key_with_one_choice_gets_it():
    assert with_defaults("InstallMedia", {"iTunesStoreID": 1}, None) == {"iTunesStoreID": 1, "MediaType": "Book"}


def test_what_is_missing_otherwise_is_still_refused():
    for name, request_type in REQUEST_TYPES.items():
        open_keys = [p for p in request_type.parameters if p.required and len(p.choices) != 1]
        if open_keys and name not in ("DeviceInformation", "ScheduleOSUpdate"):
            with pytest.raises(InvalidCommand, match="is required"):
                clean(name, with_defaults(name, {}, Platform.MACOS))
