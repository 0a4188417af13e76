"""The apps of assignment groups, and sending a group's apps and profiles now instead of when they are due."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps_catalog.models import App, AppAssignment
from apps_catalog.services import installs
from devices.models import AssignmentGroup
from devices.services.assignment_groups import copy_assignment_group
from devices.services.due import devices_of_group, hold_members, mark_owner_due
from mdm.accounts.actors import Actor
from mdm.events.services import emit

SYNC_SECONDS = 30


class SyncedJustNow(Exception):
    """The profiles of the group were sent a moment ago; again after wait seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__("The profiles of this assignment group were synced a moment ago.")
        self.wait = wait


def assign_app(
    group: AssignmentGroup,
    app: App,
    actor: Actor,
    *,
    deployment_type: str | None = None,
    install_type: str | None = None,
) -> AppAssignment:
    """Types that are not given are those of the group for a new app, and stay as they are for one that it has."""
    given = {"deployment_type": deployment_type, "install_type": install_type}
    wanted = {key: value for key, value in given.items() if value is not None}
    defaults = {"account_id": group.account_id, "deployment_type": group.group_type, "install_type": group.install_type}
    with transaction.atomic():
        hold_members(group)
        assignment, is_new = AppAssignment.objects.get_or_create(group=group, app=app, defaults=defaults | wanted)
        changes = {key: value for key, value in wanted.items() if getattr(assignment, key) != value}
        if changes:
            for key, value in changes.items():
                setattr(assignment, key, value)
            assignment.save(update_fields=list(changes))
        if is_new or changes:
            mark_owner_due(group, why=f"Assign {app.name} to {group.name}", actor=actor)
            types = {"deployment_type": assignment.deployment_type, "install_type": assignment.install_type}
            _emit("assigned", group, app, actor, **types)
    return assignment


def unassign_app(group: AssignmentGroup, app: App, actor: Actor) -> bool:
    """False if the group does not have it."""
    with transaction.atomic():
        hold_members(group)
        count, _ = AppAssignment.objects.filter(group=group, app=app).delete()
        if count:
            mark_owner_due(group, why=f"Take {app.name} out of {group.name}", actor=actor)
            _emit("unassigned", group, app, actor)
    return bool(count)


def clone_assignment_group(group: AssignmentGroup, actor: Actor) -> AssignmentGroup:
    """The same settings, apps, profiles and attribute values; no devices and no device groups."""
    with transaction.atomic():
        copy = copy_assignment_group(group, actor)
        apps = AppAssignment.objects.filter(group=group, app__removed_at=None).order_by("pk")
        AppAssignment.objects.bulk_create(
            AppAssignment(
                account_id=copy.account_id,
                group=copy,
                app_id=one.app_id,
                deployment_type=one.deployment_type,
                install_type=one.install_type,
            )
            for one in apps
        )
    return copy


def push_apps(group: AssignmentGroup, actor: Actor) -> int:
    """Send the group's apps to those of its devices that have them not. Returns how many were sent."""
    return installs.push_apps(devices_of_group(group), actor=actor, group=group)


def update_apps(group: AssignmentGroup, actor: Actor) -> int:
    """Send the group's apps to those of its devices that have an older version. Returns how many were sent."""
    return installs.update_apps(devices_of_group(group), actor=actor, group=group)


def sync_profiles(group: AssignmentGroup, actor: Actor) -> int:
    """Send the group's profiles to all its devices once more. Returns how many were sent. Raises SyncedJustNow."""
    now = timezone.now()
    pause = timedelta(seconds=SYNC_SECONDS)
    with transaction.atomic():
        # One UPDATE decides, so that of simultaneous callers only one sends.
        rested = Q(profiles_synced_at=None) | Q(profiles_synced_at__lte=now - pause)
        if not AssignmentGroup.objects.filter(rested, pk=group.pk).update(profiles_synced_at=now):
            group.refresh_from_db(fields=["profiles_synced_at"])
            raise SyncedJustNow((group.profiles_synced_at + pause - now).total_seconds())
        return installs.sync_profiles(group, actor=actor)


def _emit(what: str, group: AssignmentGroup, app: App, actor: Actor, **facts: str) -> None:
    emit(
        f"assignment_group.{what}",
        account_id=group.account_id,
        actor=actor,
        assignment_group_id=group.pk,
        name=group.name,
        app_id=app.pk,
        app=app.name,
        **facts,
    )
