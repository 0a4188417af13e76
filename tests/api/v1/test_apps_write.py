import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.test.client import MULTIPART_CONTENT, encode_multipart

from apps_catalog.models import App, AppVersion
from mdm.accounts.models import ApiKey
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase, ApiClient
from tests.factories import make_api_key, make_app, make_app_assignment, make_assignment_group, make_device
from tests.factories.packages import build_ipa, build_pkg
from tests.fakes.app_store import FakeAppStore

URL = "/api/v1/apps"
ONE_OF_THEM = "Give one and only one of app_store_id, bundle_id and binary."


class AppsTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(override_settings(MEDIA_ROOT=str(self.folder)))

    def stored_files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def upload(self, content: bytes | None = None, name: str = "SurfReport.ipa") -> SimpleUploadedFile:
        return SimpleUploadedFile(name, build_ipa() if content is None else content)

    def patch(self, app: App, **fields):
        """As curl sends it with -F and -X PATCH."""
        body = encode_multipart("BoUnDaRy", fields)
        return self.api.patch(
            f"{URL}/{app.pk}", body, content_type=MULTIPART_CONTENT.replace("BoUnDaRyStRiNg", "BoUnDaRy")
        )

    def refused(self, response, title: str, status: int = 422):
        self.assertEqual(response.status_code, status, response.content)
        self.assertEqual(response.json()["errors"], [{"title": title}])

    def logged(self, kind: str) -> Event:
        event = Event.objects.get(event_type=kind)
        self.assertEqual((event.api_key, event.actor_label), (self.api_key, "Test key"))
        return event


class AddStoreAppTest(AppsTestCase):
    def test_by_store_id(self):
        response = self.api.post(URL, {"app_store_id": "1090161858"})
        self.assertEqual(response.status_code, 201)
        data = response.json()["data"]
        app = App.objects.get()
        self.assertEqual((data["type"], data["id"], app.account), ("app", app.pk, self.account))
        self.assertEqual(data["attributes"]["itunes_store_id"], 1090161858)
        self.assertEqual(data["attributes"]["name"], "App 1090161858")
        self.assertEqual(data["attributes"]["processing_status"], "queued")
        self.assertEqual(self.logged("app.created").metadata["itunes_store_id"], 1090161858)

    def test_by_bundle_id_and_with_a_name(self):
        response = self.api.post(URL, json={"bundle_id": "com.example.notes", "name": "Notes"})
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((response.status_code, attributes["name"]), (201, "Notes"))
        self.assertEqual((attributes["bundle_identifier"], attributes["itunes_store_id"]), ("com.example.notes", None))

    def test_it_fills_up_in_the_background(self):
        with (
            FakeAppStore() as store,
            override_settings(APP_STORE_URL=store.url),
            self.captureOnCommitCallbacks(execute=True),
        ):
            store.add(44, "com.example.notes", name="Notes")
            pk = self.api.post(URL, {"app_store_id": 44}).json()["data"]["id"]
            self.assertEqual(store.questions, [])
        attributes = self.api.get(f"{URL}/{pk}").json()["data"]["attributes"]
        self.assertEqual(attributes["name"], "Notes")
        (icon,) = self.stored_files()
        self.assertEqual(attributes["icon_url"], f"{settings.BASE_URL}/apps/icons/{pk}/{icon}")

    def test_one_and_only_one_way_must_be_given(self):
        both = {"app_store_id": 1, "bundle_id": "com.example.a"}
        for given in ({}, both, both | {"binary": self.upload()}, {"name": "Notes"}, {"app_store_id": ""}):
            with self.subTest(given):
                self.refused(self.api.post(URL, given), ONE_OF_THEM)
        self.assertFalse(App.objects.exists())

    def test_fields_that_are_left_empty_are_not_given(self):
        response = self.api.post(URL, {"app_store_id": "", "bundle_id": "com.example.a", "name": ""})
        self.assertEqual((response.status_code, App.objects.get().name), (201, "com.example.a"))

    def test_what_is_no_id_is_refused(self):
        for given, title in (
            ({"app_store_id": "abc"}, "app_store_id: A valid integer is required."),
            ({"app_store_id": 0}, "app_store_id: Ensure this value is greater than or equal to 1."),
            ({"bundle_id": "no spaces"}, "bundle_id: Must be a bundle identifier, for example com.example.app."),
            ({"bundle_id": "a/b"}, "bundle_id: Must be a bundle identifier, for example com.example.app."),
        ):
            with self.subTest(given):
                self.refused(self.api.post(URL, given), title)
        self.assertEqual(self.api.post(URL, {"app_store_id": 2**63}).status_code, 422)
        self.assertFalse(App.objects.exists())

    def test_an_app_of_the_catalogue_is_refused_by_name(self):
        app = make_app(self.account, "Notes", store=True)
        title = f"Notes is in the catalogue already, as app {app.pk}."
        self.refused(self.api.post(URL, {"app_store_id": app.itunes_store_id}), title)
        self.refused(self.api.post(URL, {"bundle_id": app.bundle_identifier}), title)
        self.assertFalse(Event.objects.filter(event_type="app.created").exists())

    def test_a_read_only_key_adds_nothing(self):
        self.assertEqual(self.read_only_api.post(URL, {"app_store_id": 1}).status_code, 403)


