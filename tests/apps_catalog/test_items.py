"""What one device should have, why, how far it has come, and what can be done about it."""

from django.utils import timezone

from apps_catalog.models import AppInstall
from apps_catalog.services.installs import install
from apps_catalog.services.items import Item, ItemKind, NamedSource, items_of, retry, stop
from devices.models import Device, ItemState, ProfileInstall
from devices.services.errors import NotPossible
from devices.services.wanted import SourceKind
from mdm.accounts.actors import Actor, Source
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import (
    make_app,
    make_app_install,
    make_app_version,
    make_channel,
    make_device,
    make_group,
    make_installed_app,
)
from tests.factories.due import is_marked
from tests.factories.profiles import make_profile_install
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile

ACTOR = Actor(Source.ADMIN, label="owner@example.com")


class ItemsTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, name="Reception")

    def item(self, device: Device | None = None) -> Item:
        (item,) = items_of(device or self.device)
        return item

    def assigned_app(self, device: Device | None = None, **fields: object):
        app = make_store_app(self.account, **fields)
        make_group_with(self.account, device or self.device, apps=(app,))
        return app


class WhyTest(ItemsTestCase):
    def test_every_source_is_named(self):
        sales = make_group(self.account, "Sales")
        device = make_device(self.account, group=sales, name="Sara's")
        profile = make_stored_profile(self.account)
        itself = make_group_with(self.account, device, name="By itself")
        through = make_group_with(self.account, sales, name="Through Sales")
        for owner in (device, sales, itself, through):
            assign_profile(profile, owner)
        self.assertEqual(
            self.item(device).sources,
            (
                NamedSource(SourceKind.DEVICE, device.pk, "Sara's"),
                NamedSource(SourceKind.DEVICE_GROUP, sales.pk, "Sales"),
                NamedSource(SourceKind.ASSIGNMENT_GROUP, itself.pk, "By itself"),
                NamedSource(SourceKind.ASSIGNMENT_GROUP, through.pk, "Through Sales", "Sales"),
            ),
        )

    def test_a_device_that_is_in_a_group_twice_is_there_by_itself(self):
        make_group_with(self.account, self.device, self.device.group, apps=(make_store_app(self.account),))
        self.assertEqual([source.via for source in self.item().sources], [""])

    def test_an_app_that_an_operator_sent_has_the_device_as_its_source(self):
        install(make_store_app(self.account), Device.objects.filter(pk=self.device.pk), actor=ACTOR)
        self.assertEqual(self.item().sources, (NamedSource(SourceKind.DEVICE, self.device.pk, "Reception"),))

    def test_deleted_items_and_those_of_munki_are_not_wanted(self):
        assign_profile(make_stored_profile(self.account, removed_at=timezone.now()), self.device)
        self.assigned_app(removed_at=timezone.now())
        make_group_with(self.account, self.device, apps=(make_store_app(self.account),)).app_assignments.update(
            deployment_type="munki"
        )
        self.assertEqual(items_of(self.device), [])

    def test_what_is_there_comes_before_what_is_still_to_come_and_profiles_before_apps(self):
        for name in ("B", "A"):
            assign_profile(make_stored_profile(self.account, name=name), self.device)
            self.assigned_app(name=name)
        self.reconcile(self.device)
        assign_profile(make_stored_profile(self.account, name="0"), self.device)
        found = [(item.kind, item.name) for item in items_of(self.device)]
        self.assertEqual(found, [("profile", "A"), ("profile", "B"), ("profile", "0"), ("app", "A"), ("app", "B")])


