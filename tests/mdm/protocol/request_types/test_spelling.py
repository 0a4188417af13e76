import base64
import contextlib
import plistlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from mdm.protocol.request_types import (
    REQUEST_TYPES,
    InvalidCommand,
    Parameter,
    clean,
    from_snake_case,
    to_snake_case,
)
from mdm.protocol.request_types.names import folded, snake_case
from tests.mdm.protocol.request_types.strategies import REQUEST_TYPE_NAMES, RUBBISH, SOUND_REQUESTS


def levels(parameters: tuple[Parameter, ...], path: str) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
    """Every dictionary of the catalogue, as (path, its keys); arrays and values of strings are no dictionaries."""
    yield path, parameters
    for parameter in parameters:
        place = f"{path}.{parameter.key}"
        if parameter.type == "dictionary" and not parameter.is_free:
            yield from levels(parameter.children, place)
        elif parameter.type == "array":
            for child in parameter.children:
                if child.type == "dictionary":
                    yield from levels(child.children, f"{place}.{child.key}")


LEVELS = [level for name, request_type in REQUEST_TYPES.items() for level in levels(request_type.parameters, name)]


@pytest.mark.parametrize("spell", [snake_case, folded])
def test_names_are_unique_in_every_dictionary_of_the_catalogue(spell):
    for path, parameters in LEVELS:
        names = [spell(parameter.key) for parameter in parameters]
        assert len(set(names)) == len(names), path


def test_names_of_the_envelope_are_free_in_every_request_type():
    for name, request_type in REQUEST_TYPES.items():
        assert not {folded(p.key) for p in request_type.parameters} & {"udid", "requesttype", "commanduuid"}, name


def test_snake_names_look_like_names():
    for path, parameters in LEVELS:
        for parameter in parameters:
            assert snake_case(parameter.key).replace("_", "").isalnum(), path
            assert snake_case(parameter.key).islower(), path


@pytest.mark.parametrize(
    ("request_type", "body", "parameters"),
    [
        ("DeviceInformation", {"queries": ["UDID"]}, {"Queries": ["UDID"]}),
        ("DeviceInformation", {"Queries": ["UDID"]}, {"Queries": ["UDID"]}),
        ("EraseDevice", {"pin": "123456"}, {"PIN": "123456"}),
        ("InstallProfile", {"payload": "AAEC"}, {"Payload": "AAEC"}),
        ("InstallApplication", {"itunes_store_id": 5}, {"iTunesStoreID": 5}),
        ("InstallApplication", {"itunes_store_id": "5"}, {"iTunesStoreID": 5}),
        ("InstallApplication", {"options": {"purchase_method": 1}}, {"Options": {"PurchaseMethod": 1}}),
        ("InstallApplication", {"attributes": {"vpn_uuid": "x"}}, {"Attributes": {"VPNUUID": "x"}}),
        ("RemoveMedia", {"itunes_store_id": 5}, {"iTunesStoreID": "5"}),
        ("InstalledApplicationList", {"managed_apps_only": True}, {"ManagedAppsOnly": True}),
        ("InstalledApplicationList", {"managed_appd_only": True}, {"ManagedAppsOnly": True}),
        ("ActiveNSExtensions", {"filter_extensions_points": ["x"]}, {"FilterExtensionPoints": ["x"]}),
        ("DeleteUser", {"username": "anna"}, {"UserName": "anna"}),
        ("RotateFileVaultKey", {"filevault_unlock": {"password": "x"}}, {"FileVaultUnlock": {"Password": "x"}}),
        ("RequestMirroring", {"scan_time": "30"}, {"ScanTime": 30}),
        ("SetFirmwarePassword", {"new_password": "", "request_requires_network_tether": False}, {"NewPassword": ""}),
        ("DeviceLock", {"pin": "", "message": None}, {}),
        (
            "AccountConfiguration",
            {"auto_setup_admin_accounts": [{"short_name": "a", "password_hash": "AA=="}]},
            {"AutoSetupAdminAccounts": [{"shortName": "a", "passwordHash": "AA=="}]},
        ),
        (
            "ScheduleOSUpdate",
            {"updates": [{"product_key": "k", "install_action": "Default"}]},
            {"Updates": [{"ProductKey": "k", "InstallAction": "Default"}]},
        ),
        (
            "Settings",
            {"settings": [{"item": "DeviceName", "device_name": "x"}, {"Item": "HostName", "hostname": "y"}]},
            {"Settings": [{"Item": "DeviceName", "DeviceName": "x"}, {"Item": "HostName", "HostName": "y"}]},
        ),
        (
            "Settings",  # as a client does that fills one structure for all settings
            {"settings": [{"item": "DeviceName", "device_name": "x", "identifier": "", "configuration": None}]},
            {"Settings": [{"Item": "DeviceName", "DeviceName": "x"}]},
        ),
    ],
)
def test_bodies_of_scripts_are_understood(request_type, body, parameters):
    envelope = {"udid": "564D", "request_type": request_type, "command_uuid": "1"}
    assert from_snake_case(request_type, {**envelope, **body}) == parameters


