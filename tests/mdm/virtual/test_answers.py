import plistlib
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from mdm.virtual.answers import REQUEST_TYPES, compose
from tests.mdm.virtual.local_device import INTEL, SILICON, mac, make, phone
from tests.mdm.virtual.reference_server import ReferenceServer
from tests.mdm.virtual.sample_commands import APP, MANIFEST, PNG, commands, plain_profile

SCHEMA = Path(__file__).parents[4] / "shared" / "apple" / "mdm" / "commands"
TYPES = {
    "<string>": str,
    "<boolean>": bool,
    "<integer>": int,
    "<real>": float,
    "<data>": bytes,
    "<date>": datetime,
    "<dictionary>": dict,
    "<array>": list,
}


@pytest.fixture(scope="module")
def server():
    return ReferenceServer()


def device_for(server, request_type, platform):
    kind = REQUEST_TYPES[request_type]
    if platform == "ios":
        return make(server, is_shared_ipad=True) if kind.ios == "shared" else phone(server)
    return mac(server, INTEL if "Firmware" in request_type else SILICON)


PAIRS = [(name, "ios") for name, kind in REQUEST_TYPES.items() if kind.ios != "no"]
PAIRS += [(name, "macos") for name, kind in REQUEST_TYPES.items() if kind.macos != "no"]


def well_formed(server, request_type, platform):
    """The device's response to a good command of that type."""
    device = device_for(server, request_type, platform)
    keys, prepare = commands(server, platform)[request_type]
    user = "jane" if platform == "macos" and REQUEST_TYPES[request_type].macos == "user" else None
    if request_type == "ManagedApplicationFeedback":
        user = "jane" if platform == "macos" else None
    if platform == "macos" and user:
        prepare = prepare if request_type == "ManagedApplicationFeedback" else (lambda device: None)
    prepare(device)
    keys = keys(device) if callable(keys) else keys
    return device, device.answer_locally(request_type, user, **keys)


@pytest.mark.parametrize(("request_type", "platform"), PAIRS)
def test_every_request_type_is_acknowledged_where_it_is_supported(server, request_type, platform):
    well_formed(server, request_type, platform)


# Against Apple's schema

needs_schema = pytest.mark.skipif(not SCHEMA.is_dir(), reason="Apple's schema is not here")
SCHEMAS = {
    data["payload"]["requesttype"]: data
    for path in sorted(SCHEMA.glob("*.yaml") if SCHEMA.is_dir() else [])
    for data in [yaml.safe_load(path.read_text())]
}
OS = {"ios": "iOS", "macos": "macOS"}
# Keys whose shape on the wire differs from the schema: devices send a list of one result per item.
LOOSE = {("Settings", "Settings")}


def offered(key, platform):
    """Whether a response key exists for the platform."""
    own = (key.get("supportedOS") or {}).get(OS[platform], {})
    return own.get("introduced") != "n/a"


def check(value, key, platform, path):
    expected = TYPES.get(key["type"])
    if expected is None:
        return
    assert isinstance(value, expected), f"{path}: {value!r} is not {key['type']}"
    if expected is int:
        assert not isinstance(value, bool), path
    if "rangelist" in key and expected is not bool:
        assert value in key["rangelist"], f"{path}: {value!r}"
    subkeys = key.get("subkeys") or []
    if expected is dict:
        check_dictionary(value, subkeys, platform, path)
    elif expected is list and subkeys:
        for number, item in enumerate(value):
            check(item, subkeys[0], platform, f"{path}[{number}]")


def check_dictionary(value, subkeys, platform, path):
    if len(subkeys) == 1 and (subkeys[0]["key"].startswith("ANY") or subkeys[0]["key"] == "Category Name"):
        for name, item in value.items():
            check(item, subkeys[0], platform, f"{path}.{name}")
        return
    known = {key["key"]: key for key in subkeys}
    if known:
        assert value.keys() <= known.keys(), f"{path}: unknown {value.keys() - known.keys()}"
    for name, key in known.items():
        if name in value:
            assert offered(key, platform), f"{path}.{name} is not for {platform}"
            check(value[name], key, platform, f"{path}.{name}")
        else:
            optional = key.get("presence") != "required" or not offered(key, platform)
            assert optional, f"{path}.{name} is missing"


