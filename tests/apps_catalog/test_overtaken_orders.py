"""An order that another one overtakes, a value that changes on the way, and what breaks off between two steps."""

from datetime import timedelta
from unittest import mock

from django.db import DataError
from django.utils import timezone

from apps_catalog.models import App, AppAssignment, AppInstall
from apps_catalog.services import reconcile
from apps_catalog.services.installs import ALL, OUTDATED, deploy, install
from apps_catalog.services.reconcile import reconcile_due
from devices.models import AssignmentMember, Device, DueDevice, GroupType, ItemState, ProfileAssignment, ProfileInstall
from devices.services import profile_content
from devices.services.attributes import set_value
from devices.services.profile_content import delivered
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State
from tests.apps_catalog.base import OneAppTestCase, OneDeviceTestCase
from tests.factories import make_attribute, make_device, make_profile
from tests.factories.due import is_marked, mark, take_marks
from tests.factories.profiles import make_mobileconfig
from tests.factories.wanted import add_version, assign_profile, make_group_with, make_store_app, make_stored_profile


class OvertakenTest(OneDeviceTestCase):
    """A command that was on its way is put off by the device, which then takes a newer one before it asks for it again."""

    def setUp(self):
        super().setUp()
        self.profile, self.app = make_stored_profile(self.account), make_store_app(self.account)
        self.apps_group = make_group_with(self.account)

    def put_off(self, command: Command) -> None:
        Command.objects.filter(pk=command.pk).update(state=State.QUEUED, status="NotNow", not_now_at=timezone.now())

    def state_of(self, command: Command) -> str:
        command.refresh_from_db()
        return command.state

    def newest(self, request_type: str) -> Command:
        return Command.objects.filter(request_type=request_type).latest("pk")

    def assign(self) -> None:
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)

    def unassign(self) -> None:
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)

    def test_a_former_version_does_not_come_after_the_newer_one(self):
        self.assign()
        former = self.newest("InstallProfile")
        self.hand_out(former)
        add_version(self.profile, 2)
        self.reconcile(self.device)
        self.put_off(former)
        self.acknowledge(self.newest("InstallProfile"))
        self.assertEqual(self.state_of(former), State.CANCELLED)

    def test_a_removal_does_not_come_after_the_profile_that_is_wanted_again(self):
        self.assign()
        self.acknowledge(self.newest("InstallProfile"))
        self.unassign()
        removal = self.newest("RemoveProfile")
        self.hand_out(removal)
        self.assign()
        self.put_off(removal)
        self.acknowledge(self.newest("InstallProfile"))
        self.assertEqual(self.state_of(removal), State.CANCELLED)

    def test_a_profile_does_not_come_after_its_removal(self):
        self.assign()
        self.acknowledge(self.newest("InstallProfile"))
        add_version(self.profile, 2)
        self.reconcile(self.device)
        update = self.newest("InstallProfile")
        self.hand_out(update)
        self.unassign()
        self.put_off(update)
        self.acknowledge(self.newest("RemoveProfile"))
        self.assertEqual(self.state_of(update), State.CANCELLED)

    def test_other_profiles_still_come(self):
        self.assign()
        assign_profile(make_stored_profile(self.account), self.device)
        first = self.newest("InstallProfile")
        self.reconcile(self.device)
        self.put_off(first)
        self.acknowledge(self.newest("InstallProfile"))
        self.assertEqual(self.state_of(first), State.QUEUED)

    def app_is_there(self) -> AppAssignment:
        AssignmentMember.objects.create(account=self.account, group=self.apps_group, device=self.device)
        assignment = AppAssignment.objects.create(account=self.account, group=self.apps_group, app=self.app)
        self.reconcile(self.device)
        self.acknowledge(self.newest("InstallApplication"), State="Installing")
        facts = {"Identifier": self.app.bundle_identifier, "Name": "x", "Version": "2.0"}
        self.acknowledge(self.newest("InstalledApplicationList"), InstalledApplicationList=[facts])
        return assignment

    def test_a_removal_does_not_come_after_the_app_that_is_wanted_again(self):
        assignment = self.app_is_there()
        assignment.delete()
        self.reconcile(self.device)
        removal = self.newest("RemoveApplication")
        self.hand_out(removal)
        AppAssignment.objects.create(account=self.account, group=self.apps_group, app=self.app)
        self.reconcile(self.device)
        self.put_off(removal)
        self.acknowledge(self.newest("InstallApplication"), State="Installing")
        self.assertEqual(self.state_of(removal), State.CANCELLED)

    def test_an_app_does_not_come_after_its_removal(self):
        assignment = self.app_is_there()
        install(self.app, Device.objects.filter(pk=self.device.pk), actor=SYSTEM)
        AppInstall.objects.update(is_by_hand=False)
        update = self.newest("InstallApplication")
        self.hand_out(update)
        assignment.delete()
        self.reconcile(self.device)
        self.put_off(update)
        self.acknowledge(self.newest("RemoveApplication"))
        self.assertEqual(self.state_of(update), State.CANCELLED)


