"""Enrollment settings of a DEP server as people change them. A worker brings them to Apple (`dep_assign.py`)."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from enrollment.models import AssignState, DepDevice, DepServer, DepSettings
from enrollment.services.dep_access import ASSIGNER, lock_server
from enrollment.services.dep_settings_checks import FIELDS, faults_of
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import Actor
from mdm.common.nudge import nudge_named
from mdm.events.services import emit
from mdm.protocol.dep_profile import complete


class BadSettings(EnrollmentError):
    """faults: name of a field, or of one of Apple's keys → a sentence. Nothing was changed."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


def settings_of(server: DepServer) -> DepSettings | None:
    """None if there are none, or somebody deleted them a moment ago."""
    rows = DepSettings.objects.select_related("device_group").filter(server=server, removed_at=None)
    return rows.first()


def update_settings(server: DepServer, *, actor: Actor, **given: Any) -> DepSettings:
    """Make or change the settings, and let a worker bring them to Apple and to the devices.

    given: fields of `dep_settings_checks.FIELDS`; what is not given stays. `options` holds Apple's keys: those not in it stay
    too. An `admin_password` that is None or empty keeps the present one. Raises BadSettings.
    """
    with transaction.atomic():
        lock_server(server)
        settings = DepSettings.objects.select_related("device_group").filter(server=server).first()
        is_new = settings is None or settings.removed_at is not None
        settings = settings or DepSettings(account_id=server.account_id, server=server)
        changed = _change(settings, given)
        if found := faults_of(settings):
            raise BadSettings(found)
        settings.due_at, settings.attempts, settings.error, settings.removed_at = timezone.now(), 0, "", None
        if settings.pk is None:
            settings.save()
        else:  # not the columns of a worker that is at it
            own = ("due_at", "attempts", "error", "removed_at", "left_groups", "updated_at")
            settings.save(update_fields=[*FIELDS, *own])
        emit(
            "dep_settings.created" if is_new else "dep_settings.updated",
            account_id=server.account_id,
            actor=actor,
            dep_server_id=server.pk,
            name=server.name,
            changed=sorted(changed),
        )
        transaction.on_commit(partial(nudge_named, ASSIGNER))
    return settings


def remove_settings(settings: DepSettings, actor: Actor) -> None:
    """Devices get them no more; a worker takes them back from those that have not been set up yet."""
    server, now = settings.server, timezone.now()
    with transaction.atomic():
        rows = DepSettings.objects.filter(pk=settings.pk, removed_at=None)
        if not rows.update(removed_at=now, due_at=now, attempts=0, error=""):
            return
        emit(
            "dep_settings.removed", account_id=server.account_id, actor=actor, dep_server_id=server.pk, name=server.name
        )
        transaction.on_commit(partial(nudge_named, ASSIGNER))


def assign_again(settings: DepSettings, actor: Actor, *, devices: Iterable[DepDevice] | None = None) -> int:
    """Let a worker ask Apple once more: for these devices of the server, or for all that it refused. Returns how many."""
    now = timezone.now()
    with transaction.atomic():
        lock_server(settings.server)
        rows = settings.server.dep_devices
        if devices is None:
            rows = rows.filter(assign_state=AssignState.REFUSED)
        else:
            rows = rows.filter(pk__in=[device.pk for device in devices])
        count = rows.update(assign_state=AssignState.WAITING, assign_error="", assign_attempts=0, assign_due_at=now)
        DepSettings.objects.filter(pk=settings.pk).update(due_at=now, attempts=0, error="")
        emit(
            "dep_settings.assign_requested",
            account_id=settings.account_id,
            actor=actor,
            dep_server_id=settings.server_id,
            name=settings.server.name,
            devices=count,
        )
        transaction.on_commit(partial(nudge_named, ASSIGNER))
    return count


def _change(settings: DepSettings, given: Mapping[str, Any]) -> list[str]:
    """Take over what is given; returns the names of what differs from before, keys of Apple's one by one."""
    changed: list[str] = []
    values = dict(given)
    options = values.pop("options", {})
    before = complete(settings.options)
    settings.options = before | dict(options)
    changed += [name for name, value in settings.options.items() if before.get(name) != value]
    if not values.get("admin_password"):
        values.pop("admin_password", None)
    if not values.get("admin_short_name", settings.admin_short_name):
        values["admin_password"] = ""  # of nobody
    former_group = settings.device_group_id
    for name, value in values.items():
        if name not in FIELDS:
            raise TypeError(f"DEP settings have no field {name}")
        if getattr(settings, name, None) != value:
            setattr(settings, name, value)
            changed.append(name)
    if former_group and former_group != settings.device_group_id:
        settings.left_groups = sorted({*settings.left_groups, former_group} - {settings.device_group_id})
    return changed
