"""Values of custom attributes: of devices, device groups and assignment groups, and of one attribute for many devices.

A device's list has every attribute of the account with the value that counts for it; `source` says where that was set. A
group's list has its own values, and the account's defaults where it has none. An empty value takes back the one that was
set there, so that the next one counts. Secret values are masked, see `api.v1.secrets`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from drf_spectacular.drainage import isolate_view_method
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import ApiError
from api.pagination import paginate
from api.schema import LIST_PARAMETERS, Resource, describe, reference
from api.v1.base import ResourceView, link, resource
from api.v1.custom_attributes import ValueField, find_attribute
from api.v1.fields import row_id
from api.v1.secrets import Secrets, SecretsFilter
from devices.models import AssignmentGroup, CustomAttribute, Device, DeviceGroup
from devices.services.attribute_rows import Owner
from devices.services.attributes import Effective, named, set_value, set_values, values_for, values_of
from mdm.common.batches import batches

MAX_ITEMS = 10_000
# Older editions of this API do not page these lists: clients of theirs take what comes for everything.
PAGING = {"limit", "starting_after", "page"}

_ATTRIBUTES = {
    "name": serializers.CharField(),
    "value": serializers.CharField(help_text="Empty if nothing is set; that of a secret attribute unless asked for."),
    "secret": serializers.BooleanField(),
    "source": serializers.CharField(help_text="device, group or account: where this value was set."),
}
VALUE = Resource("CustomAttributeValue", _ATTRIBUTES, identifier=serializers.CharField)
VALUE_OF_DEVICE = Resource(
    "CustomAttributeValueOfDevice",
    _ATTRIBUTES,
    {"device": reference("device")},
    identifier=serializers.CharField,
    type_name="custom_attribute_value",
)


class NewValue(serializers.Serializer):
    value = ValueField()


class NamedValue(NewValue):
    name = serializers.CharField(required=False)
    id = serializers.CharField(required=False, help_text="The same as name.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"name", "id"}:
            raise serializers.ValidationError("Each entry needs the name of an attribute.")
        return attrs


class NamedValues(serializers.Serializer):
    data = NamedValue(many=True, max_length=MAX_ITEMS)


class ValueOfDevice(NewValue):
    device_id = row_id(required=False)
    id = row_id(required=False, help_text="The same as device_id.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() & {"device_id", "id"}:
            raise serializers.ValidationError("Each entry needs a device_id.")
        return attrs


class ValuesOfDevices(serializers.Serializer):
    data = ValueOfDevice(many=True, max_length=MAX_ITEMS)


def described(prefix: str, owner: str) -> Callable[[type], type]:
    """The operations of one kind of owner, which differ in their names only."""
    operations = {
        "list": describe(
            f"{prefix}_attribute_values_list",
            f"List the values of {owner}",
            answers=VALUE.many,
            query=[SecretsFilter, *LIST_PARAMETERS],
        ),
        "retrieve": describe(
            f"{prefix}_attribute_values_retrieve", f"Show a value of {owner}", answers=VALUE.one, query=[SecretsFilter]
        ),
        "update": describe(
            f"{prefix}_attribute_values_update", f"Set a value of {owner}", answers=VALUE.one, takes=NewValue
        ),
        "update_several": describe(
            f"{prefix}_attribute_values_update_several",
            f"Set several values of {owner}, all or none",
            answers=VALUE.many,
            takes=NamedValues,
            example={"data": [{"name": "room", "value": "4"}]},
        ),
    }

    def decorate(view: type) -> type:
        for name, operation in operations.items():
            operation(isolate_view_method(view, name))
        return view

    return decorate


class ValuesView(ResourceView):
    """Of one owner. owners: what stands at pk in the path; of: how the log calls it."""

    section = "custom_attributes"
    owners: type[Owner]
    of: str

    def list(self, request: Request, pk: int) -> Response:
        """All at once, or a page if one is asked for."""
        owner, secrets = self._owner(pk)
        if not PAGING & request.params.keys():
            return self._many(owner, values_of(owner), secrets)
        page = paginate(
            self.rows(CustomAttribute), request.params, find_cursor=lambda name: find_attribute(self, name).pk
        )
        return self._many(owner, values_of(owner, page.rows), secrets, has_more=page.has_more)

    def retrieve(self, request: Request, pk: int, name: str) -> Response:
        owner, secrets = self._owner(pk)
        return self._one(owner, find_attribute(self, name), secrets)

    def update(self, request: Request, pk: int, name: str) -> Response:
        owner, secrets = self._owner(pk)
        attribute = find_attribute(self, name)
        set_value(owner, attribute, self.read(NewValue)["value"], request.actor)
        return self._one(owner, attribute, secrets)

    def update_several(self, request: Request, pk: int) -> Response:
        owner, secrets = self._owner(pk)
        given = {(one.get("name") or one["id"]).lower(): one["value"] for one in self.read(NamedValues)["data"]}
        attributes = {found.name.lower(): found for found in named(self.rows(CustomAttribute), *given)}
        for name in given:
            if name not in attributes:
                raise ApiError(422, f"There is no custom attribute called {name[:100]}.")
        set_values([(owner, attributes[name], value) for name, value in given.items()], request.actor)
        return self._many(owner, values_of(owner, [attributes[name] for name in given]), secrets)

    def _owner(self, pk: int) -> tuple[Owner, Secrets]:
        return self.find(self.rows(self.owners), pk), Secrets(self.request, of=self.of)

    def _one(self, owner: Owner, attribute: CustomAttribute, secrets: Secrets) -> Response:
        [(name, value)] = values_of(owner, [attribute]).items()
        answer = Response({"data": encode_value(name, value, owner.pk, secrets)})
        secrets.log(owner if isinstance(owner, Device) else None)
        return answer

    def _many(
        self, owner: Owner, values: Mapping[str, Effective], secrets: Secrets, *, has_more: bool = False
    ) -> Response:
        data = [encode_value(name, value, owner.pk, secrets) for name, value in values.items()]
        secrets.log(owner if isinstance(owner, Device) else None)
        return Response({"data": data, "has_more": has_more})


@described("device", "a device")
class DeviceValuesView(ValuesView):
    owners, of = Device, "device"


@described("device_group", "a device group")
class DeviceGroupValuesView(ValuesView):
    owners, of = DeviceGroup, "device_group"


@described("assignment_group", "an assignment group")
class AssignmentGroupValuesView(ValuesView):
    owners, of = AssignmentGroup, "assignment_group"


@described("app_group", "an assignment group, below its older name")
class AppGroupValuesView(AssignmentGroupValuesView):
    pass


class AttributeOfDevicesView(ResourceView):
    section = "custom_attributes"

    @describe(
        "custom_attribute_values_update",
        "Set the value of an attribute for many devices, for all or for none",
        answers=VALUE_OF_DEVICE.many,
        takes=ValuesOfDevices,
        example={"data": [{"device_id": 1, "value": "4"}]},
    )
    def update(self, request: Request, name: str) -> Response:
        attribute = find_attribute(self, name)
        secrets = Secrets(request)
        given = {one.get("device_id") or one["id"]: one["value"] for one in self.read(ValuesOfDevices)["data"]}
        devices = {device.pk: device for device in self._devices(list(given))}
        for pk in given:
            if pk not in devices:
                raise ApiError(422, f"There is no device with the id {pk}.")
        set_values([(devices[pk], attribute, value) for pk, value in given.items()], request.actor)
        data = []
        for some in batches([devices[pk] for pk in given]):
            values = values_for(some, attributes=[attribute])
            data += [self._encode(device, attribute, values[device.pk], secrets) for device in some]
        secrets.log()
        return Response({"data": data, "has_more": False})

    def _devices(self, pks: Sequence[int]) -> Iterator[Device]:
        for some in batches(pks):
            yield from self.rows(Device).filter(pk__in=some)

    def _encode(
        self, device: Device, attribute: CustomAttribute, values: Mapping[str, Effective], secrets: Secrets
    ) -> dict[str, Any]:
        body = encode_value(attribute.name, values[attribute.name], device.pk, secrets)
        return body | {"relationships": {"device": link("device", device.pk)}}


def encode_value(name: str, value: Effective, pk: int, secrets: Secrets) -> dict[str, Any]:
    """pk: of the device or group whose value it is."""
    attributes = {
        "name": name,
        "value": secrets.value(value, name, pk),
        "secret": value.is_secret,
        "source": value.source.value,
    }
    return resource("custom_attribute_value", name, attributes)
