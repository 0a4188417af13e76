"""Profiles that operators uploaded: adding, changing, deleting them, and saying where they should be.

Nothing is queued here: what is touched is marked as due, and the reconciler works out what that means for each device.
"""

import hashlib

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import (
    AssignmentGroup,
    Device,
    DeviceGroup,
    Profile,
    ProfileAssignment,
    ProfileInstall,
    ProfileKind,
    ProfileVersion,
)
from devices.services.due import hold_members, mark_due, mark_owner_due
from devices.services.errors import NotPossible
from devices.services.memberships import assigned_to
from devices.services.renderings import variables_in
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.events.services import emit
from mdm.protocol import mobileconfig
from mdm.protocol.mobileconfig import Mobileconfig

Owner = Device | DeviceGroup | AssignmentGroup

_OWNER_FIELDS = {Device: "device", DeviceGroup: "device_group", AssignmentGroup: "assignment_group"}


def create_profile(
    account: Account,
    name: str,
    content: bytes,
    *,
    user_scope: bool = True,
    attribute_support: bool = False,
    escape_attributes: bool = False,
    reinstall_after_os_update: bool = False,
    actor: Actor,
) -> Profile:
    """Raises ProtocolError for a file that is no usable profile, NotPossible for an identifier that cannot be used."""
    found = mobileconfig.read(content)
    with transaction.atomic():
        _require_free_identifier(account, found.identifier)
        profile = Profile.objects.create(
            account=account,
            name=name,
            profile_identifier=found.identifier,
            user_scope=user_scope,
            attribute_support=attribute_support,
            escape_attributes=escape_attributes,
            reinstall_after_os_update=reinstall_after_os_update,
        )
        _add_version(profile, content, found, actor)
        emit(
            "profile.created",
            account_id=account.pk,
            actor=actor,
            profile_id=profile.pk,
            name=name,
            profile_identifier=found.identifier,
            warnings=found.warnings,
        )
    return profile


def change_profile(
    profile: Profile,
    *,
    name: str | None = None,
    content: bytes | None = None,
    user_scope: bool | None = None,
    attribute_support: bool | None = None,
    escape_attributes: bool | None = None,
    reinstall_after_os_update: bool | None = None,
    actor: Actor,
    restores: int | None = None,
) -> Profile:
    """Change what is given and differs; devices get the profile anew where that makes a difference to them.

    restores: the number of the older version that the content comes from, for the log.
    Raises ProtocolError for a file that is no usable profile, NotPossible for one with another PayloadIdentifier:
    devices would take it for another profile and keep the old one beside it.
    """
    found = None if content is None else mobileconfig.read(content)
    given = {
        "name": name,
        "user_scope": user_scope,
        "attribute_support": attribute_support,
        "escape_attributes": escape_attributes,
        "reinstall_after_os_update": reinstall_after_os_update,
    }
    with transaction.atomic():
        _lock(profile)
        changed = [key for key, value in given.items() if value is not None and value != getattr(profile, key)]
        current = profile.versions.get(number=profile.version)
        is_new_file = content is not None and _digest(content) != current.digest
        if not changed and not is_new_file:
            return profile
        if is_new_file:
            _require_same_identifier(profile, found)
        else:
            content = current.content
        before = _filling(profile, content)
        for key in changed:
            setattr(profile, key, given[key])
        if is_new_file or _filling(profile, content) != before:
            profile.version += 1
            _add_version(profile, content, found or mobileconfig.read(content), actor)
        profile.save()
        emit(
            "profile.updated",
            account_id=profile.account_id,
            actor=actor,
            profile_id=profile.pk,
            name=profile.name,
            changed=[*changed, *(["mobileconfig"] if is_new_file else [])],
            version=profile.version,
            warnings=found.warnings if is_new_file else [],
            **({"restored_version": restores} if restores and is_new_file else {}),
        )
        if profile.version != current.number or "user_scope" in changed:
            mark_due(devices_of(profile), why=f"Change the profile {profile.name}", actor=actor)
    return profile


def delete_profile(profile: Profile, *, actor: Actor) -> None:
    """It leaves every list now, and devices as they connect; the row stays until then (and for the log)."""
    with transaction.atomic():
        _lock(profile)
        mark_due(devices_of(profile), why=f"Delete the profile {profile.name}", actor=actor)
        profile.assignments.all().delete()
        profile.removed_at = timezone.now()
        profile.save(update_fields=["removed_at"])
        emit(
            "profile.removed",
            account_id=profile.account_id,
            actor=actor,
            profile_id=profile.pk,
            name=profile.name,
            profile_identifier=profile.profile_identifier,
        )


