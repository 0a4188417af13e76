"""The catalogue of apps: its list, adding and uploading, the page of an app."""

import re
from datetime import UTC, datetime
from unittest import mock

from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.http import HttpResponse
from django.test import Client, override_settings

from apps_catalog.models import App
from devices.models import Device
from mdm.accounts.models import Role
from tests.admin.base_apps import AppPagesTestCase
from tests.factories import make_device
from tests.factories.apps import make_app, make_app_assignment, make_app_install, make_managed_config
from tests.factories.packages import build_pkg
from tests.factories.wanted import make_group_with

MOST = 14
# What a browser fetches by itself, and what of it is at this server.
LOADED = re.compile(r"""(?:\s(?:src|srcset|poster|data)|<link\b[^>]*?\shref)\s*=\s*["']?([^"'\s>]*)""")
OURS = re.compile(r"/(?!/)|data:")
HOSTILE = '<script>alert("x")</script>'


class AppListTest(AppPagesTestCase):
    def test_an_empty_catalogue_says_the_next_step_to_those_who_may_take_it(self) -> None:
        self.assertContains(self.client.get(self.list_url), self.add_url)
        response = self.people[Role.READ_ONLY].get(self.list_url)
        self.assertContains(response, "No app yet")
        self.assertNotContains(response, self.add_url)

    def test_it_shows_what_an_app_is_and_where(self) -> None:
        app = make_app(self.account, "Surf Report", bundle_identifier="com.example.surf", version="2.3")
        devices = [make_device(self.account, enrolled=True) for _ in range(4)]
        gone = make_device(self.account, enrolled=False)
        for device, state in zip(
            [*devices, gone], ("installed", "pushed", "pending", "failed", "installed"), strict=True
        ):
            make_app_install(app, device, state)
        for name in ("Alpha", "Beta", "Gamma", "Omega"):
            make_app_assignment(make_group_with(self.account, name=name), app)
        response = self.client.get(self.list_url)
        for words in ("com.example.surf", "In-house app (ipa)", "2.3", "iOS", "Alpha, Beta, Gamma and 1 more", "Ready"):
            self.assertContains(response, words)
        for words in ("1 installed", "2 on the way", "1 failed"):
            self.assertContains(response, words)

    def test_its_status_says_what_went_wrong(self) -> None:
        why = "The App Store does not know this app."
        make_app(self.account, store=True, processing_status="failed", lookup_error=why)
        make_app(self.account, store=True, processing_status="queued")
        response = self.client.get(self.list_url)
        for words in (why, "Failed", "Waiting for its details"):
            self.assertContains(response, words)

    def test_filters_and_search(self) -> None:
        store = make_app(self.account, "Keynote", store=True, processing_status="queued")
        pkg = make_app(self.account, "Tool", platform_support="macOS")
        ipa = make_app(self.account, "Surf", bundle_identifier="com.example.waves")
        make_app_assignment(make_group_with(self.account), ipa)
        for query, expected in (
            ("kind=store", {store}),
            ("kind=pkg", {pkg}),
            ("kind=ipa", {ipa}),
            ("status=queued", {store}),
            ("assigned=yes", {ipa}),
            ("assigned=no", {store, pkg}),
            ("q=waves", {ipa}),
            ("kind=nonsense", {store, pkg, ipa}),
        ):
            response = self.client.get(f"{self.list_url}?{query}")
            self.assertEqual(set(response.context["cl"].result_list), expected, query)

    def test_names_from_files_are_text_and_nothing_else(self) -> None:
        app = make_app(self.account, HOSTILE, bundle_identifier="com.example.x", icon_url='javascript:alert("y")')
        device = make_device(self.account, enrolled=True, name=HOSTILE)
        make_app_assignment(make_group_with(self.account, device, name=HOSTILE), app)
        make_app_install(
            app, device, "failed", error=HOSTILE, feedback={HOSTILE: HOSTILE}, feedback_at=datetime.now(UTC)
        )
        make_managed_config(app, HOSTILE, HOSTILE)
        version = app.versions.get()
        version.file_name = version.title = version.short_version = HOSTILE
        version.details = {"warnings": [HOSTILE], "provisioning": {"name": HOSTILE, "team": HOSTILE}}
        version.save()
        pages = (
            "change",
            "version",
            "deploy",
            "edit",
            "devices",
            "unassign",
            "install",
            "configuration",
            "configuration_push",
        )
        urls = [self.list_url, *(self.url(App, page, app.pk) for page in pages)]
        for url in [*urls, self.url(App, "devices", app.pk) + "?state=failed", self.url(App, "remove", app.pk)]:
            response = self.people[Role.OWNER].get(url)
            self.assertEqual(response.status_code, 200, url)
            self.assertNotContains(response, HOSTILE)
            self.assertNotContains(response, 'src="javascript:')

    def test_no_page_makes_the_browser_ask_another_server(self) -> None:
        elsewhere = "https://is1-ssl.mzstatic.com/icon.jpg"
        queued = make_app(self.account, store=True, icon_url=elsewhere)
        stored = make_app(self.account, store=True, icon_url=elsewhere, icon=f"apps/{self.account.pk}/secret.jpg")
        pictures = []
        for url in (self.list_url, self.add_url, *(self.url(App, "change", app.pk) for app in (queued, stored))):
            page = self.client.get(url).content.decode()
            self.assertNotIn("mzstatic", page)
            self.assertNotRegex(page, r"@import|url\(")
            sources = LOADED.findall(page)
            self.assertEqual([source for source in sources if not OURS.match(source)], [], url)
            pictures += [source for source in sources if source.startswith("/apps/icons/")]
        self.assertEqual(pictures, [f"/apps/icons/{stored.pk}/secret.jpg"] * 2)

    def test_it_asks_the_database_as_often_for_many_as_for_few(self) -> None:
        def fill(count: int) -> None:
            for _ in range(count):
                app = make_app(self.account)
                device = make_device(self.account, enrolled=True)
                make_app_assignment(make_group_with(self.account, device), app)
                make_app_install(app, device)

        fill(2)
        few = self.statements(self.list_url)
        fill(30)
        self.assertEqual(self.statements(self.list_url), few)
        self.assertLessEqual(few, MOST)


