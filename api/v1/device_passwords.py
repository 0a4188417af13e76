"""Passwords and recovery keys of Macs. Each answers 202: it is queued, and done when the Mac connects."""

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from api.schema import ACCEPTED, describe
from api.views import ApiView, empty
from devices.models import Device
from devices.services import passwords


class NewPassword(serializers.Serializer):
    new_password = serializers.CharField(
        min_length=passwords.MIN_LENGTH,
        max_length=passwords.MAX_LENGTH,
        trim_whitespace=False,
        help_text="Printable characters only.",
    )


class DevicePasswordsView(ApiView):
    section = "devices"
    tag = "Device actions"

    def device(self, pk: int) -> Device:
        return self.find(self.rows(Device), pk)

    @describe(
        "devices_clear_firmware_password", "Take the firmware password off an Intel Mac", answers=ACCEPTED, status=202
    )
    def clear_firmware_password(self, request: Request, pk: int) -> HttpResponse:
        """Only one that Pomona set: the present one is needed for it."""
        passwords.clear_firmware_password(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_rotate_firmware_password", "Give an Intel Mac a new firmware password", answers=ACCEPTED, status=202
    )
    def rotate_firmware_password(self, request: Request, pk: int) -> HttpResponse:
        passwords.rotate_firmware_password(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_clear_recovery_lock_password",
        "Take the recovery lock off a Mac with Apple silicon",
        answers=ACCEPTED,
        status=202,
    )
    def clear_recovery_lock_password(self, request: Request, pk: int) -> HttpResponse:
        """Only one that Pomona set: the present one is needed for it."""
        passwords.clear_recovery_lock_password(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_rotate_recovery_lock_password",
        "Give a Mac with Apple silicon a new recovery lock password",
        answers=ACCEPTED,
        status=202,
    )
    def rotate_recovery_lock_password(self, request: Request, pk: int) -> HttpResponse:
        passwords.rotate_recovery_lock_password(self.device(pk), actor=request.actor)
        return empty(202)

    @describe("devices_rotate_filevault_key", "Give a Mac a new FileVault recovery key", answers=ACCEPTED, status=202)
    def rotate_filevault_key(self, request: Request, pk: int) -> HttpResponse:
        """The present key must be known: it came with an escrow profile, or from an earlier rotation."""
        passwords.rotate_filevault_key(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_rotate_filevault_recovery_key",
        "Give a Mac a new FileVault recovery key (another name of rotate_filevault_key)",
        answers=ACCEPTED,
        status=202,
    )
    def rotate_filevault_recovery_key(self, request: Request, pk: int) -> HttpResponse:
        passwords.rotate_filevault_key(self.device(pk), actor=request.actor)
        return empty(202)

    @describe(
        "devices_set_admin_password",
        "Set the password of the administrator made by automated enrollment",
        answers=ACCEPTED,
        status=202,
        takes=NewPassword,
    )
    def set_admin_password(self, request: Request, pk: int) -> HttpResponse:
        device, given = self.device(pk), self.read(NewPassword)
        passwords.set_admin_password(device, given["new_password"], actor=request.actor)
        return empty(202)

    @describe(
        "devices_rotate_admin_password",
        "Give the administrator made by automated enrollment a random password",
        answers=ACCEPTED,
        status=202,
    )
    def rotate_admin_password(self, request: Request, pk: int) -> HttpResponse:
        passwords.rotate_admin_password(self.device(pk), actor=request.actor)
        return empty(202)
