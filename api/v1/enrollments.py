"""Enrollments: links by which devices come in. Deleting one revokes it; devices that came in by it stay."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import TooManyRequests
from api.schema import LIST_PARAMETERS, Resource, describe, reference
from api.v1.base import ResourceView, link, resource
from api.v1.fields import row_id
from api.views import empty
from devices.models import DeviceGroup
from enrollment.models import Enrollment
from enrollment.services.errors import TooManyInvitations
from enrollment.services.invitations import send_invitation
from enrollment.services.links import link_for_group, revoke

ENROLLMENT = Resource(
    "Enrollment",
    {
        "url": serializers.URLField(allow_null=True),
        "user_enrollment": serializers.BooleanField(),
        "welcome_screen": serializers.BooleanField(),
        "authentication": serializers.BooleanField(),
    },
    {"device_group": reference("device_group"), "device": reference("device", required=False)},
)


class NewEnrollment(serializers.Serializer):
    device_group_id = row_id(help_text="Devices that come in by the link belong to this group.")
    name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class Invitation(serializers.Serializer):
    contact = serializers.CharField(
        max_length=254, help_text="An e-mail address, or a phone number with its country code: +14155550123."
    )


def encode_enrollment(enrollment: Enrollment) -> dict[str, Any]:
    attributes = {
        "url": enrollment.url,
        "user_enrollment": False,
        "welcome_screen": True,
        "authentication": False,
    }
    relationships = {"device_group": link("device_group", enrollment.device_group_id)}
    if enrollment.device_id is not None:
        relationships["device"] = link("device", enrollment.device_id)
    return resource("enrollment", enrollment.pk, attributes, relationships)


class EnrollmentsView(ResourceView):
    section = "enrollments"

    def enrollments(self) -> QuerySet:
        """Revoked ones are gone, and so are those of removed devices; a used one stays as long as its device."""
        return self.rows(Enrollment).filter(revoked_at=None, device__removed_at=None)

    @describe("enrollments_list", "List enrollments", answers=ENROLLMENT.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        return self.page(self.enrollments(), encode_enrollment)

    @describe("enrollments_retrieve", "Show an enrollment", answers=ENROLLMENT.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.one(self.find(self.enrollments(), pk), encode_enrollment)

    @describe(
        "enrollments_create",
        "Make a link by which any number of devices come into a device group",
        answers=ENROLLMENT.one,
        status=201,
        takes=NewEnrollment,
    )
    def create(self, request: Request) -> Response:
        given = self.read(NewEnrollment)
        group = self.find(self.rows(DeviceGroup), given["device_group_id"])
        enrollment = link_for_group(group, name=given["name"], actor=request.actor)
        return self.one(enrollment, encode_enrollment, status=201)

    @describe("enrollments_delete", "Revoke an enrollment", status=204)
    def destroy(self, request: Request, pk: int) -> HttpResponse:
        revoke(self.find(self.enrollments(), pk), request.actor)
        return empty(204)

    @describe("enrollments_invite", "Send the link to an e-mail address or a phone number", takes=Invitation)
    def invite(self, request: Request, pk: int) -> HttpResponse:
        enrollment = self.find(self.enrollments().select_related("device"), pk)
        try:
            send_invitation(enrollment, self.read(Invitation)["contact"], request.actor)
        except TooManyInvitations as error:
            raise TooManyRequests(error.wait, str(error)) from error
        return empty(200)
