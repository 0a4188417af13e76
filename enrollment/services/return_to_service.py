"""What a wiped device enrolls again with by itself. Source: Apple, "Erase Device Command", ReturnToService."""

from typing import Any

from devices.models import Profile
from devices.services.profile_content import NotDeliverable, delivered
from enrollment.services.profile import renewal_profile
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.protocol.request_types import to_command


def erase_and_return(command: Command) -> dict[str, Any]:
    """The keys of EraseDevice. Raises NotDeliverable: without its Wi-Fi the device would be lost.

    A device that enrolls automatically fetches its profile; any other gets one, with a challenge of now.
    """
    keys = to_command(command.request_type, command.parameters["Keys"])
    device = Channel.objects.select_related("device__account").get(pk=command.channel_id).device
    wifi_profile = command.parameters["WiFiProfile"]
    if wifi_profile is not None:
        profile = Profile.objects.for_account(command.account_id).filter(pk=wifi_profile).first()
        if profile is None:
            raise NotDeliverable("The Wi-Fi profile for the return to service was deleted.")
        keys["ReturnToService"]["WiFiProfileData"] = delivered(profile.pk, profile.version, device)
    if device.is_dep_enrollment is not True:
        keys["ReturnToService"]["MDMProfileData"] = renewal_profile(device)
    return keys
