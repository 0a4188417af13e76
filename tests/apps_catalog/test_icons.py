"""Icons: those of uploads come, change and go with the app; anybody who has the address may look."""

from tempfile import TemporaryDirectory
from unittest import mock

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from apps_catalog.models import App
from apps_catalog.services.catalog import add_package, remove_app, update_app
from apps_catalog.services.icons import icon_address, icon_path
from mdm.accounts.actors import SYSTEM
from tests.apps_catalog.packages.images import build_apple_png, picture, rows_of
from tests.base import AccountTestCase
from tests.factories import make_app
from tests.factories.packages import build_ipa


class IconTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(override_settings(MEDIA_ROOT=self.enterContext(TemporaryDirectory())))
        self.app = add_package(self.account, self.upload(8), actor=SYSTEM)
        self.http = Client(enforce_csrf_checks=True)

    def upload(self, side: int, version: str = "1") -> SimpleUploadedFile:
        files = {"Payload/Surf.app/Icon.png": build_apple_png(picture(side, side))} if side else {}
        return SimpleUploadedFile("x.ipa", build_ipa(version=version, info={"CFBundleIconFile": "Icon"}, files=files))

    def path(self) -> str:
        with override_settings(BASE_URL=""):
            return icon_address(App.objects.get(pk=self.app.pk))

    def stored_icons(self) -> list[str]:
        return [name for name in default_storage.listdir(f"apps/{self.account.pk}")[1] if name.endswith(".png")]

    def test_it_is_shown_without_a_session_and_may_be_kept(self):
        path = self.path()
        with self.assertNumQueries(1):
            response = self.http.get(path)
        self.assertEqual(rows_of(response.content), picture(8, 8))
        expected = {
            "Content-Type": "image/png",
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Content-Length": str(len(response.content)),
        }
        self.assertEqual({name: response[name] for name in expected}, expected)
        self.assertEqual((response.cookies, response.has_header("Vary")), ({}, False))

    @override_settings(BASE_URL="https://mdm.example.com")
    def test_its_address_is_absolute_and_asks_the_database_nothing(self):
        self.app.refresh_from_db()
        with self.assertNumQueries(0):
            address = icon_address(self.app)
        self.assertRegex(address, rf"^https://mdm\.example\.com/apps/icons/{self.app.pk}/[A-Za-z0-9_-]{{32}}\.png$")

    def test_without_a_stored_image_there_is_none_also_for_apps_of_the_store(self):
        store = make_app(self.account, store=True, icon_url="https://example.com/icon.jpg")
        for app in (store, make_app(self.account)):
            self.assertEqual((icon_address(app), icon_path(app)), ("", ""))
            for name in ("", ".", "x.jpg"):
                self.assertEqual(self.http.get(f"/apps/icons/{app.pk}/{name}").status_code, 404)

    @override_settings(BASE_URL="https://mdm.example.com")
    def test_our_own_pages_need_no_name_of_this_server(self):
        self.app.refresh_from_db()
        self.assertEqual(icon_address(self.app), f"https://mdm.example.com{icon_path(self.app)}")
        self.assertTrue(icon_path(self.app).startswith("/apps/icons/"))

    def test_nobody_guesses_it(self):
        path, other = self.path(), make_app(self.account)
        for wrong in (
            path.replace(".png", "A.png"),
            path.replace(".png", ".jpg"),
            path.removesuffix(".png"),
            path.replace(f"/{self.app.pk}/", f"/{other.pk}/"),
            path.replace(f"/{self.app.pk}/", f"/{2**70}/"),
            f"/apps/icons/{other.pk}/x.png",
            f"/apps/icons/{self.app.pk}/é.png",
        ):
            self.assertEqual(self.http.get(wrong).status_code, 404, wrong)

    def test_other_methods(self):
        self.assertEqual(self.http.post(self.path()).status_code, 405)
        self.assertEqual(self.http.head(self.path()).status_code, 200)

    def test_the_next_version_brings_its_own_at_another_address(self):
        before = self.path()
        with self.captureOnCommitCallbacks(execute=True):
            update_app(self.app, upload=self.upload(5, "2"), actor=SYSTEM)
        self.assertEqual(rows_of(self.http.get(self.path()).content), picture(5, 5))
        self.assertEqual((self.http.get(before).status_code, len(self.stored_icons())), (404, 1))
        with self.captureOnCommitCallbacks(execute=True):
            update_app(self.app, upload=self.upload(0, "3"), actor=SYSTEM)
        self.assertEqual((self.path(), self.stored_icons()), ("", []))

    def test_a_new_name_leaves_it_alone(self):
        with self.captureOnCommitCallbacks(execute=True):
            update_app(self.app, name="Waves", actor=SYSTEM)
        self.assertEqual(self.http.get(self.path()).status_code, 200)

    def test_it_goes_with_the_app(self):
        path = self.path()
        with self.captureOnCommitCallbacks(execute=True):
            remove_app(self.app, actor=SYSTEM)
        self.assertEqual((self.http.get(path).status_code, self.stored_icons()), (404, []))

    def test_a_refused_upload_leaves_none_behind(self):
        failing = mock.patch("apps_catalog.services.catalog._save_version", side_effect=OSError)
        with failing, self.assertRaises(OSError):
            update_app(self.app, upload=self.upload(5, "2"), actor=SYSTEM)
        self.assertEqual((len(self.stored_icons()), self.http.get(self.path()).status_code), (1, 200))

    def test_one_that_is_missing_from_the_storage_is_logged(self):
        path = self.path()
        default_storage.delete(App.objects.get(pk=self.app.pk).icon.name)
        with self.assertLogs("apps_catalog.views", "ERROR") as logged:
            self.assertEqual(self.http.get(path).status_code, 404)
        self.assertEqual(len(logged.output), 1)

    def test_a_faulty_one_is_no_reason_to_refuse_the_app(self):
        data = build_ipa(
            "com.example.other", info={"CFBundleIconFile": "Icon"}, files={"Payload/Surf.app/Icon.png": b"x"}
        )
        app = add_package(self.account, SimpleUploadedFile("x.ipa", data), actor=SYSTEM)
        self.assertEqual(icon_address(app), "")
        self.assertIn("The app's icon cannot be shown. It is no PNG image.", app.versions.get().details["warnings"])
