import hashlib

from devices.models import (
    Device,
    ItemState,
    Profile,
    ProfileAssignment,
    ProfileInstall,
    ProfileVersion,
)
from devices.services.errors import NotPossible
from devices.services.profiles import assign, change_profile, create_profile, delete_profile, devices_of, unassign
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.events.models import Event
from mdm.protocol.errors import ProtocolError
from tests.base import AccountTestCase
from tests.factories import (
    make_device,
    make_group,
    make_mobileconfig,
    make_payload,
    make_profile,
    make_profile_assignment,
    make_signed,
)
from tests.factories.due import take_marks
from tests.factories.wanted import make_group_with

ACTOR = Actor(Source.API, "Program")


class ProfilesTestCase(AccountTestCase):
    def due(self) -> set[Device]:
        """Marked since it was asked last."""
        return take_marks()

    def kinds(self) -> list[str]:
        return list(Event.objects.order_by("pk").values_list("event_type", flat=True))


class CreateProfileTest(ProfilesTestCase):
    def create(self, content: bytes, **options) -> Profile:
        return create_profile(self.account, "Office", content, actor=ACTOR, **options)

    def test_the_file_is_kept_byte_for_byte_and_what_is_in_it_noted(self):
        content = make_mobileconfig("a.b", make_payload("com.apple.dock"), PayloadUUID="ABC")
        profile = self.create(content)
        profile.refresh_from_db()
        self.assertEqual((profile.name, profile.profile_identifier, profile.version), ("Office", "a.b", 1))
        self.assertEqual((profile.user_scope, profile.attribute_support), (True, False))
        version = ProfileVersion.objects.get(account=self.account, profile=profile, number=1)
        self.assertEqual((version.content, version.size), (content, len(content)))
        self.assertEqual(version.digest, hashlib.sha256(content).hexdigest())
        self.assertEqual((version.payload_uuid, version.payload_types), ("ABC", ["com.apple.dock"]))
        self.assertFalse(version.is_signed)

    def test_it_is_logged_with_what_devices_may_stumble_over(self):
        profile = self.create(make_mobileconfig("a.b", PayloadVersion=2))
        event = Event.objects.get(event_type="profile.created")
        self.assertEqual((event.account, event.actor_label), (self.account, "Program"))
        self.assertEqual(event.metadata["profile_id"], profile.pk)
        self.assertIn("PayloadVersion", event.metadata["warnings"][0])

    def test_a_signed_file_is_known_as_such(self):
        content = make_signed(make_mobileconfig("a.b"))
        version = self.create(content).versions.get()
        self.assertEqual((version.content, version.is_signed), (content, True))

    def test_an_identifier_counts_once_in_an_account(self):
        first = self.create(make_mobileconfig("a.b"))
        with self.assertRaises(NotPossible) as caught:
            self.create(make_mobileconfig("a.b"))
        self.assertIn(f"“Office” ({first.pk})", str(caught.exception))
        self.assertIn("a.b", str(caught.exception))
        self.assertEqual(Profile.objects.count(), 1)
        create_profile(self.other_account, "Office", make_mobileconfig("a.b"), actor=ACTOR)
        delete_profile(first, actor=ACTOR)
        self.create(make_mobileconfig("a.b"))

    def test_an_identifier_with_a_variable_is_refused_where_it_would_be_filled_in(self):
        with self.assertRaisesMessage(NotPossible, "contains a variable"):
            self.create(make_mobileconfig("a.{{udid}}"), attribute_support=True)
        self.assertEqual(ProfileVersion.objects.count() + Profile.objects.count() + Event.objects.count(), 0)
        profile = self.create(make_mobileconfig("a.{{udid}}"))
        with self.assertRaisesMessage(NotPossible, "contains a variable"):
            change_profile(profile, attribute_support=True, actor=ACTOR)
        self.assertFalse(Profile.objects.get().attribute_support)

    def test_a_file_that_is_no_profile_leaves_nothing(self):
        with self.assertRaises(ProtocolError):
            self.create(b"hello")
        self.assertEqual(Profile.objects.count() + Event.objects.count(), 0)


