"""What the person at a device does to it, unasked by the server, and what time and its apps do."""

from typing import TYPE_CHECKING, Any

from mdm.virtual import installing
from mdm.virtual.answers_profiles import installed_row
from mdm.virtual.app_names import app_row, external_version
from mdm.virtual.device_channel import DeviceChannel
from mdm.virtual.enrollment_profile import parse_profile
from mdm.virtual.errors import BadProfile
from mdm.virtual.state import DEVICE_SCOPE

if TYPE_CHECKING:
    from mdm.virtual.device import VirtualDevice

MEGABYTES = 80


class ByHand(DeviceChannel):
    """The server learns of these from the next list that it asks for, not before."""

    device: "VirtualDevice"

    # Apps

    def install_app_by_hand(self, identifier: str, name: str | None = None, version: str = "1.0") -> None:
        """From the App Store or a disk image, so unmanaged.

        An app that was managed and deleted is managed again; one that waits for its managed install is told as
        UserInstalledApp, once, and stays the person's.
        """
        state, number = self.device.state, external_version(identifier, version)
        name = name or identifier.rsplit(".", 1)[-1].title()
        row = app_row(self.device.platform, identifier, name, version, MEGABYTES, external_version=number)
        managed = state.managed_apps.get(identifier)
        if managed is not None:
            if managed["Status"] == "ManagedButUninstalled":
                managed |= {"Status": "Managed", "WasManaged": True, "ExternalVersionIdentifier": number}
            elif identifier not in state.apps and (identifier in state.installs or identifier in state.redemptions):
                managed["Status"] = "UserInstalledApp"
                state.installs.pop(identifier, None)
                state.redemptions.pop(identifier, None)
        state.apps[identifier] = row

    def update_app_by_hand(self, identifier: str, version: str) -> None:
        """Managed or not, it stays so. Raises ValueError when the app is not there."""
        state = self.device.state
        self._require_app(identifier)
        number = external_version(identifier, version)
        state.apps[identifier] |= {"Version": version, "ShortVersion": version, "ExternalVersionIdentifier": number}
        if identifier in state.managed_apps:
            state.managed_apps[identifier]["ExternalVersionIdentifier"] = number

    def remove_app(self, identifier: str) -> None:
        """The person deletes it; a managed one is ManagedButUninstalled from then on.

        Raises ValueError when it is not there, or must not be removed (attribute Removable).
        """
        state = self.device.state
        self._require_app(identifier)
        managed = state.managed_apps.get(identifier)
        if managed is not None and managed.get("Attributes", {}).get("Removable") is False:
            raise ValueError(f"{identifier} is managed and not removable")
        was_managed = installing.is_managed(state, identifier)
        del state.apps[identifier]
        state.installs.pop(identifier, None)
        if managed is None:
            return
        if was_managed:
            managed |= {"Status": "ManagedButUninstalled", "WasManaged": False, "Feedback": {}}
        else:
            del state.managed_apps[identifier]

    def set_feedback(self, identifier: str, feedback: dict[str, Any]) -> None:
        """A managed app writes its feedback dictionary, in place of the former. Raises ValueError for other apps."""
        if not installing.is_there_and_managed(self.device.state, identifier):
            raise ValueError(f"{identifier} is not there as a managed app")
        self.device.state.managed_apps[identifier]["Feedback"] = dict(feedback)

    def _require_app(self, identifier: str) -> None:
        if identifier not in self.device.state.apps:
            raise ValueError(f"{identifier} is not on the device")

    # Time

    def pass_time(self, steps: int = 1) -> None:
        """As if so many exchanges had passed: installs go on."""
        installing.pass_time(self.device.state, steps)

    def finish_installs(self) -> None:
        """All installs that are under way end now, well or badly as their course says."""
        installing.finish(self.device.state)

    # Profiles

    def install_profile_by_hand(self, raw: bytes, user: str | None = None) -> None:
        """A mobileconfig that the person opens; in place of one with the same identifier, which is unmanaged then.

        user: short name of a Mac's user for a profile of that user. Raises BadProfile.
        """
        profile = parse_profile(raw)
        if profile.mdm is not None:
            raise BadProfile("a management profile is installed with `enroll`")
        scope = user or DEVICE_SCOPE
        self.device.state.profiles_of(scope)[profile.identifier] = installed_row(profile, is_managed=False)

    def remove_profile_by_hand(self, identifier: str, user: str | None = None) -> None:
        """Managed or not; taking off the enrollment profile ends the management. Raises ValueError when it is not there."""
        device = self.device
        profiles = device.state.profiles_of(user or DEVICE_SCOPE)
        if identifier not in profiles:
            raise ValueError(f"the profile {identifier} is not on the device")
        if user is None and device.profile is not None and identifier == device.profile.identifier:
            device.remove_management()
        else:
            del profiles[identifier]
