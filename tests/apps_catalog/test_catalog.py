"""Adding, replacing and deleting apps."""

import tempfile
from pathlib import Path
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from apps_catalog.models import App, AppAssignment, AppType, AppVersion, ManagedConfig, ProcessingStatus
from apps_catalog.packages import BadPackage
from apps_catalog.services.catalog import (
    add_package,
    add_store_app,
    installs_of_app,
    remove_app,
    update_app,
)
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.installs import devices_of_app
from devices.models import ItemState
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_app,
    make_app_assignment,
    make_app_install,
    make_app_version,
    make_assignment_group,
    make_device,
    make_group,
    make_installed_app,
    make_managed_config,
)
from tests.factories.due import marked
from tests.factories.packages import build_ipa, build_pkg


def upload(content: bytes, name: str = "Surf.ipa") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


class CatalogTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(override_settings(MEDIA_ROOT=str(self.folder)))

    def stored_files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


class AddStoreAppTest(CatalogTestCase):
    def test_it_is_there_at_once_and_waits_for_its_details(self):
        app = add_store_app(self.account, store_id=1090161858, actor=SYSTEM)
        self.assertEqual((app.name, app.app_type, app.platform_support), ("App 1090161858", AppType.STORE, "iOS"))
        self.assertEqual(app.processing_status, ProcessingStatus.QUEUED)
        self.assertIsNotNone(app.lookup_due_at)
        self.assertEqual(Event.objects.get().event_type, "app.created")
        self.assertEqual(
            add_store_app(self.account, bundle_identifier="com.example.a", actor=SYSTEM).name, "com.example.a"
        )

    def test_what_is_there_already_is_refused(self):
        app = make_app(self.account, "Notes", store=True)
        for named in ({"store_id": app.itunes_store_id}, {"bundle_identifier": app.bundle_identifier}):
            message = f"Notes is in the catalogue already, as app {app.pk}."
            with self.subTest(named), self.assertRaisesMessage(CatalogError, message):
                add_store_app(self.account, **named, actor=SYSTEM)
        self.assertEqual(App.objects.count(), 1)

    def test_a_deleted_app_and_one_of_another_account_are_in_nobodys_way(self):
        app = make_app(self.account, store=True)
        remove_app(app, actor=SYSTEM)
        make_app(self.other_account, store=True, itunes_store_id=app.itunes_store_id)
        again = add_store_app(self.account, store_id=app.itunes_store_id, actor=SYSTEM)
        self.assertNotEqual(again.pk, app.pk)

    def test_a_row_that_appears_in_the_same_moment_is_refused_in_words(self):
        app = make_app(self.account, store=True)
        with (
            mock.patch("apps_catalog.services.catalog._require_new"),
            self.assertRaisesMessage(CatalogError, "This app is in the catalogue already."),
        ):
            add_store_app(self.account, store_id=app.itunes_store_id, actor=SYSTEM)


class AddPackageTest(CatalogTestCase):
    def test_an_ipa(self):
        content = build_ipa()
        app = add_package(self.account, upload(content), actor=SYSTEM)
        self.assertEqual((app.name, app.app_type), ("Surf Report", AppType.ENTERPRISE))
        self.assertEqual((app.bundle_identifier, app.version, app.platform_support), ("com.example.surf", "2.2", "iOS"))
        self.assertEqual(app.processing_status, ProcessingStatus.PROCESSED)
        version = AppVersion.objects.get()
        self.assertEqual((version.app, version.kind, version.file_name), (app, "ipa", "Surf.ipa"))
        with version.file.open() as stored:
            self.assertEqual(stored.read(), content)
        self.assertEqual(Event.objects.get(event_type="app.created").metadata["version"], "2.2")

    def test_a_pkg(self):
        app = add_package(self.account, upload(build_pkg(), "tool.pkg"), actor=SYSTEM)
        self.assertEqual(
            (app.name, app.bundle_identifier, app.platform_support), ("Example Tool", "com.example.tool", "macOS")
        )
        self.assertTrue(app.version)

    def test_a_given_name_stays(self):
        app = add_package(self.account, upload(build_ipa()), name="Waves", actor=SYSTEM)
        update_app(app, upload=upload(build_ipa(short_version="2.3")), actor=SYSTEM)
        self.assertEqual((App.objects.get().name, App.objects.get().version), ("Waves", "2.3"))

    def test_a_broken_file_leaves_nothing_behind(self):
        for content in (b"x" * 1000, build_ipa()[:-200]):
            with self.assertRaises(BadPackage):
                add_package(self.account, upload(content), actor=SYSTEM)
        self.assertFalse(App.objects.exists())
        self.assertEqual(self.stored_files(), [])

    def test_the_same_app_again_is_refused_and_the_first_one_named(self):
        app = add_package(self.account, upload(build_ipa()), actor=SYSTEM)
        message = f"Surf Report is in the catalogue already, as app {app.pk}: upload its next version there."
        with self.assertRaisesMessage(CatalogError, message):
            add_package(self.account, upload(build_ipa(short_version="3")), actor=SYSTEM)
        self.assertEqual(len(self.stored_files()), 1)

    def test_the_same_identifier_for_another_platform_is_another_app(self):
        add_package(self.account, upload(build_ipa("com.example.both")), actor=SYSTEM)
        add_package(self.account, upload(build_pkg("com.example.both"), "both.pkg"), actor=SYSTEM)
        self.assertEqual(App.objects.filter(bundle_identifier="com.example.both").count(), 2)

    def test_of_two_at_the_same_moment_the_second_leaves_no_file(self):
        make_app(self.account, bundle_identifier="com.example.surf")
        before = self.stored_files()
        with (
            mock.patch("apps_catalog.services.catalog._take", side_effect=CatalogError("too late")),
            mock.patch("apps_catalog.services.catalog._require_new"),
            self.assertRaises(CatalogError),
        ):
            add_package(self.account, upload(build_ipa()), actor=SYSTEM)
        self.assertEqual(self.stored_files(), before)