class ChangeProfileTest(ProfilesTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.content = make_mobileconfig("a.b", make_payload(Here="{{udid}}"))
        self.profile = make_profile(self.account, "Office", identifier="a.b", content=self.content)
        make_profile_assignment(self.profile, self.device)

    def change(self, **given) -> Profile:
        change_profile(self.profile, **given, actor=ACTOR)
        return Profile.objects.get(pk=self.profile.pk)

    def test_another_file_is_a_new_version_and_makes_devices_due(self):
        content = make_mobileconfig("a.b")
        self.assertEqual(self.change(content=content).version, 2)
        versions = {row.number: row.content for row in self.profile.versions.all()}
        self.assertEqual(versions, {1: self.content, 2: content})
        self.assertEqual(self.due(), {self.device})
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.actor_label), ("profile.updated", "Program"))
        self.assertEqual((event.metadata["changed"], event.metadata["version"]), (["mobileconfig"], 2))

    def test_the_same_file_and_the_same_values_change_nothing(self):
        self.change(content=self.content, name="Office", user_scope=True)
        self.assertEqual((self.profile.versions.count(), self.due(), self.kinds()), (1, set(), []))

    def test_a_new_name_concerns_no_device(self):
        self.assertEqual(self.change(name="Home", reinstall_after_os_update=True).name, "Home")
        self.assertEqual((self.profile.versions.count(), self.due()), (1, set()))
        self.assertEqual(Event.objects.get().metadata["changed"], ["name", "reinstall_after_os_update"])

    def test_another_scope_concerns_devices_but_is_no_new_version(self):
        self.assertFalse(self.change(user_scope=False).user_scope)
        self.assertEqual((self.profile.versions.count(), self.due()), (1, {self.device}))

    def test_filling_in_variables_or_not_is_a_new_version_of_the_same_bytes(self):
        self.assertEqual(self.change(attribute_support=True).version, 2)
        self.assertEqual(self.due(), {self.device})
        self.assertEqual(self.change(escape_attributes=True).version, 3)
        self.assertEqual(self.change(attribute_support=False).version, 4)
        self.assertEqual(self.change(escape_attributes=False).version, 4)
        self.assertEqual({row.content for row in self.profile.versions.all()}, {self.content})

    def test_without_variables_it_makes_no_difference_to_devices(self):
        for content in (make_mobileconfig("c.d"), make_signed(self.content)):
            profile = make_profile(self.account, identifier="c.d", content=content)
            make_profile_assignment(profile, self.device)
            change_profile(profile, attribute_support=True, actor=ACTOR)
            self.assertEqual((profile.version, self.due()), (1, set()))

    def test_another_identifier_is_refused_with_both_named(self):
        with self.assertRaises(NotPossible) as caught:
            self.change(content=make_mobileconfig("c.d"), name="Home")
        self.assertIn("of the file is c.d, that of the profile a.b", str(caught.exception))
        self.profile.refresh_from_db()
        self.assertEqual((self.profile.name, self.profile.version), ("Office", 1))
        self.assertEqual((self.profile.versions.count(), self.due(), self.kinds()), (1, set(), []))

    def test_a_bad_file_is_refused(self):
        with self.assertRaises(ProtocolError):
            self.change(content=b"hello", name="Home")
        self.assertEqual(Profile.objects.get().name, "Office")

    def test_numbers_go_on_from_what_somebody_else_stored_meanwhile(self):
        stale = Profile.objects.get()
        self.change(content=make_mobileconfig("a.b"))
        change_profile(stale, content=make_mobileconfig("a.b"), actor=ACTOR)
        self.assertEqual(Profile.objects.get().version, 3)

    def test_a_profile_deleted_meanwhile_is_gone(self):
        stale = Profile.objects.get()
        delete_profile(self.profile, actor=ACTOR)
        with self.assertRaises(Profile.DoesNotExist):
            change_profile(stale, name="Home", actor=ACTOR)