def assign(profile: Profile, owner: Owner, *, actor: Actor) -> bool:
    """False, and nothing happens, when it was assigned there already."""
    with transaction.atomic():
        _lock(profile)
        if not isinstance(owner, Device):
            hold_members(owner)
        _, is_new = ProfileAssignment.objects.get_or_create(
            profile=profile, **{owner_field(owner): owner}, defaults={"account_id": profile.account_id}
        )
        if is_new:
            _log_and_mark("profile.assigned", profile, owner, actor)
    return is_new


def unassign(profile: Profile, owner: Owner, *, actor: Actor) -> bool:
    """False, and nothing happens, when it was not assigned there."""
    with transaction.atomic():
        if not isinstance(owner, Device):
            hold_members(owner)
        count, _ = ProfileAssignment.objects.filter(profile=profile, **{owner_field(owner): owner}).delete()
        if count:
            _log_and_mark("profile.unassigned", profile, owner, actor)
    return bool(count)


def devices_of(profile: Profile) -> QuerySet[Device]:
    """Every device that should have the profile, or that it was sent to."""
    return Device.objects.filter(
        assigned_to(profile) | Q(pk__in=ProfileInstall.objects.filter(profile=profile).values("device")),
        account_id=profile.account_id,
        removed_at=None,
    )


def owner_field(owner: Owner) -> str:
    """The column of ProfileAssignment that holds such an owner."""
    return _OWNER_FIELDS[type(owner)]


def _log_and_mark(kind: str, profile: Profile, owner: Owner, actor: Actor) -> None:
    emit(
        kind,
        account_id=profile.account_id,
        actor=actor,
        device=owner if isinstance(owner, Device) else None,
        profile_id=profile.pk,
        name=profile.name,
        **{f"{owner_field(owner)}_id": owner.pk},
    )
    why = f"Assign {profile.name} to {owner}" if kind == "profile.assigned" else f"Take {profile.name} from {owner}"
    mark_owner_due(owner, why=why, actor=actor)


def _lock(profile: Profile) -> None:
    """Read it again as the only one who may change it. Raises Profile.DoesNotExist if it was deleted meanwhile."""
    profile.refresh_from_db(from_queryset=Profile.objects.select_for_update(no_key=True).filter(removed_at=None))


def _add_version(profile: Profile, content: bytes, found: Mobileconfig, actor: Actor) -> None:
    if _filling(profile, content) and "{{" in found.identifier:
        raise NotPossible(
            "The PayloadIdentifier of the profile contains a variable. It must be the same on every device, "
            "or the profile could not be found there again."
        )
    ProfileVersion.objects.create(
        account_id=profile.account_id,
        profile=profile,
        number=profile.version,
        content=content,
        digest=_digest(content),
        size=len(content),
        payload_uuid=found.uuid,
        payload_types=list(found.payload_types),
        is_signed=found.is_signed,
        uploaded_by=actor.label[:200],
        variables=variables_in(content),
    )


def _filling(profile: Profile, content: bytes) -> tuple[bool, ...]:
    """How variables are filled in; nothing when there are none, or they are left alone."""
    if not (profile.attribute_support and mobileconfig.has_variables(content)):
        return ()
    return (True, profile.escape_attributes)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _require_free_identifier(account: Account, identifier: str) -> None:
    """Devices take a profile for the newer form of any other with its identifier. Two uploads at once wait here."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    same = Profile.objects.for_account(account).filter(kind=ProfileKind.CUSTOM, profile_identifier=identifier)
    other = same.first()
    if other is not None:
        raise NotPossible(
            f"The profile “{other.name}” ({other.pk}) has the PayloadIdentifier {identifier} already; on a device, "
            "one would replace the other. Change that profile, or give this one another identifier."
        )


def _require_same_identifier(profile: Profile, found: Mobileconfig) -> None:
    if found.identifier != profile.profile_identifier:
        raise NotPossible(
            f"The PayloadIdentifier of the file is {found.identifier}, that of the profile {profile.profile_identifier}. "
            "Devices would keep the old profile beside the new one: upload it as a profile of its own."
        )
