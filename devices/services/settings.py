"""What is switched on and off, or set, on a device from afar."""

from functools import cache
from zoneinfo import available_timezones

from devices.models import Device
from devices.services.errors import NotPossible
from devices.services.sending import send
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.protocol.request_types.screen import disable_remote_desktop, enable_remote_desktop
from mdm.protocol.request_types.settings import settings_switch, settings_time_zone

# They stand among the zones on many a server and name none.
NO_ZONES = {"Factory", "localtime", "posixrules"}


def set_remote_desktop(device: Device, *, enabled: bool, actor: Actor) -> Command:
    """Allow or forbid Apple Remote Desktop on a Mac. Raises NotEnrolled, NotSupported."""
    return send(device, enable_remote_desktop() if enabled else disable_remote_desktop(), actor=actor)


def set_bluetooth(device: Device, *, enabled: bool, actor: Actor) -> Command:
    """Raises NotEnrolled, NotSupported."""
    return send(device, settings_switch("Bluetooth", enabled=enabled), actor=actor)


def set_time_zone(device: Device, time_zone: str, *, actor: Actor) -> Command:
    """time_zone: a name of the IANA database, as Europe/Berlin. Raises NotEnrolled, NotPossible, NotSupported."""
    if time_zone not in _time_zones():
        raise NotPossible("This time zone is not known; give a name such as Europe/Berlin.")
    return send(device, settings_time_zone(time_zone), actor=actor)


@cache
def _time_zones() -> frozenset[str]:
    """Read from the disk: too slow to be done each time."""
    return frozenset(available_timezones() - NO_ZONES)