class AddTest(AppPagesTestCase):
    def test_a_store_app_by_number_link_and_bundle_identifier(self) -> None:
        for number, (given, store_id, identifier) in enumerate(
            (
                ("361309726", 361309726, ""),
                (" https://apps.apple.com/de/app/keynote/id361285480?mt=12 ", 361285480, ""),
                ("apps.apple.com/app/id361304891", 361304891, ""),
                ("itms-apps://itunes.apple.com/app/id5", 5, ""),
                ("com.example.app", None, "com.example.app"),
            )
        ):
            response = self.client.post(self.add_url, {"app": given, "name": ""})
            app = App.objects.order_by("-pk").first()
            self.assertRedirects(response, self.url(App, "change", app.pk))
            self.assertEqual((app.itunes_store_id, app.bundle_identifier), (store_id, identifier), given)
            self.assertEqual((app.account, App.objects.count()), (self.account, number + 1))
        event = self.events("app.created")[0]
        self.assertEqual(event.actor_label, f"{Role.OPERATOR}@acme.example")

    def test_what_names_no_app_is_refused_at_the_field_and_kept(self) -> None:
        for given in (
            "",
            "Keynote",
            "0",
            "9" * 19,
            "https://apps.apple.com/de/charts",
            "https://apps.apple.com.example.com/app/id1",
            "https://[",
            "com..example",
            "com.example.ä",
            "a." + "b" * 300,
        ):
            response = self.client.post(self.add_url, {"app": given, "name": "Mine"})
            form = response.context["store_form"]
            self.assertEqual((response.status_code, list(form.errors)), (200, ["app"]), given)
            self.assertContains(response, 'value="Mine"')
        self.assertFalse(App.objects.exists())

    def test_one_that_is_there_already_is_refused(self) -> None:
        make_app(self.account, "Pages", store=True, itunes_store_id=361309726)
        response = self.client.post(self.add_url, {"app": "361309726"})
        self.assertContains(response, "Pages is in the catalogue already")
        self.assertEqual(App.objects.count(), 1)

    def test_an_upload_becomes_an_app(self) -> None:
        response = self.client.post(self.upload_url, {"file": self.ipa()})
        app = App.objects.get()
        self.assertRedirects(response, self.url(App, "change", app.pk))
        self.assertEqual((app.name, app.account, app.version), ("Surf Report", self.account, "2.2"))
        package = SimpleUploadedFile("tool.pkg", build_pkg())
        self.client.post(self.upload_url, {"file": package, "name": "Our tool"})
        self.assertEqual(App.objects.get(platform_support="macOS").name, "Our tool")

    def test_a_bad_file_is_refused_at_its_field_and_the_name_is_kept(self) -> None:
        make_app(self.account, "Known", bundle_identifier="com.example.surf")
        for file, words in (
            (SimpleUploadedFile("a.ipa", b"<html><body>Sign in"), "This is a web page and not an app"),
            (SimpleUploadedFile("a.ipa", b""), "The submitted file is empty."),
            (self.ipa(), "Known is in the catalogue already"),
            ("", "This field is required."),
        ):
            response = self.client.post(self.upload_url, {"file": file, "name": "Mine"})
            self.assertContains(response, words)
            self.assertContains(response, 'value="Mine"')
            self.assertEqual(list(response.context["package_form"].errors), ["file"])
        self.assertEqual(App.objects.count(), 1)

    def test_the_script_of_the_page_gets_an_address_or_sentences(self) -> None:
        headers = {"Accept": "application/json"}
        response = self.client.post(self.upload_url, {"file": SimpleUploadedFile("a.ipa", b"no")}, headers=headers)
        self.assertEqual(response.status_code, 422)
        self.assertEqual(len(response.json()["errors"]), 1)
        response = self.client.post(self.upload_url, {"file": self.ipa()}, headers=headers)
        self.assertEqual(response.json(), {"url": self.url(App, "change", App.objects.get().pk)})
        self.assertContains(self.client.get(response.json()["url"]), "Surf Report was added.")

    def test_the_limit_is_told_before(self) -> None:
        with override_settings(APP_MAX_BYTES=3_000_000):
            response = self.client.get(self.add_url)
        self.assertContains(response, "at most 3.0 MB")
        self.assertContains(response, 'data-max-bytes="3000000"')

    def test_a_reader_and_an_outsider_add_nothing_here(self) -> None:
        for url, data in ((self.add_url, {"app": "1"}), (self.upload_url, {"file": self.ipa()})):
            self.assertEqual(self.people[Role.READ_ONLY].post(url, data).status_code, 403)
        self.outside.post(self.add_url, {"app": "1"})
        self.assertEqual(App.objects.get().account, self.other_account)