@needs_schema
@pytest.mark.parametrize(("request_type", "platform"), PAIRS)
def test_responses_have_the_keys_and_types_of_apples_schema(server, request_type, platform):
    _, response = well_formed(server, request_type, platform)
    response = {k: v for k, v in response.items() if (request_type, k) not in LOOSE}
    keys = SCHEMAS[request_type].get("responsekeys") or []
    if not keys:
        assert response == {}
    check_dictionary(response, keys, platform, request_type)


@needs_schema
def test_the_table_has_exactly_apples_request_types():
    assert REQUEST_TYPES.keys() == SCHEMAS.keys()


@needs_schema
@pytest.mark.parametrize("request_type", REQUEST_TYPES)
def test_platforms_channels_supervision_and_required_keys_are_apples(request_type):
    kind, schema = REQUEST_TYPES[request_type], SCHEMAS[request_type]
    ios, macos = (schema["payload"]["supportedOS"].get(name, {"introduced": "n/a"}) for name in ("iOS", "macOS"))
    if ios["introduced"] == "n/a":
        expected = "no"
    elif ios.get("sharedipad", {}).get("mode") == "required":
        expected = "shared"
    else:
        expected = "supervised" if ios.get("supervised") else "yes"
    assert kind.ios == expected
    channels = {(True, False): "device", (False, True): "user", (True, True): "both"}
    on_mac = macos["introduced"] != "n/a"
    expected = channels[(macos["devicechannel"], macos["userchannel"])] if on_mac else "no"
    assert kind.macos == expected
    assert kind.mac_supervised == (on_mac and bool(macos.get("supervised")))
    keys = schema.get("payloadkeys") or []
    assert kind.required == {key["key"]: TYPES[key["type"]] for key in keys if key.get("presence") == "required"}


@needs_schema
@pytest.mark.parametrize("platform", ["ios", "macos"])
def test_device_information_knows_all_that_the_schema_offers_but_a_few(server, platform):
    device, response = well_formed(server, "DeviceInformation", platform)
    queries = next(k for k in SCHEMAS["DeviceInformation"]["payloadkeys"] if k["key"] == "Queries")
    names = {k["key"] for k in queries["subkeys"][0]["subkeys"] if offered(k, platform)}
    shared_ipad_only = {
        "MaximumResidentUsers",
        "EstimatedResidentUsers",
        "QuotaSize",
        "ResidentUsers",
        "UserSessionTimeout",
        "TemporarySessionTimeout",
        "TemporarySessionOnly",
        "ManagedAppleIDDefaultDomains",
        "OnlineAuthenticationGracePeriod",
        "SkipLanguageAndLocaleSetupForNewUsers",
    }
    # No phone of the catalogue has a MEID or an Apple-rooted attestation, or was ever backed up to iCloud.
    absent = {"MEID", "LastCloudBackupDate", "DevicePropertiesAttestation"}
    assert names - shared_ipad_only - absent - {"OrganizationInfo"} <= response["QueryResponses"].keys()


# Refusals


@pytest.mark.parametrize(("request_type", "platform"), [row for row in PAIRS if REQUEST_TYPES[row[0]].required])
def test_a_missing_or_mistyped_required_key_is_a_format_error(server, request_type, platform):
    device = device_for(server, request_type, platform)
    user = "jane" if platform == "macos" and REQUEST_TYPES[request_type].macos == "user" else None
    keys = commands(server, platform)[request_type][0]
    keys = keys(device) if callable(keys) else keys
    for missing in REQUEST_TYPES[request_type].required:
        left = {key: value for key, value in keys.items() if key != missing}
        assert device.reply(request_type, user, **left).status == "CommandFormatError"
        assert device.reply(request_type, user, **{**keys, missing: 1.5}).status == "CommandFormatError"


def test_a_platform_that_does_not_know_a_request_type_says_so(server):
    iphone, macbook = phone(server), mac(server)
    assert iphone.code("UnlockUserAccount", UserName="x") == 12021
    assert iphone.code("Nonsense") == 12021
    assert macbook.code("EnableLostMode") == 91
    assert macbook.reply("EnableLostMode").chain[0]["ErrorDomain"] == "MDMClientError"
    assert compose(iphone.scene(None), {}).status == "CommandFormatError"


