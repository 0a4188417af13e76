"""Files that go by themselves: left behind by somebody who was ended, or of versions that nobody installs any more."""

import os
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.utils import timezone

from apps_catalog.models import App, AppVersion
from apps_catalog.services import upkeep
from apps_catalog.services.catalog import add_package, add_store_app
from apps_catalog.services.delivery import NotDeliverable, download_url, install_request, manifest_url
from apps_catalog.tasks import tidy_up_files
from mdm.accounts.actors import SYSTEM
from mdm.celery import app as celery
from mdm.commands.states import State
from mdm.endpoints.renderers import CannotRender, complete
from tests.apps_catalog.packages.images import build_png, picture
from tests.base import AccountTestCase
from tests.factories import make_app, make_app_install, make_command, make_device
from tests.factories.apps import make_app_version
from tests.factories.packages import build_ipa


class UpkeepTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.root = Path(self.enterContext(TemporaryDirectory()))
        self.enterContext(override_settings(MEDIA_ROOT=self.root))

    def put(self, name: str, *, hours: float = 48) -> str:
        """A file that was stored so many hours ago."""
        default_storage.save(name, ContentFile(b"x"))
        self.age(name, hours)
        return name

    def age(self, name: str, hours: float) -> None:
        then = time.time() - hours * 3600
        os.utime(self.root / name, (then, then))

    def stored(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}


class LeftBehindTest(UpkeepTestCase):
    def test_a_file_that_no_row_names_goes_when_it_is_older_than_a_day(self):
        self.put("apps/7/old.ipa")
        young = self.put("apps/7/young.ipa", hours=23)
        self.assertEqual((upkeep.drop_left_behind(), self.stored()), (1, {young}))

    def test_what_rows_name_stays(self):
        upload = SimpleUploadedFile(
            "surf.ipa",
            build_ipa(info={"CFBundleIconFile": "Icon"}, files={"Payload/Surf.app/Icon.png": build_png(picture(4, 4))}),
        )
        add_package(self.account, upload, actor=SYSTEM)
        before = self.stored()
        for name in before:
            self.age(name, 1000)
        self.assertEqual((upkeep.drop_left_behind(), self.stored(), len(before)), (0, before, 2))

    def test_a_row_of_another_account_keeps_nothing(self):
        version = make_app_version(make_app(self.account, store=True))
        stranger = self.put(f"apps/{self.other_account.pk}/{version.secret_name}.ipa")
        upkeep.drop_left_behind()
        self.assertEqual(self.stored(), {version.file.name})
        self.assertNotIn(stranger, self.stored())

    def test_files_elsewhere_are_not_ours_to_remove(self):
        names = {self.put("other/1/a.ipa"), self.put("apps/readme.txt"), self.put("apps/backup/a.ipa")}
        self.assertEqual((upkeep.drop_left_behind(), self.stored()), (0, names))

    def test_a_storage_without_anything(self):
        self.assertEqual(upkeep.drop_left_behind(), 0)

    def test_a_run_does_a_bounded_amount_and_the_next_one_the_rest(self):
        for number in range(5):
            self.put(f"apps/7/{number}.ipa")
        with mock.patch.object(upkeep, "MOST_FILES", 3):
            self.assertEqual([upkeep.drop_left_behind() for _ in range(3)], [3, 2, 0])

    def test_a_run_looks_into_some_accounts_only(self):
        for number in range(5):
            self.put(f"apps/{number}/x.ipa")
        with mock.patch.object(upkeep, "MOST_FOLDERS", 2):
            self.assertEqual(upkeep.drop_left_behind(), 2)

    def test_one_whose_age_is_not_known_stays_and_the_others_go(self):
        names = [self.put("apps/7/a.ipa"), self.put("apps/7/b.ipa")]
        ages = [OSError("no"), timezone.now() - timedelta(days=9)]
        asked = mock.patch.object(type(default_storage._wrapped), "get_modified_time", side_effect=ages)
        with asked, self.assertLogs("mdm.common.stored_files", "ERROR"):
            self.assertEqual(upkeep.drop_left_behind(), 1)
        self.assertEqual(self.stored(), {names[0]})


class StaleUploadsTest(UpkeepTestCase):
    def test_what_an_ended_process_left_goes_after_a_day(self):
        old, young, other = (self.root / name for name in ("tmp1.upload.ipa", "tmp2.upload", "notes.txt"))
        for path in (old, young, other):
            path.write_bytes(b"x")
        for path in (old, other):
            self.age(path.name, 48)
        with self.settings(FILE_UPLOAD_TEMP_DIR=self.root):
            self.assertEqual(upkeep.drop_stale_uploads(), 1)
        self.assertEqual(self.stored(), {young.name, other.name})