class LargeUploadTest(AppPagesTestCase):
    """What comes before the page: Django's CSRF check reads the whole form."""

    def large(self) -> SimpleUploadedFile:
        return SimpleUploadedFile("large.pkg", build_pkg(payload=bytes(11 * 1024 * 1024)))

    def post(self, client: Client, url: str = "", **options: object) -> HttpResponse:
        return client.post(url or self.upload_url, {"file": self.large()}, **options)

    def test_it_is_written_to_disk_while_it_arrives_also_for_the_csrf_check(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.users[Role.OPERATOR])
        client.get(self.add_url)
        token = client.cookies["csrftoken"].value
        with mock.patch("apps_catalog.admin.app_uploads.add_package", side_effect=self._note_kind):
            response = client.post(self.upload_url, {"csrfmiddlewaretoken": token, "file": self.large()})
        self.assertEqual(response.status_code, 302)
        self.assertIs(self.kind, TemporaryUploadedFile)

    def test_those_who_may_not_upload_cannot_make_us_read_that_much(self) -> None:
        with mock.patch("django.http.request.HttpRequest.parse_file_upload") as reading:
            for client in (self.people[Role.READ_ONLY], self.nobody):
                self.assertEqual(self.post(client).status_code, 413)
            self.assertEqual(self.post(self.client, self.url(Device, "add")).status_code, 413)
            with override_settings(APP_MAX_BYTES=1_000_000):
                response = self.post(self.client)
        self.assertContains(response, "at most 2.0 MB can be sent here", status_code=413)
        reading.assert_not_called()

    def test_pages_outside_the_admin_take_a_form_and_no_more(self) -> None:
        with mock.patch("django.http.request.HttpRequest.parse_file_upload") as reading:
            for url in (
                "/sign-in/forgotten/",
                "/sign-in/second-factor/",
                "/invitation/zzz/",
                "/your-login/name/",
                "/e/",
            ):
                self.assertEqual(self.post(self.client, url).status_code, 413, url)
        reading.assert_not_called()

    def test_other_requests_pass_by(self) -> None:
        self.assertEqual(self.post(self.client, "/api/v1/apps").status_code, 401)

    def _note_kind(self, account: object, upload: object, **options: object) -> App:
        self.kind = type(upload)
        return make_app(self.account)