def test_the_wrong_channel_of_a_mac_is_refused(server):
    macbook = mac(server)
    assert macbook.code("RestartDevice", user="jane") == 92
    assert macbook.code("InviteToProgram", ProgramID="x", InvitationURL="y") == 92


def test_an_unsupervised_device_refuses_what_needs_supervision(server):
    iphone = phone(server, is_supervised=False)
    assert iphone.code("RestartDevice") == 29000
    assert iphone.answer_locally("InstallApplication", iTunesStoreID=1)["State"] == "Prompting"
    results = iphone.answer_locally("Settings", Settings=[{"Item": "DeviceName", "DeviceName": "x"}])["Settings"]
    assert results[0]["Status"] == "Error"
    assert mac(server, is_supervised=False).code("UserList") == 29000


def test_user_lists_are_for_shared_ipads(server):
    assert phone(server).code("UserList") == 12076


# State


def test_installed_profiles_are_listed_until_removed(server):
    iphone = phone(server)
    iphone.answer_locally("InstallProfile", Payload=plain_profile())
    listed = {row["PayloadIdentifier"] for row in iphone.answer_locally("ProfileList")["ProfileList"]}
    assert listed == {"test.enrollment", "com.example.wifi"}
    iphone.answer_locally("InstallProfile", Payload=plain_profile())
    assert len(iphone.answer_locally("ProfileList")["ProfileList"]) == 2
    iphone.answer_locally("RemoveProfile", Identifier="com.example.wifi")
    assert iphone.code("RemoveProfile", Identifier="com.example.wifi") == 12075
    assert mac(server).code("RemoveProfile", Identifier="com.example.wifi") == 89


def test_a_mac_keeps_the_profiles_of_its_users_apart(server):
    macbook = mac(server)
    macbook.answer_locally("InstallProfile", user="jane", Payload=plain_profile())
    assert len(macbook.answer_locally("ProfileList", user="jane")["ProfileList"]) == 1
    assert len(macbook.answer_locally("ProfileList")["ProfileList"]) == 1
    assert macbook.code("RemoveProfile", Identifier="com.example.wifi") == 89


@pytest.mark.parametrize("payload", [b"", b"<plist>", plistlib.dumps([]), plistlib.dumps({"PayloadType": "x"})])
def test_a_broken_profile_is_an_error_not_a_crash(server, payload):
    assert phone(server).code("InstallProfile", Payload=payload) == 4001
    assert mac(server).code("InstallProfile", Payload=payload) == -319


def test_a_second_management_profile_is_refused(server):
    content = plistlib.loads(plain_profile("other", {"PayloadType": "com.apple.mdm"}))
    assert phone(server).code("InstallProfile", Payload=plistlib.dumps(content)) == 12001


def test_settings_change_what_the_device_says_about_itself(server):
    iphone = phone(server)
    items = [
        {"Item": "DeviceName", "DeviceName": "Reception"},
        {"Item": "TimeZone", "TimeZone": "Asia/Tokyo"},
        {"Item": "DataRoaming", "Enabled": True},
        {"Item": "OrganizationInfo", "OrganizationInfo": {"OrganizationName": "Example"}},
        {"Item": "Wallpaper", "Image": PNG, "Where": 1},
        {"Item": "Wallpaper", "Image": b"GIF", "Where": 1},
        {"Item": "HostName", "HostName": "x"},
        {"Item": "Bluetooth"},
    ]
    results = iphone.answer_locally("Settings", Settings=items)["Settings"]
    assert [row["Status"] for row in results] == ["Acknowledged"] * 5 + ["Error"] * 3
    queries = ["DeviceName", "TimeZone", "DataRoamingEnabled", "OrganizationInfo"]
    assert iphone.answer_locally("DeviceInformation", Queries=queries)["QueryResponses"] == {
        "DeviceName": "Reception",
        "TimeZone": "Asia/Tokyo",
        "DataRoamingEnabled": True,
        "OrganizationInfo": {"OrganizationName": "Example"},
    }
    macbook = mac(server)
    macbook.answer_locally("Settings", Settings=[{"Item": "HostName", "HostName": "mac-1"}])
    assert macbook.answer_locally("DeviceInformation", Queries=["HostName"])["QueryResponses"] == {"HostName": "mac-1"}


