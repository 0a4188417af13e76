"""What devices should have of apps, against what was sent and what they report."""

from datetime import timedelta

from django.utils import timezone

from apps_catalog.models import App, AppAssignment, AppInstall
from apps_catalog.services.following import ask_about_installs
from apps_catalog.services.installed import uninstall
from apps_catalog.services.installs import ALL, NONE, OUTDATED, deploy, install, push_apps, sync_profiles, update_apps
from apps_catalog.services.items import items_of
from devices.models import Device, InstalledApp, ItemState, ProfileInstall
from mdm.accounts.actors import Actor, Source
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_app, make_device, make_installed_app
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile

ACTOR = Actor(Source.API, label="Test key")


class AppsTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.app = make_store_app(self.account)
        self.devices = Device.objects.filter(pk=self.device.pk)

    def install(self) -> AppInstall:
        return AppInstall.objects.get(device=self.device, app=self.app)

    def newest(self) -> Command:
        return Command.objects.order_by("pk").last()

    def report(self, *identifiers: str, **more: object) -> None:
        """The device's answer to the question for its apps that waits."""
        items = [
            {"Identifier": name, "Name": name, "Version": "1", "ShortVersion": "1.0"} | more for name in identifiers
        ]
        question = Command.objects.filter(request_type="InstalledApplicationList", state=State.QUEUED).first()
        self.acknowledge(question, InstalledApplicationList=items)

    def installed(self, **group: object) -> None:
        make_group_with(self.account, self.device, apps=(self.app,), **group)
        self.reconcile(self.device)
        self.acknowledge(self.newest(), Identifier=self.app.bundle_identifier, State="Installing")
        self.report(self.app.bundle_identifier)