class UploadTest(AppsTestCase):
    def test_an_app(self):
        response = self.api.post(URL, {"binary": self.upload()})
        self.assertEqual(response.status_code, 201)
        self.assertEqual(
            response.json()["data"]["attributes"],
            {
                "name": "Surf Report",
                "app_type": "enterprise",
                "itunes_store_id": None,
                "bundle_identifier": "com.example.surf",
                "version": "2.2",
                "platform_support": "iOS",
                "processing_status": "processed",
                "installation_channels": ["device"],
                "icon_url": None,
            },
        )
        self.assertEqual(len(self.stored_files()), 1)
        self.assertEqual(self.logged("app.created").metadata["bundle_identifier"], "com.example.surf")

    def test_a_package_with_its_name_in_the_query(self):
        response = self.api.post(f"{URL}?name=Tool", {"binary": self.upload(build_pkg(), "tool.pkg")})
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((attributes["name"], attributes["platform_support"]), ("Tool", "macOS"))

    def test_a_multipart_body_with_the_label_of_json(self):
        body = encode_multipart("XyZ", {"binary": self.upload()})
        response = self.api.request("POST", URL, body, "application/json")
        self.assertEqual(response.status_code, 201)

    def test_a_broken_file_is_refused_with_the_reason_and_not_stored(self):
        self.refused(
            self.api.post(URL, {"binary": self.upload(b"<html><body>Sign in")}),
            "This is a web page and not an app: the download before the upload went wrong.",
        )
        self.refused(self.api.post(URL, {"binary": self.upload(b"")}), "binary: The submitted file is empty.")
        self.assertEqual((App.objects.count(), self.stored_files()), (0, []))

    def test_text_is_no_file(self):
        title = "binary: The submitted data was not a file. Check the encoding type on the form."
        self.refused(self.api.post(URL, {"binary": "SurfReport.ipa"}), title)

    def test_the_same_app_again_belongs_into_the_one_that_is_there(self):
        self.api.post(URL, {"binary": self.upload()})
        app = App.objects.get()
        self.refused(
            self.api.post(URL, {"binary": self.upload()}),
            f"Surf Report is in the catalogue already, as app {app.pk}: upload its next version there.",
        )
        self.assertEqual((AppVersion.objects.count(), len(self.stored_files())), (1, 1))

    def test_it_may_be_larger_than_other_requests(self):
        with override_settings(APP_MAX_BYTES=2_000), self.subTest("up to APP_MAX_BYTES"):
            response = self.api.post(URL, {"binary": self.upload(build_ipa() + b"x" * 2_000)})
            self.refused(response, "The request is larger than 2000 bytes.", 413)
        large = build_pkg(payload=bytes(11 * 1024 * 1024))
        self.assertEqual(self.api.post(URL, {"binary": self.upload(large, "large.pkg")}).status_code, 201)

    def test_a_key_that_may_not_upload_cannot_make_us_read_that_much(self):
        _, secret = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes={"apps": "read"})
        for api in (self.read_only_api, ApiClient(secret)):
            response = api.post(URL, {"binary": self.upload(bytes(11 * 1024 * 1024))})
            self.assertEqual(response.status_code, 413)
            self.assertEqual(api.post(URL, {"binary": self.upload()}).status_code, 403)


