"""Uploads in a storage that speaks S3: a real server on 127.0.0.1, reached as STORAGE_URL says."""

import hashlib
import os
import runpy
from datetime import UTC, datetime, timedelta
from unittest import mock

import httpx
from django.core.files.storage import default_storage, storages
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client, override_settings
from moto.server import ThreadedMotoServer
from storages.backends.s3 import S3Storage

import mdm.settings
from apps_catalog.models import App, AppVersion
from apps_catalog.packages import inspect
from apps_catalog.services import upkeep
from apps_catalog.services.delivery import download_url, manifest_url
from apps_catalog.services.icons import icon_address
from apps_catalog.services.storing import store
from mdm.protocol import plist
from tests.apps_catalog.packages.images import build_apple_png, picture, rows_of
from tests.base import AccountTestCase
from tests.factories.packages import build_ipa, build_pkg

BUCKET, PREFIX = "uploads", "pomona/files"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


class S3TestCase(AccountTestCase):
    """The bucket is empty and the default storage is what the settings make of STORAGE_URL."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        cls.addClassCleanup(server.stop)
        cls.endpoint = "http://{}:{}".format(*server.get_host_and_port())

    def setUp(self):
        super().setUp()
        variables = KEYS | {"STORAGE_URL": f"s3://{BUCKET}/{PREFIX}", "STORAGE_ENDPOINT_URL": self.endpoint}
        self.enterContext(mock.patch.dict(os.environ, variables))
        made = runpy.run_path(mdm.settings.__file__)["STORAGES"]
        self.enterContext(override_settings(STORAGES=made, BASE_URL=""))
        httpx.post(f"{self.endpoint}/moto-api/reset")
        httpx.put(f"{self.endpoint}/{BUCKET}")
        self.http = Client(enforce_csrf_checks=True)

    def keys(self) -> list[str]:
        """Of all objects in the bucket, as another client of it sees them."""
        found = default_storage.connection.meta.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [one["Key"] for one in found]

    def add(self, data: bytes, name: str, content_type: str = "text/html") -> AppVersion:
        """content_type: what the uploader says, which nobody believes."""
        upload = SimpleUploadedFile(name, data, content_type)
        with self.captureOnCommitCallbacks(execute=True):
            response = self.api.post("/api/v1/apps", {"binary": upload})
        self.assertEqual(response.status_code, 201, response.content)
        return AppVersion.objects.get(app=response.json()["data"]["id"])


class UploadTest(S3TestCase):
    def test_the_settings_name_the_bucket(self):
        self.assertIsInstance(storages["default"], S3Storage)
        self.assertEqual((default_storage.bucket_name, default_storage.location), (BUCKET, PREFIX))

    def test_an_app_and_a_package_lie_below_the_prefix_and_nowhere_else(self):
        versions = [self.add(build_ipa(), "surf.ipa"), self.add(build_pkg(), "tool.pkg")]
        self.assertEqual(set(self.keys()), {f"{PREFIX}/{version.file.name}" for version in versions})

    def test_nobody_reads_the_bucket_without_a_signature(self):
        version = self.add(build_pkg(), "tool.pkg")
        client = default_storage.connection.meta.client
        grants = client.get_object_acl(Bucket=BUCKET, Key=f"{PREFIX}/{version.file.name}")["Grants"]
        self.assertEqual({grant["Grantee"]["Type"] for grant in grants}, {"CanonicalUser"})

    def test_a_large_file_is_sent_in_pieces(self):
        """Twenty megabytes: never more of them at a time in one reading than a piece of the multipart upload."""
        data = build_pkg(payload=os.urandom(20 * 1024 * 1024))
        upload = TemporaryUploadedFile("large.pkg", "application/octet-stream", len(data), None)
        upload.write(data)
        upload.seek(0)
        lengths = []
        read = upload.file.read

        def reading(length=-1):
            piece = read(length)
            lengths.append(len(piece))
            return piece

        app = App.objects.create(account=self.account, name="Large", app_type="enterprise")
        facts = inspect(upload, "large.pkg")
        with mock.patch.object(upload.file, "read", reading), store(self.account.pk, upload, facts) as version:
            version.app = app
            version.save()
        upload.close()
        self.assertLessEqual(max(lengths), 8 * 1024 * 1024)
        found = httpx.get(self.http.get(download_url(version))["Location"]).content
        self.assertEqual(hashlib.sha256(found).hexdigest(), version.sha256)
        pieces = [found[at : at + version.chunk_size] for at in range(0, len(found), version.chunk_size)]
        self.assertEqual([hashlib.sha256(piece).hexdigest() for piece in pieces], version.chunk_hashes)

    def test_a_refused_upload_leaves_nothing_there(self):
        self.add(build_ipa(), "surf.ipa")
        before = self.keys()
        again = self.api.post("/api/v1/apps", {"binary": SimpleUploadedFile("surf.ipa", build_ipa())})
        failing = mock.patch("apps_catalog.services.catalog._save_version", side_effect=OSError)
        with failing:
            failed = self.api.post("/api/v1/apps", {"binary": SimpleUploadedFile("tool.pkg", build_pkg())})
        self.assertEqual((again.status_code, failed.status_code, self.keys()), (422, 500, before))


class DeliveryTest(S3TestCase):
    def setUp(self):
        super().setUp()
        self.data = build_pkg(payload=bytes(range(256)) * 2000)
        self.version = self.add(self.data, "tool.pkg")

    def located(self) -> str:
        response = self.http.get(download_url(self.version))
        self.assertEqual((response.status_code, response["Cache-Control"]), (302, "no-store"))
        return response["Location"]

    def test_a_device_follows_the_manifest_to_the_storage(self):
        manifest = plist.loads(self.http.get(manifest_url(self.version)).content)
        asset = manifest["items"][0]["assets"][0]
        self.assertEqual(asset["sha256s"], [hashlib.sha256(self.data).hexdigest()])
        location = self.http.get(asset["url"])["Location"]
        self.assertTrue(location.startswith(f"{self.endpoint}/{BUCKET}/{PREFIX}/apps/"), location)
        response = httpx.get(location)
        self.assertEqual((response.status_code, response.content), (200, self.data))
        self.assertEqual(response.headers["Content-Type"], "application/octet-stream")

    def test_its_address_is_signed_and_expires(self):
        query = httpx.URL(self.located()).params
        self.assertEqual(query["X-Amz-Algorithm"], "AWS4-HMAC-SHA256")
        self.assertIn("/us-east-1/s3/", query["X-Amz-Credential"])
        self.assertLessEqual(int(query["X-Amz-Expires"]), 3600)

    def test_the_storage_sends_ranges(self):
        size = len(self.data)
        for header, start, end in (("bytes=0-9", 0, 10), ("bytes=-7", size - 7, size), ("bytes=5000-", 5000, size)):
            response = httpx.get(self.located(), headers={"Range": header})
            self.assertEqual((response.status_code, response.content), (206, self.data[start:end]), header)
            self.assertEqual(response.headers["Content-Range"], f"bytes {start}-{end - 1}/{size}")

    def test_head_is_answered_here(self):
        response = self.http.head(download_url(self.version))
        self.assertEqual((response.status_code, response["Content-Length"]), (200, str(len(self.data))))

    def test_an_ios_app(self):
        data = build_ipa()
        response = httpx.get(self.http.get(download_url(self.add(data, "surf.ipa")))["Location"])
        self.assertEqual((response.content, response.headers["Content-Type"]), (data, "application/octet-stream"))

    def test_with_the_app_its_files_go(self):
        url = download_url(self.version)
        with self.captureOnCommitCallbacks(execute=True):
            response = self.api.delete(f"/api/v1/apps/{self.version.app_id}")
        self.assertEqual((response.status_code, self.keys()), (204, []))
        self.assertEqual(self.http.get(url).status_code, 404)


class IconTest(S3TestCase):
    def setUp(self):
        super().setUp()
        files = {"Payload/Surf.app/Icon.png": build_apple_png(picture(6, 6))}
        self.version = self.add(build_ipa(info={"CFBundleIconFile": "Icon"}, files=files), "surf.ipa")
        self.path = icon_address(self.version.app)

    def test_it_comes_through_our_server(self):
        response = self.http.get(self.path)
        self.assertEqual((response.status_code, response["Content-Type"]), (200, "image/png"))
        self.assertEqual(rows_of(response.content), picture(6, 6))
        head = default_storage.connection.meta.client.head_object(
            Bucket=BUCKET, Key=f"{PREFIX}/{self.version.app.icon.name}"
        )
        self.assertEqual(head["ContentType"], "image/png")

    def test_one_that_is_missing(self):
        default_storage.delete(self.version.app.icon.name)
        with self.assertLogs("apps_catalog.views", "ERROR"):
            response = self.http.get(self.path)
        self.assertEqual(response.status_code, 404)

    def test_it_goes_with_the_app(self):
        with self.captureOnCommitCallbacks(execute=True):
            self.api.delete(f"/api/v1/apps/{self.version.app_id}")
        self.assertEqual((self.keys(), self.http.get(self.path).status_code), ([], 404))


class UpkeepTest(S3TestCase):
    def test_what_no_row_names_goes_after_a_day(self):
        version = self.add(build_ipa(), "surf.ipa")
        client = default_storage.connection.meta.client
        left = f"{PREFIX}/apps/{self.account.pk}/left.ipa"
        for key in (left, f"{PREFIX}/other/file", "elsewhere/file"):
            client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        self.assertEqual(upkeep.drop_left_behind(), 0)
        later = datetime.now(UTC) + timedelta(days=2)
        with mock.patch("apps_catalog.services.upkeep.timezone.now", return_value=later):
            self.assertEqual((upkeep.drop_left_behind(), upkeep.drop_left_behind()), (1, 0))
        kept = {f"{PREFIX}/{version.file.name}", f"{PREFIX}/other/file", "elsewhere/file"}
        self.assertEqual(set(self.keys()), kept)

    def test_a_bucket_without_uploads(self):
        self.assertEqual(upkeep.drop_left_behind(), 0)