class NoteTest(ItemsTestCase):
    """What an item waits for while nothing has happened yet."""

    def test_a_device_that_is_not_enrolled(self):
        device = make_device(self.account, enrolled=False)
        assign_profile(make_stored_profile(self.account), device)
        self.assigned_app(device)
        notes = {(item.state, item.note) for item in items_of(device)}
        self.assertEqual(notes, {(ItemState.PENDING, "The device is not enrolled.")})

    def test_a_profile_for_users_waits_for_one(self):
        mac = make_device(self.account, platform="macOS")
        assign_profile(make_stored_profile(self.account, user_scope=True), mac)
        self.assertIn("users of this Mac", self.item(mac).note)
        make_channel(mac, user_key="U1", user_short_name="sara")
        self.reconcile(mac)
        self.assertEqual(
            (self.item(mac).state, self.item(mac).user, self.item(mac).note), (ItemState.PUSHED, "sara", "")
        )

    def test_a_profile_for_users_goes_to_the_device_itself_elsewhere(self):
        assign_profile(make_stored_profile(self.account, user_scope=True), self.device)
        self.assertEqual(self.item().note, "")

    def test_an_app_without_a_store_number(self):
        self.assigned_app(itunes_store_id=None)
        self.assertIn("is not known yet", self.item().note)

    def test_an_app_for_another_platform_or_a_newer_system_is_not_applicable_before_and_after(self):
        self.assigned_app(platform_support="macOS")
        newer = make_app(self.account)
        newer.versions.all().delete()
        make_app_version(newer, minimum_os_version="99.0")
        make_group_with(self.account, self.device, apps=(newer,))
        before = {(item.pk, item.state, item.note) for item in items_of(self.device)}
        self.assertEqual({state for _, state, _ in before}, {ItemState.NOT_APPLICABLE})
        self.assertTrue(any("needs iOS 99.0" in note for _, _, note in before), before)
        self.reconcile(self.device)
        self.assertEqual({(item.pk, item.state, item.note) for item in items_of(self.device)}, before)
        self.assertFalse(Command.objects.exists())

    def test_a_device_of_an_unknown_kind(self):
        device = make_device(self.account, platform="")
        self.assigned_app(device)
        self.assertEqual(self.item(device).note, "What kind of device this is, is not known yet.")


class PresentTest(ItemsTestCase):
    def test_a_profile_shows_what_was_sent_and_what_is_there(self):
        profile = make_stored_profile(self.account)
        make_profile_install(profile, self.device, ItemState.PUSHED, version=3, installed_version=2)
        self.assertEqual((self.item().version, self.item().present), ("3", "2"))

    def test_one_that_is_to_be_sent_anew_shows_no_version(self):
        make_profile_install(make_stored_profile(self.account), self.device, version=0)
        self.assertEqual(self.item().version, "")

    def test_an_app_shows_the_upload_that_was_sent_and_what_the_device_reports(self):
        app = make_app(self.account)
        make_app_install(app, self.device, version=app.versions.get())
        self.assertEqual((self.item().version, self.item().present), ("1.0", ""))
        make_installed_app(self.device, app.bundle_identifier, short_version="0.9")
        make_installed_app(make_device(self.account), app.bundle_identifier, short_version="0.8")
        self.assertEqual(self.item().present, "0.9")

    def test_a_package_shows_the_version_of_the_app_that_it_brought(self):
        app, mac = make_app(self.account, platform_support="macOS"), make_device(self.account, platform="macOS")
        bundles = [{"identifier": "com.example.brought", "path": "/Applications/Brought.app"}]
        app.versions.update(details={"bundles": bundles})
        make_app_install(app, mac, version=app.versions.get())
        make_installed_app(mac, "com.example.brought", short_version="4.1")
        self.assertEqual(self.item(mac).present, "4.1")

    def test_the_number_of_statements_does_not_grow_with_the_items(self):
        counts = []
        for more in (1, 5):
            for _ in range(more):
                assign_profile(make_stored_profile(self.account), self.device)
                self.assigned_app()
            self.reconcile(self.device)
            assign_profile(make_stored_profile(self.account), self.device)
            self.assigned_app()
            with self.assertNumQueries(counts[0] if counts else 10) as queries:
                items_of(self.device)
            counts.append(len(queries))


