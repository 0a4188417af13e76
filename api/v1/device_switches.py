"""What can be switched on and off on a device: POST and DELETE of one path, or a path for each."""

from django.http import HttpResponse
from rest_framework.request import Request

from api.schema import ACCEPTED, describe, under_other_names
from api.views import ApiView, empty
from devices.models import Device
from devices.services import settings


class DeviceSwitchesView(ApiView):
    section = "devices"
    tag = "Device actions"

    def device(self, pk: int) -> Device:
        return self.find(self.rows(Device), pk)

    @describe("devices_remote_desktop_enable", "Allow Apple Remote Desktop on a Mac", answers=ACCEPTED, status=202)
    def enable_remote_desktop(self, request: Request, pk: int) -> HttpResponse:
        settings.set_remote_desktop(self.device(pk), enabled=True, actor=request.actor)
        return empty(202)

    @describe("devices_remote_desktop_disable", "Forbid Apple Remote Desktop on a Mac", answers=ACCEPTED, status=202)
    def disable_remote_desktop(self, request: Request, pk: int) -> HttpResponse:
        settings.set_remote_desktop(self.device(pk), enabled=False, actor=request.actor)
        return empty(202)

    @describe("devices_bluetooth_enable", "Switch Bluetooth on", answers=ACCEPTED, status=202)
    def enable_bluetooth(self, request: Request, pk: int) -> HttpResponse:
        settings.set_bluetooth(self.device(pk), enabled=True, actor=request.actor)
        return empty(202)

    @describe("devices_bluetooth_disable", "Switch Bluetooth off", answers=ACCEPTED, status=202)
    def disable_bluetooth(self, request: Request, pk: int) -> HttpResponse:
        settings.set_bluetooth(self.device(pk), enabled=False, actor=request.actor)
        return empty(202)


def _way_first(operation: str) -> str:
    """devices_bluetooth_enable → devices_enable_bluetooth."""
    section, _, rest = operation.partition("_")
    switch, _, way = rest.rpartition("_")
    return f"{section}_{way}_{switch}"


@under_other_names(_way_first, "The same as POST or DELETE of the switch's own path.")
class DeviceSwitchesByNameView(DeviceSwitchesView):
    """As some clients know them: `enable_bluetooth`, `disable_bluetooth`, …."""