def test_managed_apps_come_and_go(server):
    iphone = make(server, store={42: ("com.example.shop", "Shop", "3.0")})
    before = len(iphone.state.apps)
    assert 10 <= before <= 60
    answer = iphone.answer_locally("InstallApplication", iTunesStoreID=42, Configuration={"k": "v"})
    assert answer == {"Identifier": "com.example.shop", "State": "Installing"}
    listed = iphone.answer_locally("InstalledApplicationList", ManagedAppsOnly=True)["InstalledApplicationList"]
    assert [(row["Identifier"], row["Name"]) for row in listed] == [("com.example.shop", "Shop")]
    managed = iphone.answer_locally("ManagedApplicationList")["ManagedApplicationList"]["com.example.shop"]
    assert managed["Status"] == "Managed"
    assert managed["HasConfiguration"] is True
    items = [{"Item": "ApplicationConfiguration", "Identifier": "com.example.shop", "Configuration": {"k": "w"}}]
    iphone.answer_locally("Settings", Settings=items)
    configuration = iphone.answer_locally("ManagedApplicationConfiguration", Identifiers=["com.example.shop", "x"])
    assert configuration["ApplicationConfigurations"] == [
        {"Identifier": "com.example.shop", "Configuration": {"k": "w"}}
    ]
    iphone.answer_locally("RemoveApplication", Identifier="com.example.shop")
    assert iphone.code("RemoveApplication", Identifier="com.example.shop") == 12029
    assert len(iphone.state.apps) == before


def test_only_asked_for_items_of_an_app_are_told(server):
    rows = phone(server).answer_locally("InstalledApplicationList", Items=["Name"])["InstalledApplicationList"]
    assert all(row.keys() == {"Identifier", "Name"} for row in rows)


def test_manifests_are_fetched_and_read(server):
    server.files = {
        "/good.plist": plistlib.dumps(MANIFEST),
        "/bad.plist": b"<html>",
        "/empty.plist": plistlib.dumps({}),
    }
    macbook = mac(server)
    macbook.answer_locally("InstallEnterpriseApplication", ManifestURL=f"{server.base}/good.plist")
    assert macbook.state.apps[APP]["Version"] == "2.1"
    assert APP not in macbook.state.managed_apps
    assert macbook.code("InstallEnterpriseApplication", ManifestURL=f"{server.base}/bad.plist") == 12033
    assert macbook.code("InstallEnterpriseApplication", ManifestURL=f"{server.base}/empty.plist") == 12033
    assert macbook.code("InstallEnterpriseApplication", ManifestURL=f"{server.base}/absent.plist") == 12024
    assert phone(server).answer_locally("InstallApplication", ManifestURL=f"{server.base}/good.plist") == {
        "Identifier": APP,
        "State": "Installing",
    }


def test_lost_mode_is_a_condition_for_location_and_sound(server):
    iphone = phone(server)
    assert iphone.code("DeviceLocation") == 12067
    assert iphone.code("EnableLostMode") == 12066
    iphone.answer_locally("EnableLostMode", PhoneNumber="+49")
    asked = iphone.answer_locally("DeviceInformation", Queries=["IsMDMLostModeEnabled"])
    assert asked["QueryResponses"] == {"IsMDMLostModeEnabled": True}
    assert abs(iphone.answer_locally("DeviceLocation")["Latitude"]) < 90
    iphone.answer_locally("PlayLostModeSound")
    iphone.answer_locally("DisableLostMode")
    assert iphone.code("PlayLostModeSound") == 12067


def test_a_passcode_is_cleared_with_the_right_token_only(server):
    iphone = phone(server)
    assert iphone.code("ClearPasscode", UnlockToken=b"wrong") == 5013
    assert iphone.answer_locally("SecurityInfo")["SecurityInfo"]["PasscodePresent"] is True
    iphone.answer_locally("ClearPasscode", UnlockToken=iphone.state.unlock_token)
    assert iphone.answer_locally("SecurityInfo")["SecurityInfo"]["PasscodePresent"] is False
    assert iphone.answer_locally("DeviceLock", Message="x")["MessageResult"] == "NoPasscodeSet"


