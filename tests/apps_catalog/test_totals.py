"""How many devices an assignment has reached."""

from django.utils import timezone

from apps_catalog.models import App
from apps_catalog.services.totals import (
    Totals,
    devices_counted,
    totals_in_group,
    totals_of_app,
    totals_of_group,
    totals_of_profile,
)
from devices.models import Device, DeviceState, ItemState, Profile, ProfileAssignment
from mdm.commands.models import Command
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_app_install, make_channel, make_device, make_group
from tests.factories.profiles import make_profile_install
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile


class TotalsTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.sales = make_group(self.account, "Sales")
        self.devices = [make_device(self.account, group=self.sales) for _ in range(3)]
        self.app, self.profile = make_store_app(self.account), make_stored_profile(self.account)

    def assert_totals(self, found: Totals, **expected: int):
        self.assertEqual(found, {state: expected.get(state.value, 0) for state in ItemState})


class ProfileTest(TotalsTestCase):
    def totals(self) -> Totals:
        return totals_of_profile(self.profile)

    def test_one_that_nobody_should_have(self):
        self.assert_totals(self.totals())

    def test_a_device_counts_once_by_whatever_ways_it_should_have_it(self):
        for owner in (self.devices[0], self.sales, make_group_with(self.account, self.sales, self.devices[0])):
            assign_profile(self.profile, owner)
        self.assert_totals(self.totals(), pending=3)

    def test_from_assigned_to_installed_and_away_again(self):
        assign_profile(self.profile, self.sales)
        self.reconcile(*self.devices[:2])
        self.assert_totals(self.totals(), pending=1, pushed=2)
        self.acknowledge(Command.objects.get(channel__device=self.devices[0]))
        self.refuse(Command.objects.get(channel__device=self.devices[1]), "No.")
        self.assert_totals(self.totals(), pending=1, installed=1, failed=1)
        ProfileAssignment.objects.all().delete()
        self.reconcile(*self.devices)
        self.assert_totals(self.totals(), removing=1)

    def test_only_enrolled_devices_count(self):
        assign_profile(self.profile, self.sales)
        make_profile_install(self.profile, self.devices[0])
        make_profile_install(self.profile, self.devices[1])
        Device.objects.filter(pk=self.devices[0].pk).update(state=DeviceState.UNENROLLED)
        Device.objects.filter(pk=self.devices[2].pk).update(removed_at=timezone.now())
        self.assert_totals(self.totals(), installed=1)

    def test_for_the_users_of_a_mac_it_counts_once_for_each(self):
        mac = make_device(self.account, platform="macOS")
        assign_profile(self.profile, mac)
        Profile.objects.update(user_scope=True)
        self.assert_totals(self.totals(), pending=1)
        for user in ("U1", "U2"):
            make_channel(mac, user_key=user)
        self.reconcile(mac)
        self.assert_totals(self.totals(), pushed=2)


class AppTest(TotalsTestCase):
    def test_devices_without_a_row_are_pending(self):
        make_group_with(self.account, self.sales, self.devices[0], apps=(self.app,))
        make_app_install(self.app, self.devices[0], ItemState.FAILED)
        self.assert_totals(totals_of_app(self.app), failed=1, pending=2)

    def test_what_is_there_without_being_assigned_counts_in_its_state(self):
        make_app_install(self.app, self.devices[0], ItemState.REMOVING)
        self.assert_totals(totals_of_app(self.app), removing=1)

    def test_other_apps_and_other_accounts_do_not_count(self):
        make_group_with(self.account, self.sales, apps=(make_store_app(self.account),))
        theirs = make_store_app(self.other_account)
        make_group_with(self.other_account, make_device(self.other_account), apps=(theirs,))
        self.assert_totals(totals_of_app(self.app))
        self.assert_totals(totals_of_app(theirs), pending=1)

    def test_the_devices_are_those_that_are_counted(self):
        make_group_with(self.account, self.sales, apps=(self.app,))
        extra = make_device(self.account)
        make_app_install(self.app, extra, ItemState.REMOVING)
        make_app_install(self.app, self.devices[0], ItemState.PENDING)
        make_app_install(self.app, self.devices[1], ItemState.INSTALLED)
        Device.objects.filter(pk=self.devices[1].pk).update(state=DeviceState.UNENROLLED)
        for state, count in totals_of_app(self.app).items():
            self.assertEqual(devices_counted(self.app, state).count(), count, state)
        self.assertEqual(set(devices_counted(self.app)), {extra, self.devices[0], self.devices[2]})


class GroupTest(TotalsTestCase):
    def totals(self, group) -> dict[Profile | App, Totals]:
        return dict(totals_of_group(group))

    def test_each_item_counts_on_the_devices_of_the_group_only(self):
        group = make_group_with(self.account, self.sales, apps=(self.app,))
        assign_profile(self.profile, group)
        elsewhere = make_device(self.account)
        make_app_install(self.app, elsewhere, ItemState.FAILED)
        make_app_install(self.app, self.devices[0], ItemState.FAILED)
        make_profile_install(self.profile, self.devices[1])
        found = self.totals(group)
        self.assert_totals(found[self.app], failed=1, pending=2)
        self.assert_totals(found[self.profile], installed=1, pending=2)

    def test_it_agrees_with_the_totals_of_the_items(self):
        mac = make_device(self.account, platform="macOS", group=self.sales)
        for user in ("U1", "U2"):
            make_channel(mac, user_key=user)
        users = make_stored_profile(self.account, user_scope=True)
        group = make_group_with(self.account, self.sales, self.devices[0], apps=(self.app,))
        assign_profile(users, group)
        assign_profile(self.profile, group)
        self.reconcile(self.devices[0], mac)
        self.refuse(Command.objects.filter(channel__device=mac).first(), "No.")
        Device.objects.filter(pk=self.devices[2].pk).update(state=DeviceState.UNENROLLED)
        found = self.totals(group)
        self.assertEqual(found[self.app], totals_of_app(self.app))
        self.assertEqual(found[users], totals_of_profile(users))
        self.assertEqual(found[self.profile], totals_of_profile(self.profile))
        self.assert_totals(found[self.profile], pushed=2, pending=1)
        for item, totals in found.items():
            self.assertEqual(totals_in_group(group, item), totals, item)

    def test_they_come_by_name_profiles_first(self):
        apps = tuple(make_store_app(self.account, name=name) for name in ("b", "a"))
        group = make_group_with(self.account, self.sales, apps=apps)
        assign_profile(make_stored_profile(self.account, name="c"), group)
        self.assertEqual([item.name for item, _ in totals_of_group(group)], ["c", "a", "b"])

    def test_as_many_statements_for_many_items_as_for_one(self):
        group = make_group_with(self.account, self.sales, apps=(self.app,))
        assign_profile(self.profile, group)
        with self.assertNumQueries(6):
            self.assertEqual(len(totals_of_group(group)), 2)
        for _ in range(5):
            assign_profile(make_stored_profile(self.account), group)
        with self.assertNumQueries(6):
            self.assertEqual(len(totals_of_group(group)), 7)

    def test_an_empty_group_has_none(self):
        self.assertEqual(totals_of_group(make_group_with(self.account, self.sales)), [])
