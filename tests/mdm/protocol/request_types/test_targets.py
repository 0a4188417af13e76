import pytest

from mdm.protocol.request_types import NotSupported, Platform, Target, check_target
from mdm.protocol.request_types.targets import is_older

MAC = Target(Platform.MACOS, "14.5", is_supervised=True, is_dep=True)
IPHONE = Target(Platform.IOS, "17.5", is_supervised=True, is_dep=True)
SHARED_IPAD = Target(Platform.IOS, "17.5", is_supervised=True, is_dep=True, is_shared_ipad=True)


def refusal(request_type, parameters, target) -> str:
    with pytest.raises(NotSupported) as caught:
        check_target(request_type, parameters, target)
    return str(caught.value)


def device_name(name="x"):
    return {"Settings": [{"Item": "DeviceName", "DeviceName": name}]}


@pytest.mark.parametrize(
    ("request_type", "parameters", "target"),
    [
        ("DeviceInformation", {"Queries": ["IsAppleSilicon", "IMEI"]}, IPHONE),
        ("EraseDevice", {"PIN": "123456"}, MAC),
        ("EraseDevice", {"PreserveDataPlan": True}, IPHONE),
        ("EraseDevice", {"ReturnToService": {"Enabled": True}}, IPHONE),
        ("RestartDevice", {"NotifyUser": True}, MAC),
        ("Settings", device_name(), IPHONE),
        ("UserList", {}, MAC),
        ("UserList", {}, SHARED_IPAD),
        ("UserConfigured", {}, Target(Platform.IOS, "17.0", is_user_channel=True, is_shared_ipad=True)),
        ("ProfileList", {}, Target(Platform.MACOS, "14.0", is_user_channel=True)),
        ("ProfileList", {}, Target(Platform.IOS, "17.0", is_user_enrollment=True)),
        ("AvailableOSUpdates", {}, Target(Platform.MACOS, "26.9")),
        ("TriggerEnhancedLogCollection", {"AppleCareToken": "x"}, Target(Platform.IOS, "27.0", is_supervised=True)),
    ],
)
def test_what_the_device_can_do_passes(request_type, parameters, target):
    check_target(request_type, parameters, target)


@pytest.mark.parametrize(
    ("request_type", "parameters", "target", "sentence"),
    [
        ("EnableLostMode", {"Message": "x"}, MAC, "EnableLostMode is not available on macOS"),
        ("SetRecoveryLock", {"NewPassword": "x"}, IPHONE, "SetRecoveryLock is not available on iOS"),
        ("EraseDevice", {"PIN": "123456"}, IPHONE, "EraseDevice: PIN is not available on iOS"),
        (
            "EraseDevice",
            {"ReturnToService": {"Enabled": True}},
            Target(Platform.IOS, "16.7.8"),
            "EraseDevice: ReturnToService needs iOS 17.0 or later; this device has 16.7.8",
        ),
        (
            "RestartDevice",
            {},
            Target(Platform.MACOS, "10.12.6"),
            "RestartDevice needs macOS 10.13 or later; this device has 10.12.6",
        ),
        ("RestartDevice", {}, Target(Platform.IOS, "17.0", False), "RestartDevice needs a supervised device"),
        (
            "Settings",
            device_name(),
            Target(Platform.IOS, "17.0", False),
            "Settings: Settings[0] (DeviceName) needs a supervised device",
        ),
        (
            "Settings",
            {"Settings": [{"Item": "TimeZone", "TimeZone": "UTC"}]},
            MAC,
            "Settings: Settings[0] (TimeZone) is not available on macOS",
        ),
        ("AvailableOSUpdates", {}, Target(Platform.MACOS, "27"), "AvailableOSUpdates was removed in macOS 27"),
        ("ScheduleOSUpdate", {}, Target(Platform.IOS, "27.0.1", True), "ScheduleOSUpdate was removed in iOS 27"),
        (
            "AccountConfiguration",
            {},
            Target(Platform.MACOS, "14.0", is_dep=False),
            "AccountConfiguration needs a device from Automated Device Enrollment",
        ),
        (
            "EraseDevice",
            {},
            Target(Platform.IOS, "17.0", is_user_enrollment=True),
            "EraseDevice is not available with User Enrollment",
        ),
        (
            "InstallApplication",
            {"Identifier": "a", "InstallAsManaged": True},
            Target(Platform.MACOS, "14.0", is_user_enrollment=True),
            "InstallApplication: InstallAsManaged is not available with User Enrollment",
        ),
        (
            "EraseDevice",
            {},
            Target(Platform.MACOS, "14.0", is_user_channel=True),
            "EraseDevice is not available on the user channel",
        ),
        ("ActiveNSExtensions", {}, MAC, "ActiveNSExtensions is not available on the device channel"),
        (
            "CertificateList",
            {},
            Target(Platform.IOS, "17.0", is_user_channel=True, is_shared_ipad=True),
            "CertificateList is not available on the user channel",
        ),
        ("UserConfigured", {}, SHARED_IPAD, "UserConfigured is not available on the device channel"),
        ("UserList", {}, IPHONE, "UserList is only available on a Shared iPad"),
        ("ClearPasscode", {"UnlockToken": "AA=="}, SHARED_IPAD, "ClearPasscode is not available on a Shared iPad"),
    ],
)
def test_what_the_device_cannot_do_is_refused_with_a_sentence(request_type, parameters, target, sentence):
    assert refusal(request_type, parameters, target) == sentence


def test_unknown_facts_are_no_reason_to_refuse():
    for target in (Target(None), Target(Platform.IOS), Target(Platform.IOS, "unknown"), Target(Platform.IOS, "", None)):
        check_target("RestartDevice", {}, target)
        check_target("ScheduleOSUpdate", {}, target)
    check_target("UserList", {}, Target(Platform.IOS, is_shared_ipad=None))
    check_target("AccountConfiguration", {}, Target(Platform.MACOS))


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("10.13.4", "11", True),
        ("9.3", "10.0", True),
        ("10.13", "10.13.0", False),
        ("10.13.0", "10.13", False),
        ("17", "17.0.1", True),
        ("13.3.1 (a)", "13.3.1", False),
        ("27.0", "27", False),
        ("", "27", False),
        ("unknown", "27", False),
    ],
)
def test_versions_are_compared_as_numbers(version, than, older):
    assert is_older(version, than) is older