class OrdersByHandTest(OneAppTestCase):
    def test_a_removal_that_waits_is_taken_back_when_an_operator_sends_the_app(self):
        self.installed()
        self.unassign()
        install(self.app, Device.objects.filter(pk=self.device.pk), actor=SYSTEM)
        self.assertEqual(Command.objects.get(request_type="RemoveApplication").state, State.CANCELLED)
        self.waiting("InstallApplication")

    def leaves(self) -> None:
        """A new version comes while the app waits for being removed."""
        self.installed()
        self.unassign()
        App.objects.update(version="3.0")
        self.app.refresh_from_db()

    def assert_it_still_leaves(self) -> None:
        self.assertEqual((self.install().state, self.install().is_by_hand), (ItemState.REMOVING, False))

    def test_a_new_version_for_all_is_not_sent_to_devices_that_the_app_leaves(self):
        self.leaves()
        self.assertEqual(deploy(self.app, ALL, actor=SYSTEM), 0)
        self.assert_it_still_leaves()

    def test_a_new_version_for_outdated_ones_is_not_sent_to_devices_that_the_app_leaves(self):
        self.leaves()
        self.assertEqual(deploy(self.app, OUTDATED, actor=SYSTEM), 0)
        self.assert_it_still_leaves()

    def test_a_new_version_is_not_deployed_where_munki_installs_it(self):
        AppAssignment.objects.update(deployment_type=GroupType.MUNKI)
        self.assertEqual(deploy(self.app, ALL, actor=SYSTEM), 0)

    def test_what_an_operator_sent_to_a_device_gets_new_versions_there(self):
        AppAssignment.objects.all().delete()
        self.assertEqual(install(self.app, Device.objects.filter(pk=self.device.pk), actor=SYSTEM), 1)
        self.assertEqual(deploy(self.app, ALL, actor=SYSTEM), 1)


class RenderingTest(OneDeviceTestCase):
    def test_a_value_that_changes_while_the_profile_is_completed_is_sent_afterwards(self):
        attribute = make_attribute(self.account, "room", default="lobby")
        content = make_mobileconfig("a.b", PayloadDescription="{{room}}")
        profile = make_profile(self.account, identifier="a.b", content=content, attribute_support=True)
        assign_profile(profile, self.device)
        self.reconcile(self.device)
        command = self.waiting("InstallProfile")
        self.hand_out(command)
        read, values_read = profile_content.variables_of, []

        def read_and_then_change(device, **user):
            values = read(device, **user)
            if not values_read:
                values_read.append(values)
                set_value(self.device, attribute, "2.01", SYSTEM)
                self.reconcile_marked()
            return values

        with mock.patch.object(profile_content, "variables_of", read_and_then_change):
            got = delivered(profile.pk, 1, self.device, command_uuid=command.command_uuid)
        if b"2.01" not in got:
            self.assertTrue(is_marked(self.device))
            self.acknowledge(command)
            self.reconcile_marked()
            self.waiting("InstallProfile")

    def test_values_that_stay_mark_nothing(self):
        make_attribute(self.account, "room", default="lobby")
        content = make_mobileconfig("a.b", PayloadDescription="{{room}} {{name}}")
        profile = make_profile(self.account, identifier="a.b", content=content, attribute_support=True)
        assign_profile(profile, self.device)
        self.reconcile(self.device)
        take_marks()
        self.deliver(self.waiting("InstallProfile"))
        self.assertFalse(is_marked(self.device))


class FaultsTest(OneDeviceTestCase):
    def test_a_device_whose_rows_the_database_refuses_does_not_hold_up_the_others(self):
        profile, other = make_stored_profile(self.account), make_device(self.account)
        for device in (self.device, other):
            assign_profile(profile, device)
        mark(self.device, other)
        plan = reconcile.plan_profiles

        def plan_profiles(devices, *rest, **options):
            if self.device.pk in [device.pk for device in devices]:
                raise DataError("value out of range")
            return plan(devices, *rest, **options)

        with mock.patch.object(reconcile, "plan_profiles", plan_profiles), self.assertLogs("pomona.reconcile"):
            reconcile_due()
        self.assertEqual(Command.objects.get().channel.device, other)
        self.assertGreater(DueDevice.objects.get(device=self.device).due_at, timezone.now())

    def test_the_number_of_statements_does_not_grow_with_failed_items(self):
        counts = []
        profile = make_stored_profile(self.account)
        for number in (3, 20):
            devices = [make_device(self.account) for _ in range(number)]
            for device in devices:
                assign_profile(profile, device)
            self.reconcile(*devices)
            ProfileInstall.objects.update(state=ItemState.FAILED, retry_at=timezone.now() + timedelta(hours=1))
            counts.append(self.statements_of_reconciling(devices))
        self.assertEqual(counts[0], counts[1])


class UnreadableTest(OneDeviceTestCase):
    def test_an_error_that_nobody_could_read_leaves_nothing_hanging(self):
        make_group_with(self.account, self.device, apps=(make_store_app(self.account),))
        assign_profile(make_stored_profile(self.account), self.device)
        self.reconcile(self.device)
        Command.objects.update(state=State.FAILED, status="Error", apply_state=ApplyState.FAILED)
        self.reconcile(self.device)
        again = Command.objects.filter(state=State.QUEUED).values_list("request_type", flat=True)
        self.assertEqual(sorted(again), ["InstallApplication", "InstallProfile"])
