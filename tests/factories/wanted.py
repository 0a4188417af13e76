"""Assigned profiles and apps in the few lines that tests of the reconciler need."""

import hashlib

from apps_catalog.models import App, AppAssignment, AppType
from devices.models import (
    AssignmentGroup,
    AssignmentMember,
    Device,
    DeviceGroup,
    Profile,
    ProfileAssignment,
    ProfileVersion,
)
from mdm.accounts.models import Account
from tests.factories.numbers import number


def make_stored_profile(account: Account, **fields: object) -> Profile:
    """A profile with one version whose content is not looked at."""
    n = number()
    values = {"name": f"Profile {n}", "profile_identifier": f"com.example.profile{n}", "user_scope": False}
    profile = Profile.objects.create(account=account, **(values | fields))
    add_version(profile, 1)
    return profile


def add_version(profile: Profile, version: int) -> None:
    content = b"<plist/>" + str(version).encode()
    digest = hashlib.sha256(content).hexdigest()
    ProfileVersion.objects.create(
        account=profile.account,
        profile=profile,
        number=version,
        content=content,
        digest=digest,
        size=len(content),
        variables=[],
    )
    profile.version = version
    profile.save(update_fields=["version"])


def assign_profile(profile: Profile, owner: Device | DeviceGroup | AssignmentGroup) -> ProfileAssignment:
    column = {Device: "device", DeviceGroup: "device_group", AssignmentGroup: "assignment_group"}[type(owner)]
    return ProfileAssignment.objects.create(account=profile.account, profile=profile, **{column: owner})


def make_group_with(account: Account, *members: Device | DeviceGroup, apps: tuple[App, ...] = (), **fields: object):
    """An assignment group with these members and apps."""
    group = AssignmentGroup.objects.create(account=account, **({"name": f"Assignment {number()}"} | fields))
    for member in members:
        column = "device" if isinstance(member, Device) else "device_group"
        AssignmentMember.objects.create(account=account, group=group, **{column: member})
    for app in apps:
        AppAssignment.objects.create(account=account, group=group, app=app)
    return group


def make_store_app(account: Account, **fields: object) -> App:
    n = number()
    values = {
        "name": f"App {n}",
        "app_type": AppType.STORE,
        "itunes_store_id": 100000 + n,
        "bundle_identifier": f"com.example.store{n}",
        "platform_support": "iOS",
        "version": "2.0",
    }
    return App.objects.create(account=account, **(values | fields))
