"""Configuration and provisioning profiles."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import RequestType, Support
from mdm.protocol.request_types.vocabulary import SHARED_BOTH, data, on, string

INSTALL_PROFILE = RequestType(
    name="InstallProfile",
    label=_("Install profile"),
    summary=_("Install or replace a configuration profile."),
    family=_("Profiles"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SHARED_BOTH),
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowInstallationRemoval"),
    ),
    parameters=(data("Payload", required=True, secret=True, help=_("The profile, signed or not.")),),
)

REMOVE_PROFILE = RequestType(
    name="RemoveProfile",
    label=_("Remove profile"),
    summary=_("Remove a configuration profile and what it set up."),
    family=_("Profiles"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SHARED_BOTH),
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowInstallationRemoval"),
    ),
    parameters=(string("Identifier", required=True, label=_("Profile identifier"), help=_("Its PayloadIdentifier.")),),
    destructive=True,
)

INSTALL_PROVISIONING_PROFILE = RequestType(
    name="InstallProvisioningProfile",
    label=_("Install provisioning profile"),
    summary=_("Install the provisioning profile of an in-house app."),
    family=_("Profiles"),
    platforms=on(
        ios=Support("4.0", access_right="AllowProvisioningInstallationRemoval"),
        macos="11.0",
        tvos=Support("10.2", access_right="AllowProvisioningInstallationRemoval"),
        visionos=Support("1.1", access_right="AllowProvisioningInstallationRemoval"),
        watchos=Support("10.0", access_right="AllowProvisioningInstallationRemoval"),
    ),
    parameters=(data("ProvisioningProfile", required=True),),
)

REMOVE_PROVISIONING_PROFILE = RequestType(
    name="RemoveProvisioningProfile",
    label=_("Remove provisioning profile"),
    summary=_("Remove the provisioning profile of an in-house app."),
    family=_("Profiles"),
    platforms=on(
        ios=Support("4.0", access_right="AllowProvisioningInstallationRemoval"),
        macos="11.0",
        tvos=Support("10.2", access_right="AllowProvisioningInstallationRemoval"),
        visionos=Support("1.1", access_right="AllowProvisioningInstallationRemoval"),
        watchos=Support("10.0", access_right="AllowProvisioningInstallationRemoval"),
    ),
    parameters=(string("UUID", required=True),),
    destructive=True,
)


def install_profile(payload: bytes) -> Request:
    return build("InstallProfile", Payload=payload)


def remove_profile(identifier: str) -> Request:
    return build("RemoveProfile", Identifier=identifier)


def install_provisioning_profile(provisioning_profile: bytes) -> Request:
    return build("InstallProvisioningProfile", ProvisioningProfile=provisioning_profile)


def remove_provisioning_profile(uuid: str) -> Request:
    return build("RemoveProvisioningProfile", UUID=uuid)
