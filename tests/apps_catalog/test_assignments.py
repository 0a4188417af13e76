"""The apps of assignment groups."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from apps_catalog.models import AppAssignment
from apps_catalog.services.assignments import (
    SyncedJustNow,
    assign_app,
    clone_assignment_group,
    sync_profiles,
    unassign_app,
)
from devices.models import AssignmentGroup, Device
from mdm.accounts.actors import Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device
from tests.factories.due import take_marks
from tests.factories.wanted import make_store_app

PERSON = Actor(Source.ADMIN, "owner@example.com")


class AssignmentTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.assignments = make_assignment_group(
            self.account, "Munki", members=[self.device], group_type="munki", install_type="self_serve"
        )
        self.app = make_store_app(self.account, name="Notes")

    def due(self) -> set[Device]:
        return take_marks()


class AssignAppTest(AssignmentTestCase):
    def test_types_that_are_not_given_are_those_of_the_group(self):
        assignment = assign_app(self.assignments, self.app, PERSON)
        assignment.refresh_from_db()
        self.assertEqual((assignment.deployment_type, assignment.install_type), ("munki", "self_serve"))
        self.assertEqual((assignment.account, self.due()), (self.account, {self.device}))

    def test_the_log_tells_app_group_and_types(self):
        assign_app(self.assignments, self.app, PERSON, install_type="managed")
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.actor_label), ("assignment_group.assigned", PERSON.label))
        self.assertEqual(
            event.metadata,
            {
                "assignment_group_id": self.assignments.pk,
                "name": "Munki",
                "app_id": self.app.pk,
                "app": "Notes",
                "deployment_type": "munki",
                "install_type": "managed",
            },
        )

    def test_once_more_does_nothing_and_keeps_the_types(self):
        assign_app(self.assignments, self.app, PERSON, deployment_type="standard")
        self.due()
        assign_app(self.assignments, self.app, PERSON)
        assign_app(self.assignments, self.app, PERSON, deployment_type="standard")
        self.assertEqual(AppAssignment.objects.get().deployment_type, "standard")
        self.assertEqual((Event.objects.count(), self.due()), (1, set()))

    def test_other_types_are_a_change(self):
        assign_app(self.assignments, self.app, PERSON)
        self.due()
        assign_app(self.assignments, self.app, PERSON, install_type="default_installs")
        self.assertEqual(AppAssignment.objects.get().install_type, "default_installs")
        self.assertEqual((Event.objects.count(), self.due()), (2, {self.device}))


class UnassignAppTest(AssignmentTestCase):
    def test_it_goes_once(self):
        assign_app(self.assignments, self.app, PERSON)
        self.due()
        self.assertTrue(unassign_app(self.assignments, self.app, PERSON))
        self.assertEqual(self.due(), {self.device})
        self.assertFalse(unassign_app(self.assignments, self.app, PERSON))
        self.assertEqual(self.due(), set())
        self.assertEqual(Event.objects.filter(event_type="assignment_group.unassigned").count(), 1)


class CloneTest(AssignmentTestCase):
    def test_deleted_apps_are_not_copied(self):
        kept = make_store_app(self.account)
        for app in (self.app, kept):
            assign_app(self.assignments, app, PERSON)
        type(self.app).objects.filter(pk=self.app.pk).update(removed_at=timezone.now())
        copy = clone_assignment_group(self.assignments, PERSON)
        (assignment,) = copy.app_assignments.all()
        self.assertEqual((assignment.app, assignment.account), (kept, self.account))

    def test_when_the_apps_cannot_be_copied_there_is_no_copy(self):
        with (
            mock.patch.object(AppAssignment.objects, "bulk_create", side_effect=RuntimeError),
            self.assertRaises(RuntimeError),
        ):
            clone_assignment_group(self.assignments, PERSON)
        self.assertEqual((AssignmentGroup.objects.count(), Event.objects.count()), (1, 0))


class SyncProfilesTest(AssignmentTestCase):
    def test_it_says_how_long_to_wait(self):
        AssignmentGroup.objects.update(profiles_synced_at=timezone.now() - timedelta(seconds=20))
        with self.assertRaises(SyncedJustNow) as caught:
            sync_profiles(self.assignments, PERSON)
        self.assertTrue(9 < caught.exception.wait <= 10, caught.exception.wait)

    def test_each_group_waits_for_itself(self):
        sync_profiles(self.assignments, PERSON)
        sync_profiles(make_assignment_group(self.account), PERSON)
        self.assertEqual(Event.objects.filter(event_type="profiles.synced").count(), 2)
