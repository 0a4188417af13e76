"""What devices fetch: manifests and files, whole and in ranges."""

import time
from unittest import mock

import pytest
from django.core.files.storage import Storage, default_storage
from django.test import Client
from django.utils import timezone

from apps_catalog.models import App, AppType
from apps_catalog.services.delivery import download_url, manifest_url
from mdm.common.stored_files import Pieces, parse_range
from mdm.protocol import plist
from tests.base import AccountTestCase
from tests.factories.packages import build_pkg, make_uploaded


class Elsewhere(Storage):
    """Has no paths, as all that are not on this machine."""

    def url(self, name):
        return f"https://bucket.example.com/signed/{name}"


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=5-", (5, 100)),
        ("bytes=90-200", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-200", (0, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=100-200", (100, 100)),
        ("bytes=99999999999999999999-", (99999999999999999999,) * 2),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=١-٢", None),
        ("bytes=-5-6", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_ranges(header, span):
    assert parse_range(header, 100) == span


class AppViewTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.app = App.objects.create(
            account=self.account, name="Tool", app_type=AppType.ENTERPRISE, platform_support="macOS"
        )
        self.data = build_pkg(payload=bytes(range(256)) * 3000)
        self.version = make_uploaded(self.app, self.data, "tool.pkg")
        self.file_path = self.path(download_url)
        self.manifest_path = self.path(manifest_url)
        self.http = Client(enforce_csrf_checks=True)

    def path(self, url) -> str:
        with self.settings(BASE_URL=""):
            return url(self.version)

    def get(self, **headers):
        return self.http.get(self.file_path, headers=headers)

    def later(self, seconds):
        return mock.patch("django.core.signing.time.time", return_value=time.time() + seconds)


class ManifestTest(AppViewTest):
    def test_it_is_a_property_list_that_names_the_file(self):
        with self.assertNumQueries(1):
            response = self.http.get(self.manifest_path)
        self.assertEqual((response.status_code, response["Content-Type"]), (200, "text/xml; charset=utf-8"))
        self.assertEqual(response["Cache-Control"], "no-store")
        asset = plist.loads(response.content)["items"][0]["assets"][0]
        self.assertEqual(asset["kind"], "software-package")
        self.assertEqual(asset["sha256s"], self.version.chunk_hashes)
        content = b"".join(self.http.get(asset["url"]).streaming_content)
        self.assertEqual(content, self.data)

    def test_head_has_the_same_headers(self):
        response = self.http.head(self.manifest_path)
        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertGreater(int(response["Content-Length"]), 500)

    def test_unknown_expired_removed_and_other_methods(self):
        self.assertEqual(self.http.get("/apps/manifests/1.x.y.plist").status_code, 404)
        self.assertEqual(self.http.get(self.file_path.replace("/files/", "/manifests/")).status_code, 404)
        self.assertEqual(self.http.post(self.manifest_path).status_code, 405)
        with self.later(25 * 3600):
            self.assertEqual(self.http.get(self.manifest_path).status_code, 410)
        App.objects.update(removed_at=timezone.now())
        self.assertEqual(self.http.get(self.manifest_path).status_code, 404)


class FileTest(AppViewTest):
    def test_the_whole_file(self):
        with self.assertNumQueries(1):
            response = self.get()
        self.assertEqual(b"".join(response.streaming_content), self.data)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(
            {name: response[name] for name in ("Content-Type", "Content-Length", "Accept-Ranges", "ETag")},
            {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(len(self.data)),
                "Accept-Ranges": "bytes",
                "ETag": f'"{self.version.sha256}"',
            },
        )
        self.assertEqual(
            (response["X-Content-Type-Options"], response["Content-Disposition"]), ("nosniff", "attachment")
        )
        self.assertEqual(response.cookies, {})

    def test_it_is_streamed_in_pieces(self):
        pieces = list(self.get().streaming_content)
        self.assertGreater(len(pieces), 2)
        self.assertLessEqual(max(map(len, pieces)), 256 * 1024)

    def test_the_file_is_closed_when_the_client_goes(self):
        response = self.get()
        next(iter(response.streaming_content))
        pieces = next(close.__self__ for close in response._resource_closers if isinstance(close.__self__, Pieces))
        pieces.close()  # as the server does by response.close(), which would end the test's transaction too
        self.assertTrue(pieces.file.closed)

    def test_head_opens_nothing(self):
        with mock.patch.object(default_storage, "open", side_effect=AssertionError):
            response = self.http.head(self.file_path, headers={"Range": "bytes=0-1"})
        self.assertEqual((response.status_code, response["Content-Length"]), (200, str(len(self.data))))

    def test_one_range(self):
        size = len(self.data)
        for header, start, end in (
            ("bytes=0-9", 0, 10),
            (f"bytes={size - 5}-", size - 5, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=300000-{size * 2}", 300000, size),
        ):
            response = self.get(Range=header)
            self.assertEqual(response.status_code, 206, header)
            self.assertEqual(b"".join(response.streaming_content), self.data[start:end], header)
            self.assertEqual(response["Content-Range"], f"bytes {start}-{end - 1}/{size}")
            self.assertEqual(response["Content-Length"], str(end - start))

    def test_a_range_behind_the_end(self):
        for header in (f"bytes={len(self.data)}-", "bytes=-0"):
            response = self.get(Range=header)
            self.assertEqual((response.status_code, response["Content-Range"]), (416, f"bytes */{len(self.data)}"))

    def test_what_is_no_single_range_gets_the_whole_file(self):
        for header in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-1", "nonsense"):
            response = self.get(Range=header)
            self.assertEqual((response.status_code, response["Content-Length"]), (200, str(len(self.data))), header)
            self.assertEqual(b"".join(response.streaming_content), self.data)

    def test_a_download_is_continued_only_while_the_file_is_the_same(self):
        same = self.get(**{"Range": "bytes=5-", "If-Range": f'"{self.version.sha256}"'})
        other = self.get(**{"Range": "bytes=5-", "If-Range": '"other"'})
        dated = self.get(**{"Range": "bytes=5-", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"})
        self.assertEqual([r.status_code for r in (same, other, dated)], [206, 200, 200])
        contents = [b"".join(response.streaming_content) for response in (same, other, dated)]
        self.assertEqual(contents, [self.data[5:], self.data, self.data])

    def test_a_client_that_has_it_is_told_so(self):
        response = self.get(**{"If-None-Match": f'"{self.version.sha256}"'})
        self.assertEqual((response.status_code, response.content), (304, b""))
        self.assertEqual(response["ETag"], f'"{self.version.sha256}"')
        self.assertEqual(self.get(**{"If-Match": '"other"'}).status_code, 412)

    def test_the_name_at_the_end_is_not_looked_at(self):
        response = self.http.get(self.file_path.rsplit("/", 1)[0] + "/other.pkg")
        self.assertEqual((response.status_code, b"".join(response.streaming_content)), (200, self.data))

    def test_unknown_forged_and_expired_tokens(self):
        self.assertEqual(self.http.get("/apps/files/nonsense/a.pkg").status_code, 404)
        self.assertEqual(
            self.http.get(self.file_path.replace(".pkg", "").rsplit("/", 1)[0] + "A/a.pkg").status_code, 404
        )
        with self.later(25 * 3600):
            response = self.get()
        self.assertEqual((response.status_code, response.content), (410, b""))

    def test_a_removed_app(self):
        App.objects.update(removed_at=timezone.now())
        self.assertEqual(self.get().status_code, 404)

    def test_a_deleted_version(self):
        self.version.delete()
        self.assertEqual(self.get().status_code, 404)

    def test_a_file_that_is_missing_from_the_storage(self):
        default_storage.delete(self.version.file.name)
        with self.assertLogs("apps_catalog.views", "ERROR") as logged:
            self.assertEqual(self.get().status_code, 404)
        self.assertNotIn(self.version.secret_name, logged.output[0])

    def test_other_methods(self):
        for send in (self.http.post, self.http.put, self.http.delete):
            response = send(self.file_path)
            self.assertEqual((response.status_code, response["Allow"]), (405, "GET, HEAD"))

    def test_a_storage_elsewhere_sends_the_file_itself(self):
        with mock.patch("mdm.common.stored_files.default_storage", Elsewhere()):
            response = self.get(Range="bytes=0-1")
            head = self.http.head(self.file_path)
        self.assertEqual(response.status_code, 302)
        self.assertEqual(response["Location"], f"https://bucket.example.com/signed/{self.version.file.name}")
        self.assertEqual(response["Cache-Control"], "no-store")
        self.assertEqual((head.status_code, head["Content-Length"]), (200, str(len(self.data))))