class UpdateTest(AppsTestCase):
    def setUp(self):
        super().setUp()
        self.api.post(URL, {"binary": self.upload()})
        self.app = App.objects.get()

    def test_the_next_version(self):
        new = self.upload(build_ipa("com.example.surf2.3", "23", "2.3", "Surf Report (Updated)"))
        response = self.patch(self.app, binary=new)
        self.assertEqual(response.status_code, 200)
        attributes = response.json()["data"]["attributes"]
        self.assertEqual(attributes["name"], "Surf Report (Updated)")
        self.assertEqual((attributes["version"], attributes["bundle_identifier"]), ("2.3", "com.example.surf2.3"))
        self.assertEqual(self.app.versions.count(), 2)
        self.assertEqual(self.logged("app.updated").metadata["version"], "2.3")

    def test_post_with_method_override(self):
        response = self.api.post(
            f"{URL}/{self.app.pk}", {"_method": "PATCH", "binary": self.upload(build_ipa(version="23"))}
        )
        self.assertEqual((response.status_code, self.app.versions.count()), (200, 2))

    def test_a_new_name_stays_with_the_next_version(self):
        response = self.api.patch(f"{URL}/{self.app.pk}", {"name": "Waves"})
        self.assertEqual((response.status_code, response.json()["data"]["attributes"]["name"]), (200, "Waves"))
        self.assertEqual(self.logged("app.updated").metadata["name"], "Waves")
        self.patch(self.app, binary=self.upload(build_ipa(version="23")))
        self.app.refresh_from_db()
        self.assertEqual(self.app.name, "Waves")

    def test_an_empty_name_is_that_of_the_file(self):
        self.api.patch(f"{URL}/{self.app.pk}", {"name": "Waves"})
        response = self.api.patch(f"{URL}/{self.app.pk}", {"name": ""})
        self.assertEqual(response.json()["data"]["attributes"]["name"], "Surf Report")

    def test_without_anything_nothing_changes(self):
        response = self.api.patch(f"{URL}/{self.app.pk}")
        self.assertEqual((response.status_code, response.json()["data"]["id"]), (200, self.app.pk))
        self.assertFalse(Event.objects.filter(event_type="app.updated").exists())

    def test_refusals_change_nothing(self):
        self.refused(
            self.patch(self.app, binary=self.upload(build_pkg(), "tool.pkg")),
            "This app was uploaded as ipa; a pkg cannot be its next version.",
        )
        self.refused(
            self.patch(self.app, name="Other", deploy_to="everybody"), "deploy_to: Must be one of none, outdated, all."
        )
        self.assertEqual(self.patch(self.app, binary=self.upload(b"PK broken")).status_code, 422)
        store_app = make_app(self.account, store=True)
        self.refused(
            self.patch(store_app, binary=self.upload()),
            "This app comes from the App Store: there is no binary to upload for it.",
        )
        self.app.refresh_from_db()
        self.assertEqual((self.app.name, self.app.versions.count(), len(self.stored_files())), ("Surf Report", 1, 1))
        self.assertFalse(Command.objects.exists())

    def test_deploy_to_sends_the_newest_version(self):
        device = make_device(self.account)
        make_app_assignment(make_assignment_group(self.account, members=[device]), self.app)
        self.patch(self.app, binary=self.upload(build_ipa(version="23")), deploy_to="none")
        self.assertFalse(Command.objects.exists())
        self.assertEqual(self.patch(self.app, deploy_to="all").status_code, 200)
        self.assertEqual(Command.objects.get().request_type, "InstallApplication")

    def test_the_stranger_gets_404(self):
        response = self.outsider_api.patch(f"{URL}/{self.app.pk}", {"name": "Mine"})
        self.assertEqual(response.status_code, 404)
        self.app.refresh_from_db()
        self.assertEqual(self.app.name, "Surf Report")


class DeleteTest(AppsTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)

    def test_it_is_gone_with_its_files(self):
        with self.captureOnCommitCallbacks(execute=True):
            response = self.api.delete(f"{URL}/{self.app.pk}")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))
        self.assertEqual(self.stored_files(), [])
        self.assertEqual(self.logged("app.removed").metadata["app_id"], self.app.pk)

    def test_once_more_is_404(self):
        self.api.delete(f"{URL}/{self.app.pk}")
        self.assertEqual(self.api.delete(f"{URL}/{self.app.pk}").status_code, 404)

    def test_the_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.delete(f"{URL}/{self.app.pk}").status_code, 404)
        self.assertIsNone(App.objects.get().removed_at)
