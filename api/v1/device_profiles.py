"""The profiles that are assigned to a device itself; those of its groups are not among them."""

from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import LIST_PARAMETERS, describe
from api.v1.base import ResourceView
from api.v1.profiles import PROFILE, encode_profile, with_owners
from devices.models import Device, Profile


class DeviceProfilesView(ResourceView):
    section = "devices"

    @describe(
        "device_profiles_list",
        "List the profiles that are assigned to the device itself",
        answers=PROFILE.many,
        query=[*LIST_PARAMETERS],
    )
    def list(self, request: Request, pk: int) -> Response:
        device = self.find(self.rows(Device), pk)
        return self.page(with_owners(self.rows(Profile).filter(assignments__device=device)), encode_profile)