class DeleteProfileTest(ProfilesTestCase):
    def test_it_leaves_the_lists_and_devices_that_have_or_should_have_it_are_due(self):
        profile = make_profile(self.account)
        wants, has, has_not = (make_device(self.account) for _ in range(3))
        make_profile_assignment(profile, wants)
        ProfileInstall.objects.create(
            account=self.account, profile=profile, device=has, version=1, state=ItemState.INSTALLED
        )
        delete_profile(profile, actor=ACTOR)
        self.assertEqual(self.due(), {wants, has})
        self.assertFalse(has_not in self.due())
        self.assertFalse(Profile.objects.for_account(self.account).exists())
        self.assertEqual(ProfileAssignment.objects.count(), 0)
        self.assertEqual(ProfileInstall.objects.count(), 1)
        self.assertEqual(self.kinds(), ["profile.removed"])


class AssignTest(ProfilesTestCase):
    def setUp(self):
        super().setUp()
        self.profile = make_profile(self.account)
        self.device = make_device(self.account)
        self.grouped = make_device(self.account, group=make_group(self.account))
        self.device_group = self.grouped.group
        self.assignment_group = make_group_with(self.account, self.device, self.device_group)

    def owners(self):
        """(owner, its devices, the key of the log)"""
        return (
            (self.device, {self.device}, "device_id"),
            (self.device_group, {self.grouped}, "device_group_id"),
            (self.assignment_group, {self.device, self.grouped}, "assignment_group_id"),
        )

    def test_assign_once_and_again(self):
        for owner, devices, key in self.owners():
            self.assertTrue(assign(self.profile, owner, actor=ACTOR))
            self.assertEqual(self.due(), devices)
            event = Event.objects.latest("pk")
            self.assertEqual((event.event_type, event.actor_label), ("profile.assigned", "Program"))
            self.assertEqual((event.metadata[key], event.metadata["profile_id"]), (owner.pk, self.profile.pk))
            count = Event.objects.count()
            self.assertFalse(assign(self.profile, owner, actor=ACTOR))
            self.assertEqual((self.due(), Event.objects.count()), (set(), count))
        self.assertEqual(ProfileAssignment.objects.filter(account=self.account).count(), 3)

    def test_unassign_once_and_again(self):
        for owner, devices, key in self.owners():
            self.assertFalse(unassign(self.profile, owner, actor=ACTOR))
            self.assertEqual((self.due(), Event.objects.count()), (set(), 0))
            make_profile_assignment(self.profile, owner)
            self.assertTrue(unassign(self.profile, owner, actor=ACTOR))
            self.assertEqual(self.due(), devices)
            event = Event.objects.get()
            self.assertEqual((event.event_type, event.metadata[key]), ("profile.unassigned", owner.pk))
            event.delete()
        self.assertEqual(ProfileAssignment.objects.count(), 0)

    def test_the_device_has_it_in_its_log(self):
        assign(self.profile, self.device, actor=ACTOR)
        self.assertEqual(Event.objects.get().serial_number, self.device.serial_number)

    def test_a_deleted_profile_cannot_be_assigned(self):
        stale = Profile.objects.get()
        delete_profile(self.profile, actor=SYSTEM)
        with self.assertRaises(Profile.DoesNotExist):
            assign(stale, self.device, actor=ACTOR)
        self.assertEqual(ProfileAssignment.objects.count(), 0)

    def test_other_assignments_stay(self):
        other = make_profile(self.account)
        for profile in (self.profile, other):
            for owner, _, _ in self.owners():
                make_profile_assignment(profile, owner)
        unassign(self.profile, self.device, actor=ACTOR)
        self.assertEqual(ProfileAssignment.objects.count(), 5)

    def test_every_device_of_a_profile_by_whatever_way(self):
        for owner, devices, _ in self.owners():
            assignment = make_profile_assignment(self.profile, owner)
            self.assertEqual(set(devices_of(self.profile)), devices)
            assignment.delete()
        self.assertEqual(set(devices_of(self.profile)), set())
