"""The tables themselves, without Apple's schema at hand."""

from collections.abc import Iterator

import pytest

from mdm.protocol.request_types import REQUEST_TYPES, InvalidCommand, Parameter, Platform, find
from mdm.protocol.request_types.formats import FORMATS
from mdm.protocol.request_types.names import label, snake_case

OPENERS = ("password", "pin", "token", "passcode", "hash", "bypasscode", "privatekey", "redemptioncode")


def walk(parameters: tuple[Parameter, ...], path: str) -> Iterator[tuple[str, Parameter]]:
    for parameter in parameters:
        yield f"{path}.{parameter.key}", parameter
        yield from walk(parameter.children, f"{path}.{parameter.key}")


EVERY_PARAMETER = [pair for name, request_type in REQUEST_TYPES.items() for pair in walk(request_type.parameters, name)]


def test_every_request_type_has_words_for_people():
    labels = [request_type.label for request_type in REQUEST_TYPES.values()]
    assert len(set(labels)) == len(labels)
    for request_type in REQUEST_TYPES.values():
        assert request_type.family
        assert request_type.summary.endswith(".")
        assert len(request_type.summary) < 100, request_type.name


def test_every_parameter_has_a_label():
    assert [path for path, parameter in EVERY_PARAMETER if not parameter.label] == []


def test_every_request_type_is_for_some_platform():
    for name, request_type in REQUEST_TYPES.items():
        assert any(request_type.support(platform) for platform in Platform), name


def test_support_of_a_request_type_is_complete():
    support = REQUEST_TYPES["RestartDevice"].support(Platform.IOS)
    assert (support.introduced, support.supervised, support.access_right) == (
        "10.3",
        True,
        "AllowPasscodeRemovalAndLock",
    )
    assert support.device_channel is True
    assert support.user_channel is False
    assert REQUEST_TYPES["RestartDevice"].support(Platform.WATCHOS) is None


def test_whatever_opens_something_is_secret():
    queries = "DeviceInformation.Queries."
    plain = [
        path
        for path, parameter in EVERY_PARAMETER
        if parameter.type in ("string", "data")
        and not path.startswith(queries)
        and any(word in parameter.key.lower() for word in OPENERS)
        and not parameter.secret
        and "pinning" not in path.lower()
    ]
    assert plain == []


def test_profiles_and_app_configurations_are_secret_as_they_may_carry_passwords():
    secret = {path for path, parameter in EVERY_PARAMETER if parameter.secret}
    assert {
        "InstallProfile.Payload",
        "InstallApplication.Configuration",
        "InstallEnterpriseApplication.Configuration",
        "Settings.Settings.ApplicationConfiguration.Configuration",
        "EraseDevice.ReturnToService.WiFiProfileData",
        "EraseDevice.ReturnToService.MDMProfileData",
    } <= secret


def test_answers_with_secrets_are_marked():
    marked = {name for name, request_type in REQUEST_TYPES.items() if request_type.secret_answer}
    assert {"ActivationLockBypassCode", "RequestUnlockToken", "RotateFileVaultKey", "SecurityInfo"} <= marked


def test_what_cannot_be_undone_is_marked():
    marked = {name for name, request_type in REQUEST_TYPES.items() if request_type.destructive}
    assert {"EraseDevice", "DeviceLock", "RemoveProfile", "RemoveApplication", "DeleteUser"} <= marked
    assert not {"DeviceInformation", "ProfileList", "InstallProfile", "Settings"} & marked


def test_formats_and_required_alternatives_exist():
    for path, parameter in EVERY_PARAMETER:
        assert not parameter.format or parameter.format in FORMATS, path
    for request_type in REQUEST_TYPES.values():
        assert all(request_type.parameter(key) for key in request_type.at_least_one), request_type.name


def test_settings_are_alternatives_told_apart_by_item():
    settings = REQUEST_TYPES["Settings"].parameter("Settings")
    assert len(settings.alternatives) == len(settings.children) == 19
    assert settings.item is None


@pytest.mark.parametrize(
    ("key", "snake", "words"),
    [
        ("PIN", "pin", "PIN"),
        ("UDID", "udid", "UDID"),
        ("iTunesStoreID", "itunes_store_id", "iTunes store ID"),
        ("ManifestURL", "manifest_url", "Manifest URL"),
        ("ManifestURLPinningCerts", "manifest_url_pinning_certs", "Manifest URL pinning certs"),
        ("RequestRequiresNetworkTether", "request_requires_network_tether", "Request requires network tether"),
        ("eSIMServerURL", "esim_server_url", "eSIM server URL"),
        ("PrimaryIPv6AddressList", "primary_ipv6_address_list", "Primary IPv6 address list"),
        ("MDMOptions", "mdm_options", "MDM options"),
        ("SupportsiOSAppInstalls", "supports_ios_app_installs", "Supports iOS app installs"),
        ("FileVaultUnlock", "filevault_unlock", "FileVault unlock"),
        ("passwordHash", "password_hash", "Password hash"),
        ("DeviceName", "device_name", "Device name"),
        ("VPNUUID", "vpn_uuid", "VPN UUID"),
    ],
)
def test_keys_become_snake_case_and_labels(key, snake, words):
    assert (snake_case(key), label(key)) == (snake, words)


def test_an_unknown_request_type_is_named_with_the_nearest_one():
    with pytest.raises(InvalidCommand, match="did you mean DeviceLock"):
        find("DeviceLok")
    for nothing in ("", None, 5, ["DeviceLock"]):
        with pytest.raises(InvalidCommand, match="request type is needed"):
            find(nothing)