class ReconcileAppsTest(AppsTestCase):
    def test_an_app_of_an_automatic_group_is_sent_once(self):
        make_group_with(self.account, self.device.group, apps=(self.app,))
        self.reconcile(self.device)
        self.reconcile(self.device)
        command = Command.objects.get()
        self.assertEqual(command.request_type, "InstallApplication")
        self.assertEqual(command.parameters, {"Recipe": "app", "app": self.app.pk, "version": None})
        self.assertEqual(self.install().state, ItemState.PUSHED)

    def test_an_app_of_another_group_waits_until_it_is_pushed(self):
        group = make_group_with(self.account, self.device, apps=(self.app,), auto_deploy=False)
        self.reconcile(self.device)
        self.assertFalse(Command.objects.exists())
        self.assertEqual(push_apps(self.devices, actor=ACTOR, group=group), 1)
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")

    def test_an_app_that_the_device_has_is_not_sent(self):
        make_installed_app(self.device, self.app.bundle_identifier)
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.assertFalse(Command.objects.exists())

    def test_an_acknowledged_app_is_asked_for_and_installed_when_it_is_seen(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.acknowledge(self.newest(), Identifier=self.app.bundle_identifier, State="Installing")
        self.assertEqual(self.newest().request_type, "InstalledApplicationList")
        self.assertEqual(self.newest().parameters, {"Identifiers": [self.app.bundle_identifier]})
        self.report(self.app.bundle_identifier, Installing=True)
        self.assertEqual(self.install().state, ItemState.PUSHED)
        ask_again = Command.objects.filter(request_type="InstalledApplicationList")
        ask_again.update(state=State.QUEUED)
        self.report(self.app.bundle_identifier, Installing=False)
        self.assertEqual((self.install().state, self.install().is_on_device), (ItemState.INSTALLED, True))
        self.assertEqual(self.logged("app.installed").metadata["app_id"], self.app.pk)

    def test_an_app_that_is_not_seen_for_a_while_is_asked_for_again(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.acknowledge(self.newest(), Identifier=self.app.bundle_identifier, State="Installing")
        Command.objects.update(state=State.ACKNOWLEDGED)
        self.assertEqual(ask_about_installs(), 0)
        AppInstall.objects.update(answered_at=timezone.now() - timedelta(minutes=3))
        self.assertEqual(ask_about_installs(), 0)  # the device was asked a moment ago
        Command.objects.update(created_at=timezone.now() - timedelta(minutes=3))
        self.assertEqual(ask_about_installs(), 1)
        self.assertEqual(ask_about_installs(), 0)

    def test_a_rejected_app_is_failed_with_the_reason(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.acknowledge(self.newest(), State="Failed", RejectionReason="AppStoreDisabled")
        self.assertEqual((self.install().state, self.install().error), ("failed", "Failed: AppStoreDisabled"))
        self.reconcile(self.device)
        self.assertEqual(Command.objects.count(), 1)

    def test_an_app_that_the_device_refuses_is_failed_in_its_words(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.refuse(self.newest(), "The licence was not found.")
        self.assertEqual((self.install().state, self.install().error), ("failed", "The licence was not found."))
        self.logged("app.failed")

    def test_an_app_that_is_assigned_no_more_is_removed(self):
        self.installed()
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.reconcile(self.device)
        removal = Command.objects.get(request_type="RemoveApplication")
        self.assertEqual(removal.parameters, {"Identifier": self.app.bundle_identifier})
        self.acknowledge(removal)
        self.assertFalse(AppInstall.objects.exists())
        self.logged("app.uninstalled")

    def test_an_app_that_was_sent_counts_as_a_managed_one(self):
        self.installed()
        self.assertTrue(InstalledApp.objects.get(device=self.device).is_managed)

    def test_a_refused_removal_of_a_managed_app_is_tried_again_later(self):
        self.installed()
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        removals = Command.objects.filter(request_type="RemoveApplication").order_by("pk")
        self.refuse(removals.get(), "The app is in use.")
        self.assertEqual((self.install().state, self.install().error), ("removing", "The app is in use."))
        self.reconcile(self.device)
        self.assertEqual(removals.count(), 1)
        AppInstall.objects.update(retry_at=timezone.now())
        self.reconcile(self.device)
        self.acknowledge(removals.last())
        self.assertFalse(AppInstall.objects.exists())

    def test_a_refused_removal_of_what_is_not_there_is_done(self):
        self.installed()
        InstalledApp.objects.all().delete()
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.refuse(Command.objects.get(request_type="RemoveApplication"), "It is not managed.")
        self.assertFalse(AppInstall.objects.exists())

    def test_an_app_that_we_did_not_install_is_never_removed(self):
        make_installed_app(self.device, self.app.bundle_identifier, is_managed=True)
        group = make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        group.delete()
        self.reconcile(self.device)
        self.assertFalse(Command.objects.exists())

    def test_an_app_that_still_waits_is_only_taken_back(self):
        group = make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        group.delete()
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get().state, State.CANCELLED)
        self.assertFalse(AppInstall.objects.exists())

    def test_an_app_that_the_device_has_received_is_removed_although_the_next_order_was_taken_back(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        Command.objects.update(state=State.SENT)
        install(self.app, self.devices, actor=ACTOR)
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.assertEqual(self.newest().request_type, "RemoveApplication")

    def added_anew(self, **group: object) -> App:
        """Another entry of the catalogue with the same bundle identifier, in place of the one that was deleted."""
        AppAssignment.objects.all().delete()
        self.app.removed_at = timezone.now()
        self.app.save(update_fields=["removed_at"])
        again = make_store_app(self.account, bundle_identifier=self.app.bundle_identifier)
        make_group_with(self.account, self.device, apps=(again,), **group)
        return again

    def test_an_app_takes_the_place_of_another_with_its_bundle_identifier(self):
        self.installed()
        again = self.added_anew()
        self.reconcile(self.device)
        self.assertFalse(Command.objects.filter(request_type="RemoveApplication").exists())
        self.assertEqual((AppInstall.objects.get().app, self.newest().parameters["app"]), (again, again.pk))

    def test_a_removal_that_waits_is_taken_back_when_another_takes_the_place(self):
        self.installed()
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)
        self.added_anew(auto_deploy=False)
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get(request_type="RemoveApplication").state, State.CANCELLED)
        self.assertFalse(Command.objects.filter(state=State.QUEUED).exists())

    def test_an_app_whose_store_id_is_not_known_yet_waits_for_it(self):
        self.app.itunes_store_id = None
        self.app.save()
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 0)
        self.assertFalse(Command.objects.exists())
        self.app.itunes_store_id = 361309726
        self.app.save()
        self.reconcile(self.device)
        self.assertEqual(self.newest().request_type, "InstallApplication")

    def test_an_app_of_a_group_without_auto_deploy_stays_when_it_is_there(self):
        self.installed()
        AppAssignment.objects.get().group.__class__.objects.update(auto_deploy=False)
        self.reconcile(self.device)
        self.assertFalse(Command.objects.filter(request_type="RemoveApplication").exists())

    def test_what_munki_installs_is_not_sent(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        AppAssignment.objects.update(deployment_type="munki")
        self.reconcile(self.device)
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 0)
        self.assertFalse(Command.objects.exists())

    def test_the_number_of_statements_does_not_grow_with_the_devices(self):
        make_group_with(self.account, self.device.group, apps=(self.app,))
        few = self.statements_of_reconciling([self.device])
        devices = [make_device(self.account) for _ in range(12)]
        self.assertEqual(self.statements_of_reconciling(devices), few)


class OperatorsWishesTest(AppsTestCase):
    def test_push_apps_sends_nothing_twice(self):
        make_group_with(self.account, self.device, apps=(self.app,), auto_deploy=False)
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 1)
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 0)

    def test_push_apps_passes_over_what_is_installed(self):
        self.installed()
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 0)

    def test_push_apps_sends_again_what_was_removed_from_the_device(self):
        self.installed()
        InstalledApp.objects.update(is_managed=True)
        uninstall(InstalledApp.objects.select_related("device").get(), ACTOR)
        self.acknowledge(self.newest())
        self.assertFalse(InstalledApp.objects.exists())
        self.reconcile(self.device)
        self.assertFalse(Command.objects.filter(state=State.QUEUED).exists())
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 1)

    def test_push_apps_tries_a_failed_one_again(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.refuse(self.newest(), "No space.")
        self.assertEqual(push_apps(self.devices, actor=ACTOR), 1)
        self.assertEqual((self.install().state, self.install().error), (ItemState.PUSHED, ""))

    def test_it_is_logged_with_the_actor(self):
        push_apps(self.devices, actor=ACTOR)
        event = self.logged("apps.pushed")
        self.assertEqual((event.actor_label, event.metadata), ("Test key", {"commands": 0}))

    def test_update_apps_sends_what_is_there_in_another_version(self):
        group = make_group_with(self.account, self.device, apps=(self.app,), auto_deploy=False)
        self.assertEqual(update_apps(self.devices, actor=ACTOR, group=group), 0)
        row = make_installed_app(self.device, self.app.bundle_identifier, short_version="1.9")
        self.assertEqual(update_apps(self.devices, actor=ACTOR, group=group), 1)
        row.short_version = self.app.version
        row.save()
        self.assertEqual(update_apps(self.devices, actor=ACTOR, group=group), 0)

    def test_deploy_reaches_the_devices_of_the_app(self):
        make_group_with(self.account, self.device.group, apps=(self.app,), auto_deploy=False)
        make_device(self.account, enrolled=False)
        self.assertEqual(deploy(self.app, NONE, actor=ACTOR), 0)
        self.assertEqual(deploy(self.app, OUTDATED, actor=ACTOR), 0)
        self.assertEqual(deploy(self.app, ALL, actor=ACTOR), 1)
        make_installed_app(self.device, self.app.bundle_identifier, short_version="1.9")
        self.assertEqual(deploy(self.app, OUTDATED, actor=ACTOR), 1)
        waiting = Command.objects.filter(state=State.QUEUED, request_type="InstallApplication")
        self.assertEqual(waiting.count(), 1)

    def test_install_sends_it_whatever_the_device_has(self):
        self.installed()
        self.assertEqual(install(self.app, self.devices, actor=ACTOR), 1)
        self.assertEqual(self.newest().request_type, "InstallApplication")

    def test_sync_profiles_sends_the_groups_profiles_again(self):
        profile = make_stored_profile(self.account)
        group = make_group_with(self.account, self.device)
        assign_profile(profile, group)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())
        self.assertEqual(sync_profiles(group, actor=ACTOR), 1)
        self.reconcile_marked()
        self.assertEqual(Command.objects.filter(request_type="InstallProfile").count(), 2)
        self.assertEqual(ProfileInstall.objects.get().version, 1)
        self.logged("profiles.synced")


