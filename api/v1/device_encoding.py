"""Devices as the API shows them, a page at a time: what belongs to them is asked for once for all."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers

from api.schema import Resource, reference, shape
from api.v1.base import link, resource
from api.v1.device_attributes import attributes_of, documented
from api.v1.secrets import Secrets
from devices.models import AssignmentGroup, Device, DeviceState
from devices.services.attributes import Effective, values_for
from devices.services.memberships import assignment_groups_of
from enrollment.models import DepDevice
from enrollment.services import links
from mdm.channels.models import Channel

_GROUP = shape(
    "DeviceMembership",
    type=serializers.CharField(),
    id=serializers.IntegerField(),
    group_type=serializers.CharField(),
)
_VALUE = shape(
    "DeviceAttributeValue",
    type=serializers.CharField(),
    id=serializers.CharField(),
    attributes=shape(
        "DeviceAttributeValueAttributes", value=serializers.CharField(), secret=serializers.BooleanField()
    )(),
)
DEVICE = Resource(
    "Device",
    documented() | {"enrollment_url": serializers.URLField(required=False, allow_null=True)},
    {
        "device_group": reference("device_group"),
        "groups": shape("DeviceMemberships", data=_GROUP(many=True))(),
        "custom_attribute_values": shape("DeviceAttributeValues", data=_VALUE(many=True))(),
    },
)


def loaded(devices: QuerySet[Device]) -> QuerySet[Device]:
    """With all that the attributes need, in two more statements whatever the number of devices; no tokens among it."""
    channels = Channel.objects.only("device_id", "user_key", "state", "last_seen_at", "last_seen_ip")
    dep_devices = DepDevice.objects.only("device_id")
    return devices.select_related("secrets").prefetch_related(
        Prefetch("channels", queryset=channels), Prefetch("dep_devices", queryset=dep_devices)
    )


def encode_devices(devices: Sequence[Device], secrets: Secrets) -> list[dict[str, Any]]:
    """devices: see `loaded`. Four statements at most.

    `groups`: the assignment groups to which a device belongs by itself or through its device group.
    `custom_attribute_values`: every attribute that has a value for the device, wherever that was set.
    """
    joined = assignment_groups_of(devices)
    types = _types_of(set().union(*joined.values()))
    values = values_for(devices, groups=joined)
    return [_encode(device, joined.get(device.pk, ()), types, values[device.pk], secrets) for device in devices]


def with_url(body: dict[str, Any], device: Device) -> dict[str, Any]:
    """A device that is awaited also tells the link by which it can enroll."""
    if device.state == DeviceState.AWAITING:
        body["attributes"]["enrollment_url"] = links.enrollment_url(device)
    return body


def _types_of(groups: set[int]) -> dict[int, str]:
    return dict(AssignmentGroup.objects.filter(pk__in=groups).values_list("pk", "group_type"))


def _encode(
    device: Device, joined: Collection[int], types: Mapping[int, str], values: Mapping[str, Effective], secrets: Secrets
) -> dict[str, Any]:
    attributes = attributes_of(device)
    secrets.note_device(attributes, device.pk)
    relationships = {
        "device_group": link("device_group", device.group_id),
        "groups": {
            "data": [
                {"type": "assignment_group", "id": pk, "group_type": types[pk]} for pk in sorted(joined) if pk in types
            ]
        },
        "custom_attribute_values": {
            "data": [
                {
                    "type": "custom_attribute_value",
                    "id": name,
                    "attributes": {"value": secrets.value(value, name, device.pk), "secret": value.is_secret},
                }
                for name, value in values.items()
                if value.is_set
            ]
        },
    }
    return resource("device", device.pk, attributes, relationships)
