"""Uploads on their way into the storage."""

import hashlib
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.test.client import encode_multipart

from apps_catalog.models import App, AppType, AppVersion
from apps_catalog.packages import BadPackage, PackageFacts, inspect
from apps_catalog.services.storing import delete_files, set_icon, store, store_icon
from tests.base import AccountTestCase
from tests.factories.packages import build_ipa, build_pkg, build_provisioning, build_zip


class Refused(Exception):
    pass


class StoreTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.data = build_pkg(payload=b"x" * 5000)
        self.upload = SimpleUploadedFile("../My Tool (1).pkg", self.data)
        self.app = App.objects.create(account=self.account, name="Tool", app_type=AppType.ENTERPRISE)

    def facts(self) -> PackageFacts:
        return inspect(io.BytesIO(self.data), "x.pkg")

    def store(self, upload=None) -> AppVersion:
        with store(self.account.pk, upload or self.upload, self.facts()) as version, transaction.atomic():
            version.app = self.app
            version.save()
        return AppVersion.objects.get(pk=version.pk)

    def stored_names(self) -> list[str]:
        folder = f"apps/{self.account.pk}"
        return default_storage.listdir(folder)[1] if default_storage.exists(folder) else []

    def test_the_row_has_facts_and_hashes_and_the_storage_the_bytes(self):
        version = self.store()
        with version.file.open() as file:
            self.assertEqual(file.read(), self.data)
        digest = hashlib.sha256(self.data).hexdigest()
        self.assertEqual((version.size, version.sha256, version.chunk_hashes), (len(self.data), digest, [digest]))
        self.assertEqual(
            (version.kind, version.bundle_identifier, version.title), ("pkg", "com.example.tool", "Example Tool")
        )
        self.assertEqual((version.version, version.short_version, version.is_signed), ("1.2.3", "1.2", False))
        self.assertTrue(version.details["is_distribution"])

    def test_the_stored_name_is_random_and_not_the_operators(self):
        version, again = self.store(), self.store()
        self.assertEqual(version.file.name, f"apps/{self.account.pk}/{version.secret_name}.pkg")
        self.assertGreaterEqual(len(version.secret_name), 32)
        self.assertNotEqual(version.secret_name, again.secret_name)
        self.assertEqual(version.file_name, "My Tool (1).pkg")

    def test_it_does_not_matter_what_was_read_before(self):
        self.upload.read()
        self.assertEqual(self.store().size, len(self.data))

    def test_a_large_upload_comes_as_a_temporary_file(self):
        upload = TemporaryUploadedFile("tool.pkg", "application/octet-stream", len(self.data), None)
        upload.write(self.data)
        version = self.store(upload)
        with version.file.open() as file:
            self.assertEqual(file.read(), self.data)
        upload.close()
        self.assertTrue(default_storage.exists(version.file.name))

    def test_a_failure_leaves_no_file_behind(self):
        before = self.stored_names()
        storing = store(self.account.pk, self.upload, self.facts())
        with self.assertRaises(Refused), storing as version, transaction.atomic():
            version.app = self.app
            version.save()
            self.assertTrue(default_storage.exists(version.file.name))
            raise Refused
        self.assertEqual(self.stored_names(), before)
        self.assertFalse(AppVersion.objects.exists())

    def test_a_storage_that_fails_half_way_leaves_nothing_behind(self):
        before = self.stored_names()
        failing = mock.patch.object(SimpleUploadedFile, "chunks", side_effect=OSError("disk full"))
        with failing, self.assertRaises(OSError):
            self.store()
        self.assertEqual(self.stored_names(), before)

    def test_a_file_that_is_too_large_is_refused_before_it_is_stored(self):
        before = self.stored_names()
        with self.settings(APP_MAX_BYTES=1000), self.assertRaisesMessage(BadPackage, "larger than 1000 bytes"):
            self.store()
        self.assertEqual(self.stored_names(), before)

    def test_files_are_deleted_after_the_commit(self):
        version = self.store()
        with self.captureOnCommitCallbacks(execute=True):
            delete_files([version])
            self.assertTrue(default_storage.exists(version.file.name))
        self.assertFalse(default_storage.exists(version.file.name))
        with self.captureOnCommitCallbacks(execute=True):
            delete_files([version])  # is no error

    def test_a_file_that_cannot_be_deleted_is_logged(self):
        version = self.store()
        failing = mock.patch.object(default_storage, "delete", side_effect=OSError("no"))
        logged = self.assertLogs("mdm.common.stored_files", "ERROR")
        with failing, logged, self.captureOnCommitCallbacks(execute=True):
            delete_files([version])

    def test_versions_without_a_file_are_passed_over(self):
        with self.captureOnCommitCallbacks() as callbacks:
            delete_files([AppVersion()])
        self.assertEqual(callbacks, [])

    def test_an_ios_app_keeps_what_its_files_say(self):
        data = build_ipa(binary_plist=True, provisioning=build_provisioning())
        facts = inspect(io.BytesIO(data), "surf.ipa")
        with store(self.account.pk, SimpleUploadedFile("surf.ipa", data), facts) as version:
            version.app = self.app
            version.save()
        version = AppVersion.objects.get()
        self.assertEqual((version.version, version.short_version, version.minimum_os_version), ("22", "2.2", "15.0"))
        self.assertEqual((version.bundle_identifier, version.is_signed), ("com.example.surf", None))
        self.assertEqual(version.details["device_families"], [1, 2])
        self.assertEqual(version.details["provisioning"]["expires_at"], "2099-01-01T00:00:00+00:00")

    def test_an_icon_lies_beside_the_binary_under_a_name_of_its_own(self):
        version = self.store()
        with store_icon(self.account.pk, b"image") as name:
            self.assertRegex(name, rf"^apps/{self.account.pk}/[A-Za-z0-9_-]{{32}}\.png$")
        self.assertNotIn(version.secret_name, name)
        with default_storage.open(name) as file:
            self.assertEqual(file.read(), b"image")

    def test_without_an_icon_nothing_is_stored(self):
        before = self.stored_names()
        with store_icon(self.account.pk, b"") as name:
            self.assertEqual((name, self.stored_names()), ("", before))

    def test_a_failure_leaves_no_icon_behind(self):
        before = self.stored_names()
        with self.assertRaises(Refused), store_icon(self.account.pk, b"image"):
            self.assertEqual(len(self.stored_names()), len(before) + 1)
            raise Refused
        self.assertEqual(self.stored_names(), before)

    def test_the_next_icon_takes_the_place_of_the_one_before(self):
        names = []
        for content in (b"one", b"two", b""):
            with store_icon(self.account.pk, content) as name, self.captureOnCommitCallbacks(execute=True):
                set_icon(self.app, name)
                self.app.save()
            names.append(name)
        self.assertEqual([bool(name) and default_storage.exists(name) for name in names], [False] * 3)
        self.assertEqual(App.objects.get().icon.name, "")


