"""How many devices an assignment has reached: what the API and the admin show of a profile, an app or a group.

A device without a row yet is pending; a profile for the users of a Mac counts once for each of them.
"""

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from apps_catalog.models import App, AppAssignment, AppInstall
from devices.models import (
    AssignmentGroup,
    AssignmentMember,
    Device,
    DeviceState,
    GroupType,
    ItemState,
    Profile,
    ProfileAssignment,
    ProfileInstall,
)
from devices.services.due import devices_of_group
from devices.services.memberships import assigned_to, named_in

Totals = dict[ItemState, int]
COUNTED_AT_ONCE = 5_000  # rows; for more, pages bring their numbers after they are there


def totals_of_profile(profile: Profile) -> Totals:
    """State → number, every state named."""
    should = Device.objects.filter(assigned_to(profile), account_id=profile.account_id)
    return _totals(ProfileInstall.objects.filter(profile=profile), should, profile.account_id)


def totals_of_app(app: App) -> Totals:
    """State → number, every state named."""
    return _totals(AppInstall.objects.filter(app=app), _should_have(app), app.account_id)


def devices_counted(app: App, state: str | None = None) -> QuerySet[Device]:
    """The enrolled devices that are counted in the totals of the app, in that state or in any."""
    rows = AppInstall.objects.filter(app=app)
    found = Q(pk__in=(rows.filter(state=state) if state else rows).values("device"))
    if state in (None, ItemState.PENDING):
        found |= named_in(_members(app)) & ~Q(pk__in=rows.values("device"))
    return Device.objects.filter(found, account_id=app.account_id, state=DeviceState.ENROLLED, removed_at=None)


def totals_of_group(group: AssignmentGroup) -> list[tuple[Profile | App, Totals]]:
    """Each profile and app of the group with its totals on the devices of the group. Statements: as many for one as for all."""
    profiles = Profile.objects.filter(assignments__assignment_group=group, removed_at=None)
    managed = AppAssignment.objects.filter(group=group, deployment_type=GroupType.STANDARD)
    apps = App.objects.filter(pk__in=managed.values("app"), removed_at=None)
    devices = devices_of_group(group).filter(state=DeviceState.ENROLLED)
    count = devices.count()
    return [*_of_each(profiles, devices, count), *_of_each(apps, devices, count)]


def totals_in_group(group: AssignmentGroup, item: Profile | App) -> Totals:
    """Those of one profile or app of the group, on the devices of the group."""
    devices = devices_of_group(group).filter(state=DeviceState.ENROLLED)
    ((_, totals),) = _of_each(type(item).objects.filter(pk=item.pk), devices, devices.count())
    return totals


def _of_each(
    items: QuerySet[Profile] | QuerySet[App], devices: QuerySet[Device], count: int
) -> list[tuple[Profile | App, Totals]]:
    """devices: enrolled ones that should have the items, of which there are that many."""
    found = list(items.order_by("name", "pk"))
    column, model = ("profile", ProfileInstall) if items.model is Profile else ("app", AppInstall)
    rows = model.objects.filter(device__in=devices, **{f"{column}__in": found}).order_by()
    counted = {row[:2]: row[2] for row in rows.values_list(column, "state").annotate(count=Count("pk"))}
    totals = [(item, {state: counted.get((item.pk, state), 0) for state in ItemState}) for item in found]
    reached = _reached(rows, {item.pk: sum(mine.values()) for item, mine in totals}, column)
    for item, mine in totals:
        mine[ItemState.PENDING] += count - reached[item.pk]
    return totals


def _reached(rows: QuerySet, lines: dict[int, int], column: str) -> dict[int, int]:
    """Item pk → devices with a row of it. lines: its rows, more of them where users of one device have rows of their own."""
    if column == "app":
        return lines
    of_users = rows.exclude(user_key="")
    with_users = set(of_users.values_list(column, flat=True).distinct())
    if not with_users:
        return lines
    several = rows.filter(**{f"{column}__in": with_users})
    return lines | dict(several.values_list(column).annotate(count=Count("device", distinct=True)))


def _should_have(app: App) -> QuerySet[Device]:
    return Device.objects.filter(named_in(_members(app)), account_id=app.account_id)


def _members(app: App) -> QuerySet[AssignmentMember]:
    """Of the groups that bring the app."""
    groups = AppAssignment.objects.filter(app=app, deployment_type=GroupType.STANDARD).values("group")
    return AssignmentMember.objects.filter(group__in=groups)


def takes_long(item: Profile | App) -> bool:
    """Whether it is on so many devices that counting them takes longer than a page may; looks at no more rows than it needs."""
    return item.installs.order_by()[: COUNTED_AT_ONCE + 1].count() > COUNTED_AT_ONCE


def takes_long_in(group: AssignmentGroup) -> bool:
    """The same for a group, whose every profile and app is counted on each of its devices."""
    items = ProfileAssignment.objects.filter(assignment_group=group).count()
    items += AppAssignment.objects.filter(group=group).count()
    most = COUNTED_AT_ONCE // max(items, 1)
    return devices_of_group(group).order_by()[: most + 1].count() > most


def _totals(installs: QuerySet, should: QuerySet[Device], account_id: int) -> Totals:
    rows = _enrolled(installs).filter(device__account=account_id)  # an index of devices begins with it
    counted = dict(rows.order_by().values_list("state").annotate(count=Count("pk")))
    totals = {state: counted.get(state, 0) for state in ItemState}
    enrolled = should.filter(state=DeviceState.ENROLLED, removed_at=None)
    totals[ItemState.PENDING] += enrolled.filter(~Exists(installs.filter(device=OuterRef("pk")))).count()
    return totals


def _enrolled(rows: QuerySet) -> QuerySet:
    return rows.filter(Q(device__state=DeviceState.ENROLLED, device__removed_at=None))