class NotSentTest(AppsTestCase):
    def test_an_app_that_the_store_does_not_know_waits(self):
        App.objects.update(processing_status="failed")
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.assertFalse(Command.objects.exists())
        (item,) = items_of(self.device)
        self.assertEqual((item.state, item.note), (ItemState.PENDING, "The App Store does not know this app."))

    def test_what_failed_has_no_older_version_that_could_be_outdated(self):
        make_group_with(self.account, self.device, apps=(self.app,))
        self.reconcile(self.device)
        self.refuse(self.newest(), "No space.")
        self.assertEqual(deploy(self.app, OUTDATED, actor=ACTOR), 0)
        self.assertEqual(deploy(self.app, ALL, actor=ACTOR), 1)


class PackagesThatShareAnAppTest(AppsTestCase):
    """Two packages bring one app between them, and each something more."""

    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        make_group_with(self.account, self.mac, apps=(self.package("a"), self.package("b")))

    def package(self, name: str) -> App:
        app = make_app(self.account, bundle_identifier=f"com.example.{name}", platform_support="macOS")
        bundles = [{"identifier": "com.example.shared", "path": "/Applications/Shared.app"}]
        app.versions.update(kind="pkg", details={"bundles": bundles})
        return app

    def test_a_list_that_was_asked_about_one_does_not_tell_that_the_other_is_gone(self):
        self.reconcile(self.mac)
        first, second = Command.objects.order_by("pk")
        self.acknowledge(first)
        self.report("com.example.shared")
        self.acknowledge(second)
        question = Command.objects.filter(request_type="InstalledApplicationList", state=State.QUEUED).get()
        self.assertIn("com.example.shared", question.parameters["Identifiers"])
        self.report()
        self.reconcile_marked()
        sent = Command.objects.filter(request_type="InstallEnterpriseApplication")
        self.assertEqual(sent.count(), 2)
