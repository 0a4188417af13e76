"""Assignment groups: their settings, their devices and device groups, copies of them."""

from devices.models import AssignmentGroup, AssignmentMember, AttributeValue, CustomAttribute, Device
from devices.services.assignment_groups import (
    assign_device,
    assign_member,
    copy_assignment_group,
    create_assignment_group,
    delete_assignment_group,
    leave_other_groups,
    unassign_member,
    update_assignment_group,
)
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_group, make_profile
from tests.factories.due import take_marks

PERSON = Actor(Source.ADMIN, "owner@example.com")


class AssignmentGroupTestCase(AccountTestCase):
    def due(self) -> set[Device]:
        """The devices marked since the last call."""
        return take_marks()

    def event_types(self) -> list[str]:
        return list(Event.objects.order_by("pk").values_list("event_type", flat=True))


class SettingsTest(AssignmentGroupTestCase):
    def test_a_new_group_has_the_settings_given(self):
        group = create_assignment_group(self.account, name="Apps", auto_deploy=False, priority=3, actor=PERSON)
        group.refresh_from_db()
        self.assertEqual((group.name, group.auto_deploy, group.priority), ("Apps", False, 3))
        self.assertEqual(
            (group.group_type, group.install_type, group.app_track_location), ("standard", "managed", True)
        )
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.actor_label), ("assignment_group.created", PERSON.label))
        self.assertEqual(event.metadata, {"assignment_group_id": group.pk, "name": "Apps"})

    def test_a_change_of_settings_concerns_its_devices(self):
        device = make_device(self.account)
        group = make_assignment_group(self.account, members=[device])
        before = group.updated_at
        update_assignment_group(group, {"auto_deploy": False, "priority": 2}, PERSON)
        group.refresh_from_db()
        self.assertEqual((group.auto_deploy, group.priority), (False, 2))
        self.assertGreater(group.updated_at, before)
        self.assertEqual(self.due(), {device})
        self.assertEqual(Event.objects.get().metadata["priority"], 2)

    def test_a_new_name_does_not(self):
        group = make_assignment_group(self.account, members=[make_device(self.account)])
        update_assignment_group(group, {"name": "New"}, PERSON)
        self.assertEqual(self.due(), set())
        self.assertEqual(AssignmentGroup.objects.get().name, "New")

    def test_what_is_the_same_already_is_no_change(self):
        group = make_assignment_group(self.account, "Apps", members=[make_device(self.account)])
        update_assignment_group(group, {"name": "Apps", "auto_deploy": True}, PERSON)
        self.assertEqual((self.event_types(), self.due()), ([], set()))

    def test_the_devices_of_a_deleted_group_are_due(self):
        device, inside, elsewhere = (make_device(self.account, group=make_group(self.account)) for _ in range(3))
        group = make_assignment_group(
            self.account, members=[device, inside.group], profiles=[make_profile(self.account)]
        )
        delete_assignment_group(group, PERSON)
        self.assertEqual(self.due(), {device, inside})
        self.assertFalse(AssignmentGroup.objects.exists())
        self.assertEqual(self.event_types(), ["assignment_group.removed"])
        self.assertTrue(Device.objects.filter(pk=elsewhere.pk).exists())


class MembersTest(AssignmentGroupTestCase):
    def setUp(self):
        super().setUp()
        self.assignments = make_assignment_group(self.account, "Apps")
        self.device = make_device(self.account, group=make_group(self.account, "Sales"))

    def test_a_device_joins_once(self):
        self.assertTrue(assign_member(self.assignments, self.device, PERSON))
        self.assertEqual(self.due(), {self.device})
        self.assertFalse(assign_member(self.assignments, self.device, PERSON))
        self.assertEqual(self.due(), set())
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.device), ("assignment_group.assigned", self.device))
        self.assertEqual(event.metadata, {"assignment_group_id": self.assignments.pk, "name": "Apps"})
        member = AssignmentMember.objects.get()
        self.assertEqual((member.device, member.device_group, member.account), (self.device, None, self.account))

    def test_a_device_leaves_once(self):
        assign_member(self.assignments, self.device, SYSTEM)
        self.due()
        self.assertTrue(unassign_member(self.assignments, self.device, PERSON))
        self.assertEqual(self.due(), {self.device})
        self.assertFalse(unassign_member(self.assignments, self.device, PERSON))
        self.assertEqual(self.due(), set())
        self.assertEqual(self.event_types(), ["assignment_group.assigned", "assignment_group.unassigned"])

    def test_a_device_group_joins_and_leaves_with_all_its_devices(self):
        second = make_device(self.account, group=self.device.group)
        for function in (assign_member, unassign_member):
            self.assertTrue(function(self.assignments, self.device.group, PERSON))
            self.assertEqual(self.due(), {self.device, second})
            self.assertFalse(function(self.assignments, self.device.group, PERSON))
            self.assertEqual(self.due(), set())
        self.assertEqual(Event.objects.count(), 2)
        self.assertEqual(Event.objects.first().metadata["device_group"], "Sales")

    def test_devices_that_are_not_enrolled_are_not_due(self):
        awaited = make_device(self.account, enrolled=False)
        removed = make_device(self.account)
        remove_device(removed, SYSTEM)
        self.due()
        assign_member(self.assignments, awaited, PERSON)
        assign_member(self.assignments, removed.group, PERSON)
        self.assertEqual(self.due(), set())