class SupersededTest(UpkeepTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)
        self.device = make_device(self.account)
        for _ in range(4):
            make_app_version(self.app)
        self.versions = list(AppVersion.objects.filter(app=self.app).order_by("pk"))
        self.grow_old()

    def grow_old(self, days: int = 31) -> None:
        AppVersion.objects.update(created_at=timezone.now() - timedelta(days=days))

    def drop(self) -> int:
        with self.captureOnCommitCallbacks(execute=True):
            return upkeep.drop_superseded()

    def kept(self) -> list[int]:
        """Places of those versions that have their file."""
        self.assertEqual(self.stored(), set(AppVersion.objects.exclude(file="").values_list("file", flat=True)))
        with_file = set(AppVersion.objects.exclude(file="").values_list("pk", flat=True))
        return [place for place, version in enumerate(self.versions) if version.pk in with_file]

    def test_the_newest_three_keep_their_files(self):
        self.assertEqual((self.drop(), self.kept(), AppVersion.objects.count()), (2, [2, 3, 4], 5))
        self.assertEqual((self.drop(), self.kept()), (0, [2, 3, 4]))

    def test_younger_ones_keep_theirs(self):
        self.grow_old(days=29)
        self.assertEqual((self.drop(), self.kept()), (0, [0, 1, 2, 3, 4]))

    def test_what_a_device_has_from_us_is_kept(self):
        make_app_install(self.app, self.device, version=self.versions[1])
        self.assertEqual((self.drop(), self.kept()), (1, [1, 2, 3, 4]))

    def test_what_a_waiting_command_is_about_is_kept(self):
        first, second = self.versions[:2]
        for state, version in ((State.SENT, first), (State.ACKNOWLEDGED, second)):
            parameters = {"Recipe": "app", "app": self.app.pk, "version": version.pk}
            make_command(self.device, "InstallApplication", state=state, parameters=parameters)
        other = {"Recipe": "profile", "profile": 1, "version": second.pk}
        make_command(self.device, "InstallProfile", parameters=other)
        self.assertEqual((self.drop(), self.kept()), (1, [0, 2, 3, 4]))

    def test_each_app_has_its_own_three(self):
        other = make_app(self.account)
        for _ in range(2):
            make_app_version(other)
        self.grow_old()
        self.assertEqual(self.drop(), 2)
        self.assertEqual(other.versions.exclude(file="").count(), 3)

    def test_a_run_does_a_bounded_amount(self):
        with mock.patch.object(upkeep, "MOST_VERSIONS", 1), mock.patch.object(upkeep, "BATCH", 1):
            self.assertEqual([self.drop(), self.drop(), self.drop()], [1, 1, 0])

    def test_it_asks_the_database_little(self):
        with self.assertNumQueries(5):  # the versions, the commands, the update and its savepoint
            self.drop()

    def test_a_command_for_a_version_without_a_file_fails_in_words(self):
        self.drop()
        gone = AppVersion.objects.get(pk=self.versions[0].pk)
        sentence = f"The file of {gone} is not kept any more: newer versions took its place. Send the newest."
        with self.assertRaisesMessage(NotDeliverable, sentence):
            install_request(self.app, self.device, version=gone)
        parameters = {"Recipe": "app", "app": self.app.pk, "version": gone.pk}
        command = make_command(self.device, "InstallApplication", parameters=parameters)
        with self.assertRaisesMessage(CannotRender, sentence):
            complete(command)

    @override_settings(BASE_URL="")
    def test_addresses_of_a_version_without_a_file_open_nothing(self):
        addresses = download_url(self.versions[0]), manifest_url(self.versions[0])
        self.drop()
        self.assertEqual([Client().get(address).status_code for address in addresses], [404, 404])


class LookupsTest(UpkeepTestCase):
    def test_known_apps_that_nobody_would_ask_about_are_asked_about_within_a_day(self):
        known = [make_app(self.account, store=True) for _ in range(20)]
        add_store_app(self.account, store_id=1, actor=SYSTEM)
        failed = make_app(self.account, store=True, processing_status="failed")
        gone = make_app(self.account, store=True, removed_at=timezone.now())
        upload = make_app(self.account)
        now = timezone.now()
        self.assertEqual((upkeep.resume_lookups(), upkeep.resume_lookups()), (20, 0))
        times = App.objects.filter(pk__in=[app.pk for app in known]).values_list("lookup_due_at", flat=True)
        hours = [(at - now) / timedelta(hours=1) for at in times]
        self.assertTrue(all(0 <= hour < 24.1 for hour in hours))
        self.assertGreater(max(hours) - min(hours), 2)
        for app in (failed, gone, upload):
            app.refresh_from_db()
            self.assertIsNone(app.lookup_due_at)


class TaskTest(UpkeepTestCase):
    def test_it_does_all_of_it_once_a_day(self):
        self.put("apps/7/old.ipa")
        make_app(self.account, store=True)
        expected = {"superseded": 0, "left_behind": 1, "temporary": 0, "lookups": 1}
        with self.settings(FILE_UPLOAD_TEMP_DIR=self.root):
            self.assertEqual((tidy_up_files(), tidy_up_files()), (expected, dict.fromkeys(expected, 0)))
        entry = next(e for e in celery.conf.beat_schedule.values() if e["task"] == "apps_catalog.tasks.tidy_up_files")
        self.assertEqual(entry["schedule"], 24 * 3600)