class UpdateAppTest(CatalogTestCase):
    def setUp(self):
        super().setUp()
        self.app = add_package(self.account, upload(build_ipa()), actor=SYSTEM)
        Event.objects.all().delete()

    def test_the_next_version(self):
        new = build_ipa("com.example.surf2", "23", "2.3", "Surf Report (Updated)")
        update_app(self.app, upload=upload(new), actor=SYSTEM)
        app = App.objects.get()
        self.assertEqual(
            (app.name, app.version, app.bundle_identifier), ("Surf Report (Updated)", "2.3", "com.example.surf2")
        )
        self.assertEqual(list(app.versions.order_by("pk").values_list("version", flat=True)), ["22", "23"])
        self.assertEqual(Event.objects.get().event_type, "app.updated")
        self.assertFalse(Command.objects.exists())

    def test_an_ipa_does_not_become_a_pkg(self):
        with self.assertRaisesMessage(CatalogError, "This app was uploaded as ipa; a pkg cannot be its next version."):
            update_app(self.app, name="Other", upload=upload(build_pkg(), "tool.pkg"), actor=SYSTEM)
        self.app.refresh_from_db()
        self.assertEqual((self.app.name, self.app.versions.count()), ("Surf Report", 1))

    def test_it_does_not_become_another_app_of_the_catalogue(self):
        other = make_app(self.account, bundle_identifier="com.example.other")
        with self.assertRaisesMessage(CatalogError, f"as app {other.pk}"):
            update_app(self.app, upload=upload(build_ipa("com.example.other")), actor=SYSTEM)
        self.assertEqual(self.app.versions.count(), 1)

    def test_an_app_of_the_store_takes_no_binary(self):
        app = make_app(self.account, store=True)
        with self.assertRaisesMessage(CatalogError, "This app comes from the App Store"):
            update_app(app, upload=upload(build_ipa()), actor=SYSTEM)

    def test_a_new_name(self):
        update_app(self.app, name="Waves", actor=SYSTEM)
        self.app.refresh_from_db()
        self.assertEqual((self.app.name, self.app.has_own_name), ("Waves", True))
        self.assertEqual(Event.objects.get().metadata["name"], "Waves")

    def test_the_same_name_again_is_no_change(self):
        for _ in range(2):
            update_app(self.app, name="Waves", actor=SYSTEM)
        self.assertEqual(Event.objects.count(), 1)

    def test_an_empty_name_gives_back_its_own(self):
        update_app(self.app, name="Waves", actor=SYSTEM)
        update_app(self.app, name="", actor=SYSTEM)
        self.app.refresh_from_db()
        self.assertEqual((self.app.name, self.app.has_own_name), ("Surf Report", False))
        store_app = make_app(self.account, "Own", store=True, has_own_name=True)
        update_app(store_app, name="", actor=SYSTEM)
        store_app.refresh_from_db()
        self.assertEqual(store_app.name, store_app.bundle_identifier)
        self.assertIsNotNone(store_app.lookup_due_at)
        self.assertEqual(store_app.processing_status, ProcessingStatus.PROCESSED)

    def test_what_a_worker_found_meanwhile_is_not_overwritten(self):
        App.objects.filter(pk=self.app.pk).update(icon_url="https://example.com/icon")
        update_app(self.app, name="Waves", actor=SYSTEM)
        self.assertEqual(App.objects.get().icon_url, "https://example.com/icon")

    def test_an_app_that_was_deleted_meanwhile_is_not_there(self):
        remove_app(App.objects.get(), actor=SYSTEM)
        before = self.stored_files()
        with self.assertRaises(App.DoesNotExist):
            update_app(self.app, upload=upload(build_ipa(version="23")), actor=SYSTEM)
        self.assertEqual(self.stored_files(), before)

    def test_deploy_to_sends_it(self):
        device = make_device(self.account)
        make_app_assignment(make_assignment_group(self.account, members=[device]), self.app)
        update_app(self.app, deploy_to="none", actor=SYSTEM)
        self.assertFalse(Command.objects.exists())
        update_app(self.app, upload=upload(build_ipa(version="23")), deploy_to="all", actor=SYSTEM)
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.channel.device), ("InstallApplication", device))
        self.assertEqual(command.parameters["version"], AppVersion.objects.latest("pk").pk)


