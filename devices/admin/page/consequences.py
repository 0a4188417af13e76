"""What a command does to the device or its person, in one sentence: said before it is sent."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from devices.models import Device

# Of commands that people send by name; the catalogue's own summary says it for the others.
SENTENCES: dict[str, Promise] = {
    "RestartDevice": _("%(device)s restarts as soon as it connects; work that is not saved may be lost."),
    "ShutDownDevice": _("%(device)s switches itself off. Somebody must press its button to start it again."),
    "DeviceLock": _("%(device)s locks its screen at once and shows your words; its own passcode opens it again."),
    "ClearPasscode": _(
        "The passcode of %(device)s is taken off: whoever holds it can open it, and is asked to set a new one."
    ),
    "EnableLostMode": _(
        "%(device)s locks itself and shows your words. Nobody can use it until you switch Lost Mode off."
    ),
    "DisableLostMode": _("%(device)s can be used again; its person is told that it was located in the meantime."),
    "PlayLostModeSound": _("%(device)s plays a sound, even if it is muted, until somebody stops it."),
    "DeviceLocation": _("%(device)s tells where it is."),
    "LogOutUser": _("Whoever is signed in on %(device)s is signed out at once; work that is not saved is lost."),
    "EraseDevice": _(
        "Everything on %(device)s is deleted, for good: apps, data, accounts, and this management with them."
    ),
    "ScheduleOSUpdate": _("%(device)s loads an update of its system and installs it as you choose."),
    "AvailableOSUpdates": _("%(device)s lists the updates that it could install. Nothing is installed."),
    "UnlockUserAccount": _("The user may try to sign in again, after too many wrong passwords."),
    "DeleteUser": _("The user’s account goes away from %(device)s, and everything in it, for good."),
    "RemoveProfile": _("%(device)s removes the profile, and with it the settings and accounts that it brought."),
    "RemoveApplication": _("%(device)s deletes the app with all of its data."),
}
OF_MACS: dict[str, Promise] = {
    "DeviceLock": _(
        "%(device)s restarts at once and asks for the PIN that you choose here; work that is not saved is lost. "
        "The PIN is kept under Security."
    ),
    "EraseDevice": _(
        "Everything on %(device)s is deleted, for good: users, data, apps, and this management with them. An older Mac asks "
        "for the PIN before it can be set up again."
    ),
}
OF_SETTINGS: dict[str, Promise] = {
    "DeviceName": _("%(device)s takes this name for itself, as its person sees it in its settings and in the network."),
}


def consequence(request_type: str, device: Device, item: str = "") -> str:
    """With the device's name; empty where only the catalogue has words for it."""
    if item:
        words = OF_SETTINGS.get(item)
    else:
        words = (OF_MACS.get(request_type) if device.is_mac else None) or SENTENCES.get(request_type)
    return str(words) % {"device": device} if words else ""
