"""What a device is told to do. Each answers 202: it is queued, and done when the device connects."""

import time
from collections.abc import Mapping
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from api.errors import TooManyRequests
from api.schema import ACCEPTED, describe
from api.v1.fields import choice, flag, row_id, text, without_null
from api.views import ApiView, empty
from devices.models import Device, Profile
from devices.services import actions, erasing, locking, os_updates, power, settings
from devices.services.errors import DeviceError
from enrollment.services import leaving

REFRESH_SECONDS = 30
# As Apple spells them; other spellings of the same words are understood.
OBLITERATION = {name.lower(): name for name in ("Default", "DoNotObliterate", "ObliterateWithWarning", "Always")}


class Restart(serializers.Serializer):
    rebuild_kernel_cache = flag(help_text="Macs only.")
    notify_user = flag(help_text="Macs only: ask whoever is signed in, instead of restarting at once.")
    notify_users = flag(help_text="The same as notify_user.")


class Lock(serializers.Serializer):
    message = text(help_text="Shown on the locked screen.")
    phone_number = text(help_text="Shown on the locked screen.")
    pin = text(20, help_text="For Macs, which need one: the six digits that unlock it again.")


class Wipe(serializers.Serializer):
    pin = text(20, help_text="Six digits, for Macs only; those without T2 chip and Apple silicon need it.")
    preserve_data_plan = flag(help_text="Keep the cellular data plan (iPhone, iPad).")
    disallow_proximity_setup = flag(help_text="Do not offer to be set up by a device nearby (iPhone, iPad).")
    obliteration_behavior = text(
        40, help_text=f"What a Mac does where the quick way fails: {', '.join(OBLITERATION.values())}."
    )
    return_to_service = flag(help_text="Afterwards, the device sets itself up and enrolls again (iPhone, iPad).")
    wifi_profile_id = row_id(
        required=False, allow_null=True, help_text="A profile with a Wi-Fi network, to return to service by."
    )
    disable_activation_lock = flag(help_text="Not possible yet: 422.")
    clear_custom_attributes = flag(help_text="Take back the attribute values that were set for this device.")
    unassign_direct_profiles = flag(help_text="Unassign the profiles that are assigned to the device itself.")

    def validate_obliteration_behavior(self, value: str | None) -> str | None:
        if not value:
            return None
        name = OBLITERATION.get(value.replace("_", "").lower())
        if name is None:
            raise serializers.ValidationError(f"Must be one of {', '.join(OBLITERATION.values())}.")
        return name


class UpdateOS(serializers.Serializer):
    os_update_mode = choice(
        os_updates.UpdateMode.choices,
        required=False,
        allow_blank=True,
        allow_null=True,
        default="",
        help_text="smart_update if not given; notify_only and force_update are for Macs.",
    )
    version_type = choice(
        os_updates.VersionType.choices,
        required=False,
        allow_blank=True,
        allow_null=True,
        default="",
        help_text="Of the updates that the device listed lately; also understood as os_update_version_type.",
    )

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        given = data.get("version_type") or data.get("os_update_version_type") or ""
        return super().to_internal_value({**data, "version_type": given})


class TimeZone(serializers.Serializer):
    time_zone = serializers.CharField(max_length=100, help_text="A name of the IANA database, such as Europe/Berlin.")


class DeviceActionsView(ApiView):
    section = "devices"
    tag = "Device actions"

    def device(self, pk: int) -> Device:
        return self.find(self.rows(Device), pk)

    @describe(
        "devices_refresh",
        f"Ask a device for its whole inventory; again after {REFRESH_SECONDS} seconds at the earliest",
        answers=ACCEPTED,
        status=202,
    )
    def refresh(self, request: Request, pk: int) -> HttpResponse:
        device = self.device(pk)
        key = f"api-refresh:{device.pk}"
        if not cache.add(key, time.time() + REFRESH_SECONDS, timeout=REFRESH_SECONDS):
            wait = cache.get(key, time.time()) - time.time()
            raise TooManyRequests(wait, "This device was asked for its inventory a moment ago.")
        try:
            actions.refresh(device, request.actor)
        except DeviceError:
            cache.delete(key)
            raise
        return empty(202)

    @describe(
        "devices_restart",
        "Restart a device",
        answers=ACCEPTED,
        status=202,
        takes=Restart,
        example={"notify_user": True},
    )
    def restart(self, request: Request, pk: int) -> HttpResponse:
        device, given = self.device(pk), self.read(Restart)
        power.restart(
            device,
            rebuild_kernel_cache=bool(given["rebuild_kernel_cache"]),
            notify_user=bool(given["notify_user"] or given["notify_users"]),
            actor=request.actor,
        )
        return empty(202)

    @describe("devices_shutdown", "Switch a device off", answers=ACCEPTED, status=202)
    def shutdown(self, request: Request, pk: int) -> HttpResponse:
        power.shut_down(self.device(pk), actor=request.actor)
        return empty(202)

    @describe("devices_lock", "Lock a device", answers=ACCEPTED, status=202, takes=Lock)
    def lock(self, request: Request, pk: int) -> HttpResponse:
        device, given = self.device(pk), self.read(Lock)
        locking.lock(device, **without_null(given), actor=request.actor)
        return empty(202)

    @describe("devices_clear_passcode", "Take the passcode off a device", answers=ACCEPTED, status=202)
    def clear_passcode(self, request: Request, pk: int) -> HttpResponse:
        locking.clear_passcode(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_clear_restrictions_password",
        "Take the Screen Time passcode off a device",
        answers=ACCEPTED,
        status=202,
    )
    def clear_restrictions_password(self, request: Request, pk: int) -> HttpResponse:
        locking.clear_restrictions_password(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_wipe",
        "Erase a device and everything on it",
        answers=ACCEPTED,
        status=202,
        takes=Wipe,
        example={"pin": "123456"},
    )
    def wipe(self, request: Request, pk: int) -> HttpResponse:
        """Once the device answers that it begins, it counts as unenrolled."""
        device, given = self.device(pk), without_null(self.read(Wipe))
        wifi = given.pop("wifi_profile_id", None)
        profile = self.find(self.rows(Profile), wifi) if wifi else None
        erasing.wipe(device, **given, wifi_profile=profile, actor=request.actor)
        return empty(202)

    @describe("devices_update_os", "Update the OS of a device", answers=ACCEPTED, status=202, takes=UpdateOS)
    def update_os(self, request: Request, pk: int) -> HttpResponse:
        """Up to OS 26: Apple removed the command from OS 27, where the answer is 422."""
        device, given = self.device(pk), self.read(UpdateOS)
        os_updates.update_os(
            device,
            mode=given["os_update_mode"] or os_updates.UpdateMode.SMART_UPDATE,
            version_type=given["version_type"] or "",
            actor=request.actor,
        )
        return empty(202)

    @describe("devices_unenroll", "Take a device out of management; it stays in the list", answers=ACCEPTED, status=202)
    def unenroll(self, request: Request, pk: int) -> HttpResponse:
        leaving.unenroll(self.device(pk), request.actor)
        return empty(202)

    @describe("devices_set_time_zone", "Set the time zone of a device", status=204, takes=TimeZone)
    def set_time_zone(self, request: Request, pk: int) -> HttpResponse:
        device, given = self.device(pk), self.read(TimeZone)
        settings.set_time_zone(device, given["time_zone"], actor=request.actor)
        return empty(204)