class ActionsTest(ItemsTestCase):
    def rows(self) -> list[tuple[ItemKind, int]]:
        """An item of either kind in every state, fresh and after failures, stopped and not. Kind and key of each."""
        for state in ItemState:
            for fields in ({}, {"attempts": 2}, {"attempts": 2, "is_stopped": True}):
                make_profile_install(make_stored_profile(self.account), self.device, state, **fields)
                make_app_install(make_store_app(self.account), self.device, state, **fields)
        return [(item.kind, item.pk) for item in items_of(self.device)]

    def works(self, what, kind: ItemKind, pk: int) -> bool:
        try:
            what(self.device, kind, pk, ACTOR)
        except NotPossible:
            return False
        return True

    def test_what_is_offered_is_possible(self):
        rows = self.rows()
        self.assertEqual(len(rows), 36)
        offered = {(item.kind, item.pk): item for item in items_of(self.device)}
        for name, what in (("can_retry", retry), ("can_stop", stop)):
            count = 0
            for key in rows:
                if getattr(offered[key], name):
                    self.assertTrue(self.works(what, *key), f"{name} {offered[key]}")
                    count += 1
            self.assertGreater(count, 5)

    def test_retrying_is_offered_wherever_it_is_possible_after_a_failure(self):
        for key in self.rows():
            item = next(one for one in items_of(self.device) if (one.kind, one.pk) == key)
            if item.attempts:
                self.assertEqual(self.works(retry, *key), item.can_retry, item)

    def test_each_line_of_a_profile_for_users_is_meant(self):
        profile = make_stored_profile(self.account)
        for user in ("U1", "U2"):
            make_profile_install(profile, self.device, ItemState.FAILED, user_key=user, attempts=1)
        self.assertEqual(stop(self.device, ItemKind.PROFILE, profile.pk, ACTOR), 2)
        self.assertEqual(ProfileInstall.objects.filter(is_stopped=True).count(), 2)
        self.assertEqual(retry(self.device, ItemKind.PROFILE, profile.pk, ACTOR), 2)
        self.assertTrue(is_marked(self.device))

    def test_only_that_item_of_that_device_is_meant(self):
        app, other = make_store_app(self.account), make_device(self.account)
        make_app_install(app, self.device, ItemState.FAILED, attempts=1)
        make_app_install(app, other, ItemState.FAILED, attempts=1)
        make_app_install(make_store_app(self.account), self.device, ItemState.FAILED, attempts=1)
        stop(self.device, ItemKind.APP, app.pk, ACTOR)
        self.assertEqual(AppInstall.objects.get(is_stopped=True).device, self.device)
        retry(self.device, ItemKind.APP, app.pk, ACTOR)
        self.assertFalse(is_marked(other))

    def test_the_log_says_who_and_what(self):
        profile = make_stored_profile(self.account, name="Wi-Fi")
        make_profile_install(profile, self.device, ItemState.FAILED, attempts=1)
        retry(self.device, ItemKind.PROFILE, profile.pk, ACTOR)
        event = self.logged("profile.retried")
        self.assertEqual((event.actor_label, event.device), ("owner@example.com", self.device))
        self.assertEqual(event.metadata, {"profile_id": profile.pk, "name": "Wi-Fi"})

    def test_what_is_not_possible_leaves_no_line(self):
        for what in (retry, stop):
            for kind in ItemKind:
                with self.assertRaises(NotPossible):
                    what(self.device, kind, 999999, ACTOR)
        self.assertFalse(Event.objects.exists())

    def test_a_removal_that_was_stopped_begins_anew_when_the_app_is_unassigned_again(self):
        app = make_store_app(self.account)
        make_app_install(app, self.device, ItemState.FAILED, is_stopped=True, is_on_device=True)
        self.reconcile(self.device)
        removal = Command.objects.get(state=State.QUEUED)
        self.assertEqual(removal.request_type, "RemoveApplication")
        self.assertEqual(AppInstall.objects.get().is_stopped, False)