class RemoveAppTest(CatalogTestCase):
    def setUp(self):
        super().setUp()
        self.app = add_package(self.account, upload(build_ipa()), actor=SYSTEM)
        Event.objects.all().delete()

    def remove(self):
        with self.captureOnCommitCallbacks() as callbacks:
            remove_app(self.app, actor=SYSTEM)
        return callbacks

    def test_it_is_in_no_list_and_no_group_any_more(self):
        make_app_assignment(make_assignment_group(self.account), self.app)
        make_managed_config(self.app, value="secret")
        self.remove()
        self.assertFalse(App.objects.for_account(self.account).exists())
        self.assertFalse(AppAssignment.objects.exists() or ManagedConfig.objects.exists())
        self.assertTrue(App.objects.filter(pk=self.app.pk).exists())
        event = Event.objects.get(event_type="app.removed")
        self.assertEqual((event.metadata["app_id"], event.metadata["name"]), (self.app.pk, "Surf Report"))

    def test_its_files_go_after_the_commit(self):
        make_app_version(self.app)
        callbacks = self.remove()
        self.assertEqual(len(self.stored_files()), 2)
        for callback in callbacks:
            callback()
        self.assertEqual(self.stored_files(), [])
        self.assertEqual(set(AppVersion.objects.values_list("file", "kind")), {("", "ipa")})

    def test_devices_that_have_it_or_should_have_it_are_due(self):
        group = make_group(self.account)
        has, should, in_group, neither = (
            make_device(self.account),
            make_device(self.account),
            make_device(self.account, group=group),
            make_device(self.account),
        )
        make_app_install(self.app, has, ItemState.PUSHED)
        make_app_assignment(make_assignment_group(self.account, members=[should, group]), self.app)
        self.assertEqual(set(devices_of_app(self.app)), {has, should, in_group})
        self.remove()
        due = marked()
        self.assertEqual(due, {has, should, in_group})
        self.assertNotIn(neither, due)

    def test_once_more_does_nothing(self):
        self.remove()
        self.remove()
        self.assertEqual(Event.objects.filter(event_type="app.removed").count(), 1)


class InstallsOfAppTest(CatalogTestCase):
    def test_where_its_identifier_was_reported(self):
        app = make_app(self.account)
        installed = make_installed_app(make_device(self.account), app.bundle_identifier)
        make_installed_app(make_device(self.account))
        make_installed_app(make_device(self.other_account), app.bundle_identifier)
        self.assertEqual(list(installs_of_app(app)), [installed])

    def test_an_app_without_identifier_is_nowhere(self):
        make_installed_app(make_device(self.account), identifier="x")
        self.assertFalse(installs_of_app(make_app(self.account, store=True, bundle_identifier="")).exists())

    def test_a_package_is_where_its_only_app_is(self):
        app = add_package(self.account, upload(build_pkg(), "tool.pkg"), actor=SYSTEM)
        installed = make_installed_app(make_device(self.account, platform="macOS"), "com.example.app")
        self.assertEqual(list(installs_of_app(app)), [installed])
        version = app.versions.get()
        version.details["bundles"].append({"identifier": "com.example.updater", "path": "Updater.app"})
        version.save()
        self.assertFalse(installs_of_app(app).exists())
