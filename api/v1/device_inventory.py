"""What a device told about itself: its installed apps and, of a Mac, its users."""

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.schema import ACCEPTED, LIST_PARAMETERS, Resource, describe
from api.v1.base import ResourceView, resource
from api.v1.installed_apps import INSTALLED_APP, encode_installed_app
from api.views import empty
from devices.models import Device, DeviceUser, InstalledApp
from devices.services.users import delete_user, require_deletable_users

DEVICE_USER = Resource(
    "DeviceUser",
    {
        "username": serializers.CharField(),
        "full_name": serializers.CharField(allow_null=True),
        "uid": serializers.IntegerField(allow_null=True),
        "user_guid": serializers.CharField(allow_null=True),
        "data_quota": serializers.IntegerField(allow_null=True),
        "data_used": serializers.IntegerField(allow_null=True),
        "data_to_sync": serializers.BooleanField(),
        "secure_token": serializers.BooleanField(allow_null=True),
        "logged_in": serializers.BooleanField(),
        "mobile_account": serializers.BooleanField(),
    },
)


def encode_device_user(user: DeviceUser) -> dict[str, Any]:
    attributes = {
        "username": user.username,
        "full_name": user.full_name or None,
        "uid": user.uid,
        "user_guid": user.user_guid or None,
        "data_quota": user.data_quota,
        "data_used": user.data_used,
        "data_to_sync": user.data_to_sync,
        "secure_token": user.secure_token,
        "logged_in": user.logged_in,
        "mobile_account": user.mobile_account,
    }
    return resource("device_user", user.pk, attributes)


class DeviceInventoryView(ResourceView):
    section = "devices"

    @describe(
        "device_installed_apps_list", "List a device's apps", answers=INSTALLED_APP.many, query=[*LIST_PARAMETERS]
    )
    def installed_apps(self, request: Request, pk: int) -> Response:
        device = self.find(self.rows(Device), pk)
        return self.page(self.rows(InstalledApp).filter(device=device).defer("details"), encode_installed_app)

    @describe("device_users_list", "List a Mac's users", answers=DEVICE_USER.many, query=[*LIST_PARAMETERS])
    def users(self, request: Request, pk: int) -> Response:
        device = self.find(self.rows(Device), pk)
        if not device.is_mac:
            raise ApiError(422, "Only Macs have a list of users.")
        return self.page(self.rows(DeviceUser).filter(device=device).defer("details"), encode_device_user)

    @describe("device_users_delete", "Delete a user of a supervised Mac", answers=ACCEPTED, status=202)
    def delete_user(self, request: Request, pk: int, user_id: int) -> HttpResponse:
        device = self.find(self.rows(Device), pk)
        require_deletable_users(device)  # before the user is looked for: other devices' users are not known here
        users = self.rows(DeviceUser).filter(device=device).select_related("device")
        delete_user(self.find(users, user_id), request.actor)
        return empty(202)
