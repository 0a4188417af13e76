"""Custom configuration profiles: files that operators upload, download again and assign."""

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, describe
from api.v1.fields import Upload
from api.v1.profiles import PROFILE, ProfileFilter, ProfilesBase
from api.views import empty
from devices.models import Device, DeviceGroup, ProfileKind
from devices.services.profile_files import MEDIA_TYPE, file_name
from devices.services.profiles import change_profile, create_profile, delete_profile
from mdm.common.downloads import download
from mdm.protocol.mobileconfig import MAX_BYTES

# For the other parameters and the boundaries of a form around the largest file.
FORM_BYTES = 64 * 1024


class CustomConfigurationProfileChange(serializers.Serializer):
    name = serializers.CharField(max_length=255, required=False)
    mobileconfig = Upload(max_bytes=MAX_BYTES, required=False)
    user_scope = serializers.BooleanField(
        required=False, help_text="On Macs: for users instead of the whole Mac; on if not given."
    )
    attribute_support = serializers.BooleanField(
        required=False, help_text="Fill in the device's variables, such as {{serial_number}}."
    )
    escape_attributes = serializers.BooleanField(required=False, help_text="Escape what is filled in, as XML needs it.")
    reinstall_after_os_update = serializers.BooleanField(required=False)


class NewCustomConfigurationProfile(CustomConfigurationProfileChange):
    name = serializers.CharField(max_length=255)
    mobileconfig = Upload(max_bytes=MAX_BYTES)


class CustomConfigurationProfilesView(ProfilesBase):
    tag = "Custom configuration profiles"
    kind = ProfileKind.CUSTOM
    max_body_bytes = MAX_BYTES + FORM_BYTES

    @describe(
        "custom_configuration_profiles_list",
        "List custom configuration profiles",
        answers=PROFILE.many,
        query=[ProfileFilter, *LIST_PARAMETERS],
    )
    def list(self, request: Request) -> Response:
        return self.answer_list()

    @describe("custom_configuration_profiles_retrieve", "Retrieve a custom configuration profile", answers=PROFILE.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.answer_one(pk)

    @describe(
        "custom_configuration_profiles_create",
        "Upload a custom configuration profile",
        answers=PROFILE.one,
        status=201,
        takes=NewCustomConfigurationProfile,
    )
    def create(self, request: Request) -> Response:
        given = self.read(NewCustomConfigurationProfile)
        content = given.pop("mobileconfig")
        profile = create_profile(request.account, content=content, **given, actor=request.actor)
        return self.answer_one(profile.pk, status=201)

    @describe(
        "custom_configuration_profiles_update",
        "Change a custom configuration profile or replace its file",
        answers=PROFILE.one,
        takes=CustomConfigurationProfileChange,
    )
    def update(self, request: Request, pk: int) -> Response:
        profile = self.find(self.profiles(), pk)
        given = self.read(CustomConfigurationProfileChange)
        change_profile(profile, content=given.pop("mobileconfig", None), **given, actor=request.actor)
        return self.answer_one(pk)

    @describe("custom_configuration_profiles_delete", "Delete a profile, and take it from devices", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        delete_profile(self.find(self.profiles(), pk), actor=request.actor)
        return empty(204)

    @extend_schema(
        operation_id="custom_configuration_profiles_download",
        summary="Download the file as it was uploaded",
        responses={(200, MEDIA_TYPE): OpenApiTypes.BINARY},
    )
    def download(self, request: Request, pk: int) -> HttpResponse:
        profile = self.find(self.profiles(), pk)
        content = profile.versions.get(number=profile.version).content
        name = file_name(profile.name)
        return download(request._request, content, media_type=MEDIA_TYPE, name=name)

    @describe("custom_configuration_profiles_assign_device_group", "Assign a profile to a device group", status=204)
    def assign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        return self.place(pk, DeviceGroup, device_group_id, wanted=True)

    @describe("custom_configuration_profiles_unassign_device_group", "Take a profile from a device group", status=204)
    def unassign_device_group(self, request: Request, pk: int, device_group_id: int) -> HttpResponse:
        return self.place(pk, DeviceGroup, device_group_id, wanted=False)

    @describe("custom_configuration_profiles_assign_device", "Assign a profile to a device", status=204)
    def assign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        return self.place(pk, Device, device_id, wanted=True)

    @describe("custom_configuration_profiles_unassign_device", "Take a profile from a device", status=204)
    def unassign_device(self, request: Request, pk: int, device_id: int) -> HttpResponse:
        return self.place(pk, Device, device_id, wanted=False)