class RemoveOthersTest(AssignmentGroupTestCase):
    def setUp(self):
        super().setUp()
        self.device, self.neighbour = make_device(self.account), make_device(self.account)
        self.others = [make_assignment_group(self.account, members=[self.device, self.neighbour]) for _ in range(2)]
        self.whole = make_assignment_group(self.account, members=[self.group])
        self.target = make_assignment_group(self.account)

    def test_the_device_leaves_the_groups_that_it_belongs_to_by_itself(self):
        self.assertTrue(assign_device(self.target, self.device, PERSON, remove_others=True))
        self.assertEqual([one.group for one in AssignmentMember.objects.filter(device=self.device)], [self.target])
        self.assertEqual(AssignmentMember.objects.filter(device=self.neighbour).count(), 2)
        self.assertTrue(self.whole.members.exists())
        self.assertEqual(self.due(), {self.device})
        self.assertEqual(
            self.event_types(),
            ["assignment_group.unassigned", "assignment_group.unassigned", "assignment_group.assigned"],
        )

    def test_also_when_it_is_in_the_group_already(self):
        assign_device(self.target, self.device, PERSON)
        self.assertEqual(AssignmentMember.objects.filter(device=self.device).count(), 3)
        self.assertFalse(assign_device(self.target, self.device, PERSON, remove_others=True))
        self.assertEqual([one.group for one in AssignmentMember.objects.filter(device=self.device)], [self.target])

    def test_once_more_does_nothing(self):
        assign_device(self.target, self.device, PERSON, remove_others=True)
        count = Event.objects.count()
        self.due()
        self.assertEqual(leave_other_groups(self.device, self.target, PERSON), 0)
        self.assertFalse(assign_device(self.target, self.device, PERSON, remove_others=True))
        self.assertEqual((Event.objects.count(), self.due()), (count, set()))


class CopyTest(AssignmentGroupTestCase):
    def test_a_copy_has_settings_profiles_and_values_but_no_devices(self):
        profile = make_profile(self.account)
        group = make_assignment_group(
            self.account,
            "Apps",
            members=[make_device(self.account), self.group],
            profiles=[profile],
            auto_deploy=False,
            priority=7,
            group_type="munki",
            install_type="self_serve",
            app_track_location=False,
        )
        plain = CustomAttribute.objects.create(account=self.account, name="plain")
        secret = CustomAttribute.objects.create(account=self.account, name="secret", is_secret=True)
        for attribute in (plain, secret):
            value = AttributeValue(account=self.account, attribute=attribute, assignment_group=group)
            value.set_value(f"value of {attribute.name}", is_secret=attribute.is_secret)
            value.save()
        copy = copy_assignment_group(group, PERSON)
        copy.refresh_from_db()
        self.assertEqual(
            (copy.name, copy.auto_deploy, copy.priority, copy.group_type, copy.install_type, copy.app_track_location),
            ("Apps (1)", False, 7, "munki", "self_serve", False),
        )
        self.assertEqual([one.profile for one in copy.profile_assignments.all()], [profile])
        values = {one.attribute.name: one.value for one in copy.attribute_values.all()}
        self.assertEqual(values, {"plain": "value of plain", "secret": "value of secret"})
        self.assertEqual(copy.attribute_values.get(attribute=secret).plain, "")
        self.assertFalse(copy.members.exists())
        self.assertEqual(self.due(), set())
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.metadata["copy_of"]), ("assignment_group.created", group.pk))
        self.assertNotIn("value of", str(event.metadata))

    def test_copies_are_numbered_within_the_account(self):
        make_assignment_group(self.other_account, "Apps (1)")
        group = make_assignment_group(self.account, "Apps")
        self.assertEqual([copy_assignment_group(group, PERSON).name for _ in range(2)], ["Apps (1)", "Apps (2)"])

    def test_a_long_name_is_cut_to_make_room(self):
        group = make_assignment_group(self.account, "x" * 200)
        self.assertEqual(copy_assignment_group(group, PERSON).name, "x" * 196 + " (1)")
