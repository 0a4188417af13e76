"""Apps on devices: one of them, and what it can be asked for; a device's assigned apps."""

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import ACCEPTED, Resource, describe
from api.times import iso
from api.v1.base import ResourceView, resource
from api.views import empty
from apps_catalog.services import installed
from devices.models import Device, InstalledApp

INSTALLED_APP_ATTRIBUTES = {
    "name": serializers.CharField(),
    "identifier": serializers.CharField(),
    "version": serializers.CharField(allow_null=True),
    "short_version": serializers.CharField(allow_null=True),
    "bundle_size": serializers.IntegerField(allow_null=True, help_text="In bytes."),
    "dynamic_size": serializers.IntegerField(allow_null=True, help_text="What the app keeps on the device, in bytes."),
    "managed": serializers.BooleanField(),
    "discovered_at": serializers.DateTimeField(help_text="When the device listed it for the first time."),
    "last_seen_at": serializers.DateTimeField(help_text="When the device listed it last."),
}
INSTALLED_APP = Resource("InstalledApp", INSTALLED_APP_ATTRIBUTES)


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


class InstalledAppsView(ResourceView):
    section = "devices"
    tag = "Installed apps"

    def installed_app(self, pk: int) -> InstalledApp:
        apps = self.rows(InstalledApp).filter(device__removed_at=None)
        return self.find(apps.select_related("device").defer("details"), pk)

    @describe("installed_apps_retrieve", "Retrieve an app on a device", answers=INSTALLED_APP.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.installed_app(pk), encode_installed_app)

    @describe("installed_apps_delete", "Remove a managed app from its device", answers=ACCEPTED, status=202)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        installed.uninstall(self.installed_app(pk), request.actor)
        return empty(202)

    @describe(
        "installed_apps_request_management",
        "Take an app under management that the user installed (iOS, tvOS, macOS 11 and later)",
        answers=ACCEPTED,
        status=202,
    )
    def request_management(self, request: Request, pk: int) -> HttpResponse:
        installed.request_management(self.installed_app(pk), request.actor)
        return empty(202)

    @describe("installed_apps_update", "Update a managed app on its device", answers=ACCEPTED, status=202)
    def update(self, request: Request, pk: int) -> HttpResponse:
        installed.update(self.installed_app(pk), request.actor)
        return empty(202)


class DeviceAppsView(ResourceView):
    section = "devices"
    tag = "Device actions"

    @describe("devices_push_apps", "Send a device the assigned apps that it has not", answers=ACCEPTED, status=202)
    def push(self, request: Request, pk: int) -> HttpResponse:
        installed.push_assigned_apps(self.find(self.rows(Device), pk), request.actor)
        return empty(202)
