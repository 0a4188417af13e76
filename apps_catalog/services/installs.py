"""What operators ask for at once: push assigned apps, update them, send a new version, send profiles again."""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from apps_catalog.models import App, AppAssignment, AppInstall
from apps_catalog.services.app_delivery import send_apps
from apps_catalog.services.orders import ALL, DEPLOY_TO, NONE, OUTDATED, choose, forget_sent
from devices.models import AssignmentGroup, AssignmentMember, Device, DeviceState, GroupType, OperationKind
from devices.services.due import devices_of_group, is_many, mark_due, start_operation
from devices.services.lines import open_lines
from devices.services.memberships import named_in
from mdm.accounts.actors import Actor
from mdm.common.batches import rows_by_key
from mdm.events.services import emit

__all__ = ["ALL", "DEPLOY_TO", "NONE", "OUTDATED", "deploy", "devices_of_app", "install", "push_apps", "sync_profiles"]

CHUNK = 200


def push_apps(devices: QuerySet[Device], *, actor: Actor, group: AssignmentGroup | None = None) -> int:
    """Install what is assigned, not there yet and not on its way; of that group only if one is given.

    Returns the number of commands, or of the devices where they are so many that it becomes an operation.
    """
    parameters = {"group": group.pk} if group else {}
    title = f"Push the apps of {group}" if group else "Push assigned apps"
    return _order(OperationKind.PUSH_APPS, devices, parameters, title, "apps.pushed", actor, group)


def update_apps(devices: QuerySet[Device], *, actor: Actor, group: AssignmentGroup | None = None) -> int:
    """Send assigned apps to devices that have them in another version than the catalogue's. Returns as `push_apps`."""
    parameters = {"group": group.pk} if group else {}
    title = f"Update the apps of {group}" if group else "Update assigned apps"
    return _order(OperationKind.UPDATE_APPS, devices, parameters, title, "apps.updated", actor, group)


def deploy(app: App, which: str, *, actor: Actor) -> int:
    """deploy_to of the reference: send the newest version to the devices that the app is for. Returns as `push_apps`."""
    if which == NONE:
        return 0
    title = f"Deploy {app.name} {app.version}".strip()
    parameters = {"app": app.pk, "which": which}
    return _order(OperationKind.DEPLOY_APP, devices_for_app(app), parameters, title, "apps.updated", actor, app)


def install(app: App, devices: QuerySet[Device], *, actor: Actor) -> int:
    """Send the newest version of the app to these devices, whatever they have. Returns as `push_apps`."""
    parameters = {"app": app.pk, "which": ALL, "is_by_hand": True}
    return _order(OperationKind.DEPLOY_APP, devices, parameters, f"Install {app.name}", "apps.pushed", actor, app)


def sync_profiles(group: AssignmentGroup, *, actor: Actor) -> int:
    """Send the group's profiles to its devices again, installed or not. Returns how many devices are concerned."""
    devices = devices_of_group(group)
    with transaction.atomic():
        if is_many(devices):
            title, parameters = f"Send the profiles of {group} again", {"group": group.pk}
            kind = OperationKind.SYNC_PROFILES
            count = start_operation(devices, kind, title=title, parameters=parameters, actor=actor).total
        else:
            # Whoever writes to rows of a device holds the device before, in the order of the keys.
            locked = list(devices.order_by("pk").select_for_update(no_key=True).only("pk"))
            forget_sent(group.pk, locked)
            count = mark_due(devices, actor=actor)
        emit("profiles.synced", account_id=group.account_id, actor=actor, assignment_group_id=group.pk, devices=count)
    return count


def devices_of_app(app: App) -> QuerySet[Device]:
    """Devices that should have the app, and those that have it from us."""
    return _devices(app, AppInstall.objects.filter(app=app))


def devices_for_app(app: App) -> QuerySet[Device]:
    """Devices that should have the app: by a group, or because an operator sent it there."""
    return _devices(app, AppInstall.objects.filter(app=app, is_by_hand=True))


def _devices(app: App, installs: QuerySet[AppInstall]) -> QuerySet[Device]:
    assigned = AppAssignment.objects.filter(app=app, deployment_type=GroupType.STANDARD)
    members = AssignmentMember.objects.filter(group__in=assigned.values("group"))
    return Device.objects.filter(Q(pk__in=installs.values("device")) | named_in(members), account_id=app.account_id)


def _order(
    kind: OperationKind,
    devices: QuerySet[Device],
    parameters: dict[str, Any],
    title: str,
    event: str,
    actor: Actor,
    subject: AssignmentGroup | App | None,
) -> int:
    """At once for few devices; for many by the reconciler, as an operation that can be watched and held back.

    subject: what the log says it was about; without one, nothing is logged where there is no device.
    """
    enrolled = devices.filter(state=DeviceState.ENROLLED, removed_at=None)
    account_id = subject.account_id if subject else enrolled.values_list("account_id", flat=True).first()
    if account_id is None:
        return 0
    facts = {} if subject is None else {"app_id" if isinstance(subject, App) else "assignment_group_id": subject.pk}
    facts |= {"deploy_to": parameters["which"]} if "which" in parameters else {}
    if is_many(devices):
        operation = start_operation(devices, kind, title=title, parameters=parameters, actor=actor)
        emit(event, account_id=account_id, actor=actor, operation_id=operation.pk, devices=operation.total, **facts)
        return operation.total
    total = 0
    for some in rows_by_key(enrolled.only("pk"), CHUNK):
        with transaction.atomic():
            rows = Device.objects.filter(pk__in=[one.pk for one in some]).order_by("pk")
            locked = list(rows.select_for_update(no_key=True))
            total += send_apps(choose(kind, parameters, locked), open_lines(locked), actor=actor)
    emit(event, account_id=account_id, actor=actor, commands=total, **facts)
    return total