def test_recovery_lock_and_firmware_password_are_remembered(server):
    macbook = mac(server)
    macbook.answer_locally("SetRecoveryLock", NewPassword="one")
    assert macbook.answer_locally("VerifyRecoveryLock", Password="one") == {"PasswordVerified": True}
    assert macbook.answer_locally("VerifyRecoveryLock", Password="two") == {"PasswordVerified": False}
    assert macbook.code("SetRecoveryLock", NewPassword="two", CurrentPassword="no") == 96
    assert macbook.answer_locally("SecurityInfo")["SecurityInfo"]["IsRecoveryLockEnabled"] is True
    assert macbook.code("SetFirmwarePassword", NewPassword="x") == 97
    intel = mac(server, INTEL)
    assert intel.code("SetRecoveryLock", NewPassword="x") == 97
    intel.answer_locally("SetFirmwarePassword", NewPassword="one")
    assert intel.code("SetFirmwarePassword", NewPassword="two", CurrentPassword="one") == 95
    intel.answer_locally("RestartDevice")
    refused = intel.reply("SetFirmwarePassword", NewPassword="two", CurrentPassword="no")
    assert refused.response == {"SetFirmwarePassword": {"PasswordChanged": False}}
    intel.answer_locally("SetFirmwarePassword", NewPassword="two", CurrentPassword="one")


def test_an_intel_mac_needs_a_pin_to_be_locked_or_erased(server):
    intel = mac(server, INTEL)
    assert intel.code("DeviceLock") == 94
    assert intel.code("EraseDevice", PIN="12") == 94
    intel.answer_locally("DeviceLock", PIN="123456")
    mac(server).answer_locally("DeviceLock")


def test_filevault_keys_go_to_the_certificate_that_asked(server):
    macbook = mac(server)
    certificate = server.ca.public_bytes(serialization.Encoding.DER)
    escrow = plain_profile(
        "escrow",
        {"PayloadType": "com.apple.security.FDERecoveryKeyEscrow", "EncryptCertPayloadUUID": "escrow-1"},
        {"PayloadType": "com.apple.security.pkcs1", "PayloadContent": certificate},
    )
    assert "FDE_PersonalRecoveryKeyCMS" not in macbook.answer_locally("SecurityInfo")["SecurityInfo"]
    macbook.answer_locally("InstallProfile", Payload=escrow)
    before = macbook.state.recovery_key
    sealed = macbook.answer_locally("SecurityInfo")["SecurityInfo"]["FDE_PersonalRecoveryKeyCMS"]
    assert open_sealed(server, sealed) == before
    unlock = {"KeyType": "personal", "ReplyEncryptionCertificate": certificate}
    assert macbook.code("RotateFileVaultKey", FileVaultUnlock={"Password": "no"}, **unlock) == 96
    rotated = macbook.answer_locally("RotateFileVaultKey", FileVaultUnlock={"Password": before}, **unlock)
    assert open_sealed(server, rotated["RotateResult"]["EncryptedNewRecoveryKey"]) == macbook.state.recovery_key
    assert macbook.state.recovery_key != before
    names = {row["CommonName"] for row in macbook.answer_locally("CertificateList")["CertificateList"]}
    assert "Reference CA" in names


def open_sealed(server, sealed):
    return server.decrypt(sealed)[0].decode()


def test_users_can_be_deleted_unless_they_are_at_work(server):
    macbook = mac(server)
    users = {row["UserName"]: row["IsLoggedIn"] for row in macbook.answer_locally("UserList")["Users"]}
    busy, idle = (next(n for n, on in users.items() if on is wanted) for wanted in (True, False))
    assert macbook.code("DeleteUser", UserName=busy) == 12072
    assert macbook.code("DeleteUser", UserName="nobody") == 12071
    macbook.answer_locally("DeleteUser", UserName=idle)
    assert [row["UserName"] for row in macbook.answer_locally("UserList")["Users"]] == [busy]
    ipad = make(server, is_shared_ipad=True)
    ipad.answer_locally("LogOutUser")
    ipad.answer_locally("DeleteUser", DeleteAllUsers=True)
    assert ipad.answer_locally("UserList")["Users"] == []


