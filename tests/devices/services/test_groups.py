"""Copies of device groups, and that moved devices get what their new group brings."""

from unittest import mock

from devices.models import AssignmentMember, AttributeValue, CustomAttribute, Device
from devices.services.errors import NotPossible
from devices.services.groups import clone_group, delete_group, move_devices, rename_group
from enrollment.models import Enrollment
from mdm.accounts.actors import Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_assignment_group,
    make_device,
    make_enrollment,
    make_group,
    make_profile,
    make_profile_assignment,
)
from tests.factories.due import marked

PERSON = Actor(Source.ADMIN, "owner@example.com")


def due() -> set[Device]:
    return marked()


class MovedDevicesTest(AccountTestCase):
    def test_moved_devices_are_due_and_others_are_not(self):
        group = make_group(self.account)
        here, there = make_device(self.account, group=group), make_device(self.account)
        move_devices([here, there], group, PERSON)
        self.assertEqual(due(), {there})

    def test_devices_that_are_not_enrolled_are_not_due(self):
        move_devices([make_device(self.account, enrolled=False)], make_group(self.account), PERSON)
        self.assertEqual(due(), set())

    def test_the_devices_of_a_deleted_group_are_due_and_its_assignments_go(self):
        group = make_group(self.account)
        device = make_device(self.account, group=group)
        make_assignment_group(self.account, members=[group])
        make_profile_assignment(make_profile(self.account), group)
        delete_group(group, PERSON)
        self.assertEqual(due(), {device})
        self.assertFalse(AssignmentMember.objects.exists())

    def test_the_link_of_an_awaited_device_outlives_the_group_and_that_of_the_group_does_not(self):
        group = make_group(self.account)
        link = make_enrollment(device=make_device(self.account, group=group, enrolled=False))
        make_enrollment(group=group)
        delete_group(group, PERSON)
        self.assertEqual([(one.pk, one.device_group) for one in Enrollment.objects.all()], [(link.pk, self.group)])


class RenamedTest(AccountTestCase):
    def test_its_devices_are_due_as_its_name_may_stand_in_their_profiles(self):
        group = make_group(self.account, "Sales")
        device = make_device(self.account, group=group)
        make_device(self.account)
        rename_group(group, "Sales", PERSON)
        self.assertEqual(due(), set())
        group.name = "Marketing"  # as forms leave it
        rename_group(group, "Marketing", PERSON)
        self.assertEqual(due(), {device})


class CloneTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.source = make_group(self.account, "Sales")

    def test_it_has_the_same_profiles_values_and_assignment_groups(self):
        profile = make_profile(self.account)
        make_profile_assignment(profile, self.source)
        assignments = make_assignment_group(self.account, members=[self.source])
        attribute = CustomAttribute.objects.create(account=self.account, name="wifi", is_secret=True)
        value = AttributeValue(account=self.account, attribute=attribute, device_group=self.source)
        value.set_value("hunter2", is_secret=True)
        value.save()
        copy = clone_group(self.source, PERSON)
        self.assertEqual((copy.name, copy.account, copy.is_default), ("Sales (1)", self.account, False))
        self.assertEqual([one.profile for one in copy.profile_assignments.all()], [profile])
        self.assertEqual([one.group for one in copy.assignment_memberships.all()], [assignments])
        copied = copy.attribute_values.get()
        self.assertEqual((copied.attribute, copied.value, copied.plain), (attribute, "hunter2", ""))
        # The one that was copied still opens.
        self.assertEqual(AttributeValue.objects.get(pk=value.pk).value, "hunter2")

    def test_it_has_no_devices_and_no_links(self):
        make_device(self.account, group=self.source)
        make_enrollment(self.account, group=self.source)
        copy = clone_group(self.source, PERSON)
        self.assertEqual((copy.devices.count(), copy.enrollments.count(), due()), (0, 0, set()))

    def test_the_copy_of_the_default_group_is_not_the_default(self):
        self.assertIs(clone_group(self.group, PERSON).is_default, False)

    def test_copies_are_numbered(self):
        names = [clone_group(self.source, PERSON).name for _ in range(3)]
        self.assertEqual(names, ["Sales (1)", "Sales (2)", "Sales (3)"])

    def test_one_with_more_devices_than_can_be_moved_at_once_is_not_deleted(self):
        group = make_group(self.account, "Large")
        devices = [make_device(group=group) for _ in range(3)]
        with mock.patch("devices.services.groups.MOST_AT_ONCE", 2), self.assertRaisesRegex(NotPossible, "More than 2"):
            delete_group(group, PERSON)
        self.assertEqual(
            {device.group_id for device in Device.objects.filter(pk__in=[d.pk for d in devices])}, {group.pk}
        )
        with mock.patch("devices.services.groups.MOST_AT_ONCE", 3):
            delete_group(group, PERSON)

    def test_deleted_profiles_are_not_copied(self):
        profile = make_profile(self.account)
        make_profile_assignment(profile, self.source)
        type(profile).objects.update(removed_at=self.source.created_at)
        self.assertFalse(clone_group(self.source, PERSON).profile_assignments.exists())

    def test_it_is_one_line_of_the_log(self):
        copy = clone_group(self.source, PERSON)
        event = Event.objects.get()
        self.assertEqual(
            (event.event_type, event.actor_label, event.metadata),
            (
                "device_group.created",
                PERSON.label,
                {"device_group_id": copy.pk, "name": "Sales (1)", "copy_of": self.source.pk},
            ),
        )
