"""Which enrollment settings of a DEP server are meant: by the address that a device calls, or by the device itself."""

from devices.models import Device
from enrollment.models import DepSettings

MAX_TOKEN_LENGTH = 64


def find_settings(token: str) -> DepSettings | None:
    """Those with that token, with account, server and device group loaded; None for deleted ones too."""
    if not 0 < len(token) <= MAX_TOKEN_LENGTH or not token.isprintable():
        return None
    present = DepSettings.objects.select_related("account", "server__account", "device_group")
    return present.filter(token=token, removed_at=None, server__removed_at=None).first()


def settings_of(device: Device | int) -> DepSettings | None:
    """Those of the DEP server that lists the device."""
    of_server = DepSettings.objects.filter(server__dep_devices__device=device, removed_at=None)
    return of_server.order_by("-pk").first()
