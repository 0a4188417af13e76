"""What can be done with each of many devices: what to do, with all that it needs, before it is known for which devices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.models import AssignmentGroup, BulkOperation, CustomAttribute, DeviceGroup, OperationKind
from devices.services import agent_rollout
from devices.services.attributes import MAX_VALUE_BYTES
from devices.services.errors import NotPossible
from mdm.commands.services import prepare
from mdm.protocol.request_types import REQUEST_TYPES, Request

# Of these each device gets its own: the token that it entrusted to us.
CLEAR_PASSCODE = "ClearPasscode"
# Single parts of a device, one person, one screen, one moment of its life: nothing that many could be sent alike.
FOR_ONE_ONLY = frozenset(
    {
        "AccountConfiguration",
        "ApplyRedemptionCode",
        "DeclarativeManagement",
        "DeviceConfigured",
        "RequestMirroring",
        "RotateFileVaultKey",
        "SetAutoAdminPassword",
        "StopMirroring",
        "UserConfigured",
    }
)
VALUE = "value"
VALUES = "values"


@dataclass(frozen=True)
class Wanted:
    """kind and parameters: those of the operation; the rest is its order, if it has one. label: the beginning of its title."""

    kind: OperationKind
    label: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    request_type: str = ""
    order: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_destructive(self) -> bool:
        return is_destructive(self.request_type)


def is_destructive(request_type: str) -> bool:
    known = REQUEST_TYPES.get(request_type)
    return known is not None and known.destructive


def destroys(operation: BulkOperation) -> bool:
    """Whether what it does with its devices cannot be taken back: then only those who may start it may let it go on."""
    order = getattr(operation, "order", None)
    return order is not None and is_destructive(order.request_type)


def refresh_inventory() -> Wanted:
    return Wanted(OperationKind.REFRESH, str(OperationKind.REFRESH.label))


def send_command(request: Request, *, label: str = "") -> Wanted:
    """The same command for each device. Raises InvalidCommand, and NotPossible for what makes no sense for many."""
    if request.request_type in FOR_ONE_ONLY:
        raise NotPossible(f"{request.request_type} is for one device at a time.")
    if request.request_type == CLEAR_PASSCODE:
        return clear_passcodes()
    prepared = prepare(request)
    return Wanted(
        OperationKind.SEND_COMMAND,
        label or str(REQUEST_TYPES[prepared.request_type].label),
        request_type=prepared.request_type,
        order=prepared.parameters,
        secrets=prepared.secrets,
    )


def clear_passcodes() -> Wanted:
    return Wanted(OperationKind.SEND_COMMAND, str(REQUEST_TYPES[CLEAR_PASSCODE].label), request_type=CLEAR_PASSCODE)


def send_agent() -> Wanted:
    """Tell Macs to install the script agent; completed when each of them connects."""
    return Wanted(
        OperationKind.SEND_COMMAND,
        "Send the script agent",
        request_type=agent_rollout.REQUEST_TYPE,
        order={"Recipe": agent_rollout.RECIPE},
    )


def move_to(group: DeviceGroup) -> Wanted:
    return Wanted(OperationKind.MOVE, f"Move to {group.name}", {"device_group": group.pk})


def join(group: AssignmentGroup) -> Wanted:
    return Wanted(OperationKind.JOIN_GROUP, f"Add to {group.name}", {"assignment_group": group.pk})


def set_attribute(attribute: CustomAttribute, value: str) -> Wanted:
    """The value is kept encrypted, whether or not the attribute is secret. Raises NotPossible for one that is too long."""
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise NotPossible(f"The value of a custom attribute may have {MAX_VALUE_BYTES} bytes at most.")
    what = f"Set {attribute.name}" if value else f"Clear {attribute.name}"
    return Wanted(OperationKind.SET_ATTRIBUTE, what, {"custom_attribute": attribute.pk}, secrets={VALUE: value})


def set_attribute_of_each(attribute: CustomAttribute, values: Mapping[int, str]) -> Wanted:
    """A value of its own for each device, by its pk; kept encrypted as well."""
    what = f"Import values of {attribute.name}"
    secrets = {VALUES: {str(pk): value for pk, value in values.items()}}
    return Wanted(OperationKind.SET_ATTRIBUTE, what, {"custom_attribute": attribute.pk}, secrets=secrets)


def again(operation: BulkOperation) -> Wanted:
    """The same once more, as it was ordered. Raises NotPossible for an operation that is not done with each device once."""
    order = getattr(operation, "order", None)
    label = operation.parameters.get("label") or str(operation.get_kind_display())
    parameters = {key: value for key, value in operation.parameters.items() if key != "label"}
    if order is None:
        return Wanted(OperationKind(operation.kind), label, parameters)
    return Wanted(
        OperationKind(operation.kind),
        label,
        parameters,
        request_type=order.request_type,
        order=order.parameters,
        secrets=order.secrets or {},
    )