@pytest.mark.parametrize("outer", ["items", "ManifestItems", "manifest_items"])
def test_a_manifest_may_be_spelled_in_several_ways(outer):
    body = {
        "manifest": {
            outer: [
                {
                    "assets": [
                        {"kind": "software-package", "url": "https://a.b/c.pkg", "sha256_size": 9, "sha256s": ["f"]}
                    ],
                    "metadata": {"bundle_identifier": "a.b", "kind": "software", "title": "A", "own_key": 1},
                }
            ]
        }
    }
    parameters = clean("InstallEnterpriseApplication", from_snake_case("InstallEnterpriseApplication", body))
    (item,) = parameters["Manifest"]["items"]
    assert set(item["assets"][0]) == {"kind", "url", "sha256-size", "sha256s"}
    assert item["metadata"] == {"bundle-identifier": "a.b", "kind": "software", "title": "A", "own_key": 1}


def test_an_app_configuration_keeps_its_own_keys():
    body = {"identifier": "a.b", "configuration": {"ServerURL": "x", "server_url": "y"}}
    assert from_snake_case("InstallApplication", body)["Configuration"] == {"ServerURL": "x", "server_url": "y"}


def test_an_app_configuration_may_come_as_base64_of_a_property_list():
    encoded = base64.b64encode(plistlib.dumps({"ServerURL": "x", "key": b"\x01"})).decode()
    body = {"settings": [{"item": "ApplicationConfiguration", "identifier": "a.b", "configuration": encoded}]}
    parameters = clean("Settings", from_snake_case("Settings", body))
    assert parameters["Settings"][0]["Configuration"] == {"ServerURL": "x", "key": {"$data": "AQ=="}}
    body["settings"][0]["configuration"] = "bm90IGEgcGxpc3Q="
    with pytest.raises(InvalidCommand, match=r"configuration: expected a dictionary, or base64 of a property list"):
        from_snake_case("Settings", body)


@pytest.mark.parametrize(
    ("request_type", "body", "message"),
    [
        ("DeviceLock", {"pinn": "1"}, "pinn: unknown parameter; did you mean pin?"),
        ("Settings", {"settings": [{"item": "DeviceName", "name": "x"}]}, "settings[0].name: unknown parameter"),
        ("Settings", {"settings": [{"item": "DeviceNmae"}]}, "did you mean DeviceName?"),
        ("Settings", {"settings": [{"device_name": "x"}]}, "is missing"),
        (
            "Settings",
            {"settings": [{"item": "DeviceName", "device_name": "x", "where": 1}]},
            "where: unknown parameter",
        ),
        ("DeviceLock", {"pin": "123456", "PIN": "654321"}, "given twice"),
        ("SetRecoveryLock", {"new_password": "x", "allow_oroms": True}, "allow_oroms: unknown parameter"),
        ("NoSuchThing", {}, "Unknown request type"),
    ],
)
def test_an_unknown_or_repeated_key_is_named(request_type, body, message):
    with pytest.raises(InvalidCommand) as caught:
        from_snake_case(request_type, body)
    assert message in str(caught.value)


def test_a_wrong_type_is_left_for_clean_to_name():
    body = {"settings": [{"item": "DeviceName", "device_name": 5}]}
    with pytest.raises(InvalidCommand, match="expected a string, got a number"):
        clean("Settings", from_snake_case("Settings", body))


@settings(max_examples=200, deadline=None)
@given(SOUND_REQUESTS)
def test_snake_case_and_back_is_the_same(sound):
    request_type, parameters = sound
    cleaned = clean(request_type, parameters)
    snakes = to_snake_case(request_type, cleaned)
    assert all(key.islower() for key in snakes)
    assert from_snake_case(request_type, snakes) == cleaned


@settings(max_examples=200, deadline=None)
@given(REQUEST_TYPE_NAMES, RUBBISH)
def test_rubbish_is_refused_in_no_other_way_than_invalid_command(request_type, body):
    with contextlib.suppress(InvalidCommand):
        clean(request_type, from_snake_case(request_type, body))
