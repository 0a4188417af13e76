"""Assignment groups with what they pair."""

from collections.abc import Iterable

from apps_catalog.models import App, AppAssignment
from devices.models import AssignmentGroup, AssignmentMember, Device, DeviceGroup, Profile
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.numbers import number
from tests.factories.profiles import make_profile_assignment


def make_assignment_group(
    account: Account | None = None,
    name: str = "",
    *,
    members: Iterable[Device | DeviceGroup] = (),
    apps: Iterable[App] = (),
    profiles: Iterable[Profile] = (),
    **fields: object,
) -> AssignmentGroup:
    group = AssignmentGroup.objects.create(
        account=account or make_account(), name=name or f"Assignment group {number()}", **fields
    )
    for member in members:
        column = "device" if isinstance(member, Device) else "device_group"
        AssignmentMember.objects.create(account=group.account, group=group, **{column: member})
    for app in apps:
        AppAssignment.objects.create(account=group.account, group=group, app=app)
    for profile in profiles:
        make_profile_assignment(profile, group)
    return group