def test_account_configuration_makes_an_administrator_during_setup(server):
    macbook = mac(server)
    account = {"shortName": "admin", "fullName": "Admin", "passwordHash": b"1"}
    assert macbook.code("AccountConfiguration", AutoSetupAdminAccounts=[account]) == 100
    macbook.token_update(awaiting_configuration=True)
    macbook.answer_locally("AccountConfiguration", AutoSetupAdminAccounts=[account])
    accounts = macbook.answer_locally("DeviceInformation", Queries=["AutoSetupAdminAccounts"])["QueryResponses"]
    guid = accounts["AutoSetupAdminAccounts"][0]["GUID"]
    macbook.answer_locally("SetAutoAdminPassword", GUID=guid, passwordHash=b"2")
    assert macbook.state.admin_accounts[0]["passwordHash"] == b"2"
    assert macbook.code("SetAutoAdminPassword", GUID="other", passwordHash=b"3") == 99
    macbook.answer_locally("DeviceConfigured")
    asked = macbook.answer_locally("DeviceInformation", Queries=["AwaitingConfiguration"])["QueryResponses"]
    assert asked == {"AwaitingConfiguration": False}


def test_an_update_is_downloaded_installed_and_gone(server):
    iphone = phone(server)
    update = iphone.answer_locally("AvailableOSUpdates")["AvailableOSUpdates"][0]
    wish = {"ProductKey": update["ProductKey"], "InstallAction": "InstallASAP"}
    unknown = {"ProductKey": "other", "InstallAction": "InstallASAP"}
    results = iphone.answer_locally("ScheduleOSUpdate", Updates=[wish, unknown])["UpdateResults"]
    assert [row["InstallAction"] for row in results] == ["InstallASAP", "Error"]
    statuses = [iphone.answer_locally("OSUpdateStatus")["OSUpdateStatus"] for _ in range(3)]
    assert [row[0]["Status"] if row else None for row in statuses] == ["Downloading", "Installing", None]
    asked = iphone.answer_locally("DeviceInformation", Queries=["OSVersion"])["QueryResponses"]
    assert asked == {"OSVersion": update["Version"]}
    assert iphone.answer_locally("AvailableOSUpdates")["AvailableOSUpdates"] == []


def test_restrictions_of_profiles_add_up(server):
    iphone = phone(server)
    payload = {"PayloadType": "com.apple.applicationaccess", "allowCamera": False, "forceEncryptedBackup": True}
    iphone.answer_locally("InstallProfile", Payload=plain_profile("limits", payload))
    answer = iphone.answer_locally("Restrictions", ProfileRestrictions=True)
    total = answer["GlobalRestrictions"]["restrictedBool"]
    assert total["allowCamera"] == {"value": False}
    assert total["allowSafari"] == {"value": True}
    assert answer["ProfileRestrictions"].keys() == {"limits"}
    assert "ProfileRestrictions" not in iphone.answer_locally("Restrictions")


def test_books_are_kept_and_removed(server):
    iphone = phone(server)
    iphone.answer_locally("InstallMedia", MediaType="Book", PersistentID="b1", MediaURL="https://x/", Kind="epub")
    assert iphone.answer_locally("ManagedMediaList")["Books"][0]["PersistentID"] == "b1"
    iphone.answer_locally("RemoveMedia", MediaType="Book", PersistentID="b1")
    assert iphone.code("RemoveMedia", MediaType="Book", PersistentID="b1") == 12045


def test_the_bypass_code_is_gone_once_cleared(server):
    iphone = phone(server)
    assert iphone.answer_locally("ActivationLockBypassCode")["ActivationLockBypassCode"]
    iphone.answer_locally("ClearActivationLockBypassCode")
    assert iphone.code("ActivationLockBypassCode") == 12010


def test_remote_desktop_shows_in_security_info(server):
    macbook = mac(server)
    macbook.answer_locally("EnableRemoteDesktop")
    assert macbook.answer_locally("SecurityInfo")["SecurityInfo"]["RemoteDesktopEnabled"] is True
    macbook.answer_locally("DisableRemoteDesktop")
    assert macbook.answer_locally("SecurityInfo")["SecurityInfo"]["RemoteDesktopEnabled"] is False
    assert "RemoteDesktopEnabled" not in macbook.answer_locally("SecurityInfo", user="jane")["SecurityInfo"]
