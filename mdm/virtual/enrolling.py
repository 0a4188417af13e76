"""How a device gets into management and renews its identity."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mdm.virtual.answers_profiles import installed_row
from mdm.virtual.device_channel import DeviceChannel
from mdm.virtual.enrollment_profile import (
    ConfigurationProfile,
    alternative_names,
    download_profile,
    require_management,
    subject_name,
)
from mdm.virtual.error_chains import Refused, link, mdm_error
from mdm.virtual.errors import BadProfile, ScepError
from mdm.virtual.keys import Identity
from mdm.virtual.scep_client import ScepClient
from mdm.virtual.state import DEVICE_SCOPE

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

BOOTSTRAP_CAPABILITY = "com.apple.mdm.bootstraptoken"


class Enrolling(DeviceChannel):
    device: "VirtualDevice"

    def enroll(self, url: str) -> None:
        """The whole way in: page, profile, SCEP, Authenticate, TokenUpdate, and a Mac's bootstrap token.

        If any step fails the device stays, or is again, without management.
        """
        self.open_enrollment(url)
        self.join()

    def join(self, *, awaits_configuration: bool = False) -> None:
        """What follows once the device has its enrollment profile."""
        device = self.device
        try:
            self.obtain_identity()
            self.authenticate()
            self.token_update(awaiting_configuration=awaits_configuration)
            if device.platform == "macos" and BOOTSTRAP_CAPABILITY in device.mdm_payload.get("ServerCapabilities", []):
                self.set_bootstrap_token(device.rng.randbytes(128))
        except Exception:
            device.forget_management()
            raise

    def open_enrollment(self, url: str) -> ConfigurationProfile:
        """Fetch the enrollment page and the profile behind it. Raises EnrollmentRefused, BadProfile."""
        device = self.device
        device.profile = download_profile(device.client, url, device.headers)
        return device.profile

    def scep_client(self, scep: Mapping[str, Any]) -> ScepClient:
        """A client for a SCEP payload's PayloadContent."""
        device = self.device
        from_profile = {
            "ca_name": scep.get("Name", ""),
            "retries": scep.get("Retries", 3),
            "retry_delay_seconds": scep.get("RetryDelay", 10),
            "ca_fingerprint": scep.get("CAFingerprint"),
            "headers": device.headers,
        }
        return ScepClient(device.client, scep["URL"], **{**from_profile, **device.scep_overrides})

    def obtain_identity(self) -> Identity:
        """PKCSReq with the challenge of the enrollment profile. Raises ScepError."""
        device = self.device
        profile = device.require_enrollment()
        device.identity = self._identity_from(profile)
        device.state.profiles_of(DEVICE_SCOPE)[profile.identifier] = installed_row(profile)
        return device.identity

    def _identity_from(self, profile: ConfigurationProfile) -> Identity:
        device = self.device
        scep = require_management(profile).scep or {}
        client = self.scep_client(scep)
        if "Challenge" not in scep and device.identity is not None:
            return client.renew(device.identity, device.key_source())
        return client.enroll(device.key_source(), subject_name(scep), scep.get("Challenge"), alternative_names(scep))

    def renew(self) -> Identity:
        """RenewalReq signed with the present identity; the new one is used from then on. Raises ScepError."""
        device = self.device
        client = self.scep_client(device.require_enrollment().scep or {})
        device.identity = client.renew(device.require_identity(), device.key_source())
        return device.identity

    def replace_enrollment(self, profile: ConfigurationProfile) -> None:
        """InstallProfile brought a new edition of the enrollment profile: get its identity, use it from now on.

        Raises error_chains.Refused, what the device then answers.
        """
        device = self.device
        try:
            require_management(profile)
        except BadProfile as error:
            raise Refused([link("MCInstallationErrorDomain", 4015, str(error))]) from error
        if (profile.mdm or {}).get("Topic") != device.topic:
            raise Refused(mdm_error(12012, "The new profile's topic differs."))
        try:
            identity = self._identity_from(profile)
        except ScepError as error:
            failed = link("MCInstallationErrorDomain", 4001, "The profile could not be installed.")
            raise Refused([failed, link("MCSCEPErrorDomain", 22013, str(error))]) from error
        device.identity, device.profile = identity, profile
        if device.renewal_style == "authenticate":
            self.authenticate()
            self.token_update()
