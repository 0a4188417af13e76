"""Apps: the catalogue, and where its apps are installed."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.parsing import MAX_BODY_BYTES
from api.schema import LIST_PARAMETERS, Resource, describe, reference
from api.v1.base import ResourceView, link, resource
from api.v1.fields import choice, row_id
from api.v1.installed_apps import INSTALLED_APP_ATTRIBUTES, encode_installed_app
from api.views import empty
from apps_catalog.models import App, AppType, ProcessingStatus
from apps_catalog.services.catalog import add_package, add_store_app, installs_of_app, remove_app, update_app
from apps_catalog.services.icons import icon_address
from apps_catalog.services.installs import DEPLOY_TO, NONE
from devices.models import InstalledApp
from mdm.accounts.api_scopes import may_use

SOURCES = ("app_store_id", "bundle_id", "binary")
# Every app goes to devices; none is licensed to, or installed for, a user of theirs.
INSTALLATION_CHANNELS = ("device",)
SHARED = OpenApiParameter("include_shared", bool, description="Makes no difference: no app is shared between accounts.")

APP = Resource(
    "App",
    {
        "name": serializers.CharField(),
        "app_type": serializers.ChoiceField(AppType.choices),
        "itunes_store_id": serializers.IntegerField(allow_null=True),
        "bundle_identifier": serializers.CharField(allow_null=True),
        "version": serializers.CharField(allow_null=True),
        "platform_support": serializers.CharField(allow_null=True),
        "processing_status": serializers.ChoiceField(ProcessingStatus.choices),
        "installation_channels": serializers.ListField(child=serializers.CharField()),
        "icon_url": serializers.URLField(
            allow_null=True, help_text="An image that anybody with the address may fetch."
        ),
    },
)
INSTALL = Resource("AppInstall", INSTALLED_APP_ATTRIBUTES, {"device": reference("device")}, type_name="installed_app")


class NewApp(serializers.Serializer):
    app_store_id = row_id(required=False, help_text="The number in the app's address in the App Store.")
    bundle_id = serializers.RegexField(
        r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
        required=False,
        max_length=255,
        error_messages={"invalid": "Must be a bundle identifier, for example com.example.app."},
        help_text="Of an app of the App Store, instead of app_store_id.",
    )
    binary = serializers.FileField(required=False, help_text="An .ipa of your own, or a flat .pkg.")
    name = serializers.CharField(required=False, max_length=255, help_text="The app's own if not given.")

    def to_internal_value(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What is left empty is not given: forms send all of their fields."""
        return super().to_internal_value({key: value for key, value in data.items() if value not in ("", None)})

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if sum(source in attrs for source in SOURCES) != 1:
            raise serializers.ValidationError("Give one and only one of app_store_id, bundle_id and binary.")
        return attrs


class AppChange(serializers.Serializer):
    binary = serializers.FileField(required=False, help_text="The next version of an uploaded app or package.")
    name = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="Empty: the app's own again."
    )
    deploy_to = choice(
        DEPLOY_TO,
        required=False,
        default=NONE,
        help_text="Send the newest version now: to devices with an older one (outdated), or to all that should have it.",
    )


def encode_app(app: App) -> dict[str, Any]:
    attributes = {
        "name": app.name,
        "app_type": app.app_type,
        "itunes_store_id": app.itunes_store_id,
        "bundle_identifier": app.bundle_identifier or None,
        "version": app.version or None,
        "platform_support": app.platform_support or None,
        "processing_status": app.processing_status,
        "installation_channels": list(INSTALLATION_CHANNELS),
        "icon_url": icon_address(app) or None,
    }
    return resource("app", app.pk, attributes)


def encode_install(installed: InstalledApp) -> dict[str, Any]:
    return encode_installed_app(installed) | {"relationships": {"device": link("device", installed.device_id)}}


class AppsView(ResourceView):
    section = "apps"

    @property
    def max_body_bytes(self) -> int:
        """Room for a package, but only for keys that may upload one: a body is read before permissions are asked."""
        return settings.APP_MAX_BYTES if may_use(self.request.auth, self.section, changes=True) else MAX_BODY_BYTES

    @describe("apps_list", "List the apps of the catalogue", answers=APP.many, query=[SHARED, *LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        return self.page(self.rows(App), encode_app)

    @describe("apps_retrieve", "Retrieve an app", answers=APP.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.find(self.rows(App), pk), encode_app)

    @describe(
        "apps_create",
        "Add an app of the App Store, or upload an app (ipa) or package (pkg)",
        answers=APP.one,
        status=201,
        takes=NewApp,
        example={"app_store_id": 361309726, "name": "Pages"},
    )
    def create(self, request: Request) -> Response:
        given = self.read(NewApp)
        name = given.get("name", "")
        if "binary" in given:
            app = add_package(request.account, given["binary"], name=name, actor=request.actor)
        else:
            app = add_store_app(
                request.account,
                store_id=given.get("app_store_id"),
                bundle_identifier=given.get("bundle_id", ""),
                name=name,
                actor=request.actor,
            )
        return self.one(app, encode_app, status=201)

    @describe(
        "apps_update", "Rename an app, upload its next version, send it to devices", answers=APP.one, takes=AppChange
    )
    def update(self, request: Request, pk: int) -> Response:
        app = self.find(self.rows(App), pk)
        given = self.read(AppChange)
        app = update_app(
            app,
            name=given.get("name"),
            upload=given.get("binary"),
            deploy_to=given["deploy_to"],
            actor=request.actor,
        )
        return self.one(app, encode_app)

    @describe("apps_delete", "Delete an app; devices that have it from us lose it", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        remove_app(self.find(self.rows(App), pk), actor=request.actor)
        return empty(204)

    @describe("apps_installs_list", "List where an app is installed", answers=INSTALL.many, query=[*LIST_PARAMETERS])
    def installs(self, request: Request, pk: int) -> Response:
        app = self.find(self.rows(App), pk)
        return self.page(installs_of_app(app).defer("details"), encode_install)