class DiskTest(AccountTestCase):
    """What an upload leaves on the disk of this server, however it ends: only what the catalogue keeps."""

    url = "/api/v1/apps"

    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        for name in ("files", "uploads"):
            (self.folder / name).mkdir()
        files, uploads = self.folder / "files", self.folder / "uploads"
        self.enterContext(self.settings(MEDIA_ROOT=files, FILE_UPLOAD_TEMP_DIR=uploads))
        # Every upload goes through a file, as large ones do.
        self.enterContext(self.settings(FILE_UPLOAD_MAX_MEMORY_SIZE=0))

    def upload(self, data: bytes) -> HttpResponse:
        return self.api.post(self.url, {"binary": SimpleUploadedFile("tool.pkg", data)})

    def left(self, name: str) -> int:
        return sum(path.is_file() for path in (self.folder / name).rglob("*"))

    def test_a_good_one(self):
        self.assertEqual(self.upload(build_pkg()).status_code, 201)
        self.assertEqual((self.left("files"), self.left("uploads")), (1, 0))

    def test_what_is_refused(self):
        for data in (b"<html>", build_pkg()[:-100], build_ipa(files={"../x": b""}), build_zip({"a": bytes(10**7)})):
            self.assertEqual(self.upload(data).status_code, 422)
            self.assertEqual((self.left("files"), self.left("uploads")), (0, 0))

    def test_a_server_error(self):
        with mock.patch("apps_catalog.services.catalog._save_version", side_effect=OSError("disk full")):
            self.assertEqual(self.upload(build_pkg()).status_code, 500)
        self.assertEqual((self.left("files"), self.left("uploads")), (0, 0))

    def test_an_upload_that_breaks_off(self):
        body = encode_multipart("XyZ", {"binary": SimpleUploadedFile("tool.pkg", build_pkg(payload=b"x" * 10**6))})
        kind = "multipart/form-data; boundary=XyZ"
        response = self.api.request("POST", self.url, body[: len(body) // 2], kind)
        self.assertEqual(response.status_code // 100, 4)
        self.assertEqual((self.left("files"), self.left("uploads"), App.objects.count()), (0, 0, 0))

    def test_one_that_says_it_is_too_large_is_not_read(self):
        stream = mock.Mock(wraps=io.BytesIO(b"x"))
        for size in (2001, 10**15):
            extra = {"wsgi.input": stream, "CONTENT_LENGTH": str(size)}
            with self.settings(APP_MAX_BYTES=2000):
                response = self.api.request("POST", self.url, b"", "multipart/form-data; boundary=XyZ", **extra)
            self.assertEqual(response.status_code, 413)
        stream.read.assert_not_called()
        self.assertEqual(self.left("uploads"), 0)

    def test_one_that_is_longer_than_it_says_is_read_no_further(self):
        """Whatever follows is not of this request, and never reaches the disk."""
        body = encode_multipart("XyZ", {"binary": SimpleUploadedFile("tool.pkg", b"x" * 10**6)})
        stream = io.BytesIO(body)
        extra = {"wsgi.input": stream, "CONTENT_LENGTH": "5000"}
        response = self.api.request("POST", self.url, b"", "multipart/form-data; boundary=XyZ", **extra)
        self.assertEqual(response.status_code // 100, 4)
        self.assertLessEqual(stream.tell(), 5000)
        self.assertEqual((self.left("files"), self.left("uploads")), (0, 0))
