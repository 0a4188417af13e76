"""Builders: what they make is clean, and every request type has one."""

import pytest

from mdm.protocol.request_types import (
    REQUEST_TYPES,
    Platform,
    Request,
    apps,
    cellular,
    clean,
    declarative,
    default_queries,
    information,
    lights_out,
    lists,
    lock,
    logs,
    lost_mode,
    managed_apps,
    media,
    passwords,
    power,
    profiles,
    screen,
    settings,
    setup,
    updates,
    users,
)

LOM = {
    "DeviceRequestType": "Reset",
    "DeviceRequestUUID": "1",
    "DeviceDNSName": "mac.example",
    "PrimaryIPv6AddressList": ["fe80::1"],
    "SecondaryIPv6AddressList": [],
    "LOMProtocolVersion": 1,
}
MADE = [
    (information.device_information(["UDID"]), {"Queries": ["UDID"]}),
    (information.device_information(platform=Platform.TVOS), {"Queries": default_queries(Platform.TVOS)}),
    (information.security_info(), {}),
    (information.content_caching_information(), {}),
    (information.restrictions(profile_restrictions=True), {"ProfileRestrictions": True}),
    (lists.installed_application_list(), {}),
    (
        lists.installed_application_list(["a.b"], managed_apps_only=True, items=["Name"]),
        {"Identifiers": ["a.b"], "ManagedAppsOnly": True, "Items": ["Name"]},
    ),
    (lists.profile_list(), {}),
    (lists.profile_list(managed_only=True), {"ManagedOnly": True}),
    (lists.certificate_list(managed_only=True), {"ManagedOnly": True}),
    (lists.provisioning_profile_list(), {}),
    (lists.active_ns_extensions(["com.apple.services"]), {"FilterExtensionPoints": ["com.apple.services"]}),
    (lists.ns_extension_mappings(), {}),
    (power.restart_device(), {}),
    (
        power.restart_device(notify_user=True, rebuild_kernel_cache=True, kext_paths=["/a.kext"]),
        {"NotifyUser": True, "RebuildKernelCache": True, "KextPaths": ["/a.kext"]},
    ),
    (power.shut_down_device(), {}),
    (lights_out.lom_setup_request(), {}),
    (lights_out.lom_device_request([LOM]), {"RequestList": [LOM]}),
    (
        lock.device_lock(message="Lost", phone_number="1", pin="123456"),
        {"Message": "Lost", "PhoneNumber": "1", "PIN": "123456"},
    ),
    (
        lock.erase_device(pin="123456", obliteration_behavior="Always"),
        {"PIN": "123456", "ObliterationBehavior": "Always"},
    ),
    (
        lock.erase_device(preserve_data_plan=True, return_to_service=True, wifi_profile=b"w"),
        {"PreserveDataPlan": True, "ReturnToService": {"Enabled": True, "WiFiProfileData": "dw=="}},
    ),
    (lock.clear_passcode(b"\x00\x01\x02"), {"UnlockToken": "AAEC"}),
    (lock.request_unlock_token(), {}),
    (lock.activation_lock_bypass_code(), {}),
    (lock.clear_activation_lock_bypass_code(), {}),
    (lock.clear_restrictions_password(), {}),
    (lost_mode.enable_lost_mode(message="Call"), {"Message": "Call"}),
    (lost_mode.disable_lost_mode(), {}),
    (lost_mode.device_location(), {}),
    (lost_mode.play_lost_mode_sound(), {}),
    (profiles.install_profile(b"\x00\x01\x02"), {"Payload": "AAEC"}),
    (profiles.remove_profile("a.b"), {"Identifier": "a.b"}),
    (profiles.install_provisioning_profile(b"\x00"), {"ProvisioningProfile": "AA=="}),
    (profiles.remove_provisioning_profile("1"), {"UUID": "1"}),
    (
        apps.install_application(itunes_store_id=5, purchase_method=1, management_flags=1, take_management=True),
        {
            "iTunesStoreID": 5,
            "Options": {"PurchaseMethod": 1},
            "ManagementFlags": 1,
            "ChangeManagementState": "Managed",
        },
    ),
    (
        apps.install_enterprise_application(
            manifest_url="https://a.b", pinning_certificates=[b"\x00"], install_as_managed=True
        ),
        {"ManifestURL": "https://a.b", "ManifestURLPinningCerts": ["AA=="], "InstallAsManaged": True},
    ),
    (apps.install_enterprise_application(manifest={"items": []}), {"Manifest": {"items": []}}),
    (apps.remove_application("a.b"), {"Identifier": "a.b"}),
    (apps.validate_applications(["a.b"]), {"Identifiers": ["a.b"]}),
    (apps.apply_redemption_code("a.b", "X"), {"Identifier": "a.b", "RedemptionCode": "X"}),
    (apps.invite_to_program("https://a.b"), {"ProgramID": "com.apple.cloudvpp", "InvitationURL": "https://a.b"}),
    (managed_apps.managed_application_list(), {}),
    (managed_apps.managed_application_attributes(["a.b"]), {"Identifiers": ["a.b"]}),
    (managed_apps.managed_application_configuration(["a.b"]), {"Identifiers": ["a.b"]}),
    (
        managed_apps.managed_application_feedback(["a.b"], delete_feedback=True),
        {"Identifiers": ["a.b"], "DeleteFeedback": True},
    ),
    (media.install_media(itunes_store_id=5), {"iTunesStoreID": 5, "MediaType": "Book"}),
    (media.remove_media(itunes_store_id=5), {"iTunesStoreID": "5", "MediaType": "Book"}),
    (media.managed_media_list(), {}),
    (settings.settings_device_name("x"), {"Settings": [{"Item": "DeviceName", "DeviceName": "x"}]}),
    (settings.settings_host_name("x"), {"Settings": [{"Item": "HostName", "HostName": "x"}]}),
    (settings.settings_wallpaper(b"\x00", 3), {"Settings": [{"Item": "Wallpaper", "Image": "AA==", "Where": 3}]}),
    (settings.settings_time_zone("UTC"), {"Settings": [{"Item": "TimeZone", "TimeZone": "UTC"}]}),
    (settings.settings_switch("Bluetooth", enabled=False), {"Settings": [{"Item": "Bluetooth", "Enabled": False}]}),
    (settings.settings_organization_info(None), {"Settings": [{"Item": "OrganizationInfo"}]}),
    (
        settings.settings_mdm_options({"BootstrapTokenAllowed": True}),
        {"Settings": [{"Item": "MDMOptions", "MDMOptions": {"BootstrapTokenAllowed": True}}]},
    ),
    (
        settings.settings_application_configuration("a.b", {"k": 1}),
        {"Settings": [{"Item": "ApplicationConfiguration", "Identifier": "a.b", "Configuration": {"k": 1}}]},
    ),
    (
        settings.settings_application_attributes("a.b", None),
        {"Settings": [{"Item": "ApplicationAttributes", "Identifier": "a.b"}]},
    ),
    (passwords.set_firmware_password("", current_password="a"), {"CurrentPassword": "a", "NewPassword": ""}),
    (passwords.verify_firmware_password("a"), {"Password": "a"}),
    (passwords.set_recovery_lock("b", current_password="a"), {"CurrentPassword": "a", "NewPassword": "b"}),
    (passwords.verify_recovery_lock("a"), {"Password": "a"}),
    (passwords.set_auto_admin_password("G", b"\x00"), {"GUID": "G", "passwordHash": "AA=="}),
    (
        passwords.rotate_filevault_key("a", reply_encryption_certificate=b"\x00"),
        {"KeyType": "personal", "FileVaultUnlock": {"Password": "a"}, "ReplyEncryptionCertificate": "AA=="},
    ),
    (
        passwords.rotate_institutional_filevault_key("a", new_certificate=b"\x00"),
        {"KeyType": "institutional", "FileVaultUnlock": {"Password": "a"}, "NewCertificate": "AA=="},
    ),
    (users.user_list(), {}),
    (users.delete_user("anna", force_deletion=True), {"UserName": "anna", "ForceDeletion": True}),
    (users.delete_user(delete_all_users=True), {"DeleteAllUsers": True}),
    (users.log_out_user(), {}),
    (users.unlock_user_account("anna"), {"UserName": "anna"}),
    (
        setup.account_configuration(
            admin_accounts=[{"shortName": "a", "passwordHash": b"\x00"}], skip_primary_account=True
        ),
        {
            "AutoSetupAdminAccounts": [{"shortName": "a", "passwordHash": "AA=="}],
            "SkipPrimarySetupAccountCreation": True,
        },
    ),
    (setup.device_configured(), {}),
    (setup.user_configured(), {}),
    (updates.schedule_os_update(), {"Updates": [{"InstallAction": "Default"}]}),
    (
        updates.schedule_os_update([updates.OSUpdate("InstallLater", product_version="14.5", max_user_deferrals=3)]),
        {"Updates": [{"ProductVersion": "14.5", "InstallAction": "InstallLater", "MaxUserDeferrals": 3}]},
    ),
    (updates.schedule_os_update_scan(force=True), {"Force": True}),
    (updates.available_os_updates(), {}),
    (updates.os_update_status(), {}),
    (declarative.declarative_management(), {}),
    (declarative.declarative_management(b"{}"), {"Data": "e30="}),
    (cellular.refresh_cellular_plans("https://a.b"), {"eSIMServerURL": "https://a.b"}),
    (screen.request_mirroring(destination_name="TV", scan_time_seconds=30), {"DestinationName": "TV", "ScanTime": 30}),
    (screen.stop_mirroring(), {}),
    (screen.enable_remote_desktop(), {}),
    (screen.disable_remote_desktop(), {}),
    (logs.trigger_enhanced_log_collection("t"), {"AppleCareToken": "t"}),
    (logs.cancel_enhanced_log_collection(), {}),
]


@pytest.mark.parametrize(("request_", "parameters"), MADE, ids=lambda value: getattr(value, "request_type", ""))
def test_a_builder_makes_clean_parameters(request_, parameters):
    assert request_.parameters == parameters
    assert clean(request_.request_type, request_.parameters) == parameters


def test_every_request_type_has_a_builder():
    assert {request.request_type for request, _ in MADE} == set(REQUEST_TYPES)


def test_a_request_does_not_show_its_parameters():
    assert repr(Request("DeviceLock", {"PIN": "123456"})) == "Request(request_type='DeviceLock')"
