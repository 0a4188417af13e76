"""What a device told about itself: its installed apps and, of a Mac, its users."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.schema import LIST_PARAMETERS, Resource, describe
from api.times import iso
from api.v1.base import ResourceView, resource
from devices.models import Device, DeviceUser, InstalledApp

INSTALLED_APP = Resource(
    "InstalledApp",
    {
        "name": serializers.CharField(),
        "identifier": serializers.CharField(),
        "version": serializers.CharField(allow_null=True),
        "short_version": serializers.CharField(allow_null=True),
        "bundle_size": serializers.IntegerField(allow_null=True),
        "dynamic_size": serializers.IntegerField(allow_null=True),
        "managed": serializers.BooleanField(),
        "discovered_at": serializers.DateTimeField(),
        "last_seen_at": serializers.DateTimeField(),
    },
)
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


def encode_installed_app(app: InstalledApp) -> dict[str, Any]:
    attributes = {
        "name": app.name or app.identifier,
        "identifier": app.identifier,
        "version": app.version or None,
        "short_version": app.short_version or None,
        "bundle_size": app.bundle_size,
        "dynamic_size": app.dynamic_size,
        "managed": app.is_managed,
        "discovered_at": iso(app.discovered_at),
        "last_seen_at": iso(app.last_seen_at),
    }
    return resource("installed_app", app.pk, attributes)


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
