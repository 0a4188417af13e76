"""Apps and Books in the admin: connecting a location, what it shows, who may do what about it."""

import base64
import json
from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps_catalog.models import App, ContentToken, LicenceAssignment
from devices.models import AssignmentGroup, ItemState
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_app_install, make_device
from tests.factories.licences import make_content_asset, make_content_token, make_licence
from tests.factories.wanted import make_group_with, make_store_app


def token_file(**says: object) -> SimpleUploadedFile:
    usual = {"token": "c2VjcmV0", "expDate": "2099-11-08T22:33:22+0000", "orgName": "ORG12345"}
    return SimpleUploadedFile("berlin.vpptoken", base64.b64encode(json.dumps(usual | says).encode()))


class ContentTokenPagesTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin = self.people[Role.ADMIN]
        self.token = make_content_token(self.account, location_name="Berlin", token="dG9wc2VjcmV0")

    def post(self, view: str, **data: object) -> HttpResponse:
        return self.admin.post(self.url(ContentToken, view, self.token.pk), data, follow=True)

    def page(self) -> HttpResponse:
        return self.admin.get(self.url(ContentToken, "change", self.token.pk))

    # --- tokens -------------------------------------------------------------------------------------------------------
    def test_a_token_is_added_by_its_file(self) -> None:
        response = self.admin.post(self.url(ContentToken, "add"), {"token": token_file()}, follow=True)
        self.assertContains(response, "Apple is asked what this location owns.")
        self.assertEqual(ContentToken.objects.for_account(self.account).count(), 2)
        self.assertEqual(self.events("content_token.added")[0].actor_label, self.users[Role.ADMIN].email)

    def test_another_file_is_refused_with_a_sentence(self) -> None:
        for file in (SimpleUploadedFile("x", b"nonsense"), token_file(expDate="2020-01-01T00:00:00+0000")):
            response = self.admin.post(self.url(ContentToken, "add"), {"token": file})
            self.assertContains(response, "pm-error")
        big = SimpleUploadedFile("x", b"x" * 100_000)
        self.assertContains(self.admin.post(self.url(ContentToken, "add"), {"token": big}), "far too large")
        self.assertEqual(ContentToken.objects.for_account(self.account).count(), 1)

    def test_it_is_renewed_synced_and_taken_over(self) -> None:
        response = self.post("renew", token=token_file())
        self.assertContains(response, "was renewed")
        self.assertContains(self.post("renew", token=token_file(orgName="OTHER")), "another organization")
        self.assertContains(self.post("sync"), "Apple is asked again.")
        ContentToken.objects.update(other_mdm="Other MDM")
        self.assertContains(self.page(), "Other MDM manages this location")
        self.post("take_over")
        self.assertTrue(ContentToken.objects.get(pk=self.token.pk).takes_over)

    def test_removing_asks_what_becomes_of_the_licences(self) -> None:
        licence = make_licence(make_content_asset(self.token), make_device(self.account))
        self.assertContains(self.post("remove", licences="give_back", confirmation="Hamburg"), "not the name")
        response = self.post("remove", licences="give_back", confirmation="Berlin")
        self.assertContains(response, "goes as soon as its licences are back")
        licence.refresh_from_db()
        self.assertEqual(licence.state, "leaving")
        self.assertContains(self.page(), "It is being removed")
        self.post("remove", licences="leave", confirmation="Berlin")
        self.assertFalse(ContentToken.objects.filter(pk=self.token.pk).exists())

    def test_no_page_shows_the_token(self) -> None:
        for url in (self.url(ContentToken, "changelist"), self.url(ContentToken, "change", self.token.pk)):
            self.assertNotContains(self.admin.get(url), "dG9wc2VjcmV0")

    def test_how_it_stands_is_said_on_its_page_and_on_the_home_page(self) -> None:
        for facts, words in (
            ({"expires_at": timezone.now() - timedelta(days=1)}, "has expired"),
            ({"expires_at": timezone.now() + timedelta(days=9, hours=1)}, "expires in 9 days"),
            ({"error": "Apple has revoked the content token."}, "Apple has revoked the content token."),
            ({"other_mdm": "Other MDM"}, "Other MDM manages this location"),
        ):
            ContentToken.objects.filter(pk=self.token.pk).update(
                **({"expires_at": timezone.now() + timedelta(days=365), "error": "", "other_mdm": ""} | facts)
            )
            self.assertContains(self.page(), words)
            self.assertContains(self.admin.get(reverse("admin:index")), words)

    # --- what it owns -------------------------------------------------------------------------------------------------
    def test_apps_are_shown_with_their_counts(self) -> None:
        app = make_store_app(self.account, name="Keynote")
        make_content_asset(self.token, app.itunes_store_id, total=1500, assigned=1400, available=100)
        make_content_asset(self.token, 777, product_type="Book", is_device_assignable=False, name="A book")
        make_content_asset(self.token, 888, name="Numbers")
        response = self.page()
        for words in ("Keynote", "1,500", "1,400", "A book", "for people only", "Add Numbers to the catalogue"):
            self.assertContains(response, words)
        self.assertNotContains(response, "Add A book")
        self.assertNotContains(response, "Add Keynote")

    def test_an_app_is_put_into_the_catalogue(self) -> None:
        make_content_asset(self.token, 888, name="Numbers")
        response = self.post("add_app", store_id=888)
        self.assertContains(response, "Numbers is in the catalogue now")
        self.assertEqual(App.objects.get(itunes_store_id=888).account, self.account)
        self.assertContains(self.post("add_app", store_id=888), "in the catalogue already")
        for number in ("999", "x", "", "9" * 30):
            self.assertContains(self.post("add_app", store_id=number), "does not own that app")

    def test_statements_do_not_grow_with_what_it_owns(self) -> None:
        counts = []
        for _ in range(2):
            for _ in range(10):
                asset = make_content_asset(self.token)
                make_store_app(self.account, itunes_store_id=asset.adam_id)
            with CaptureQueriesContext(connection) as queries:
                self.page()
            counts.append(len(queries))
        self.assertEqual(counts[0], counts[1])

    def test_a_long_list_has_pages(self) -> None:
        for number in range(60):
            make_content_asset(self.token, 5000 + number, name=f"App {number:02d}")
        self.assertContains(self.page(), "Page 1 of 2")
        second = self.admin.get(self.url(ContentToken, "change", self.token.pk) + "?page=2")
        self.assertContains(second, "App 59")

    # --- shortages ----------------------------------------------------------------------------------------------------
    def test_a_shortage_is_shown_wherever_somebody_may_look(self) -> None:
        app = make_store_app(self.account, name="Keynote")
        asset = make_content_asset(self.token, app.itunes_store_id, total=5, assigned=5, available=0)
        phone = make_device(self.account)
        group = make_group_with(self.account, phone, apps=(app,))
        make_app_install(app, phone, state=ItemState.PENDING, awaits_licence=True, error="Waiting.")
        make_licence(asset, phone, state="wanted", is_short=True)
        words = "No licence is left: all 5 of Berlin are in use."
        self.assertContains(self.admin.get(self.url(App, "change", app.pk)), "There are not enough licences: 1 device")
        self.assertContains(
            self.admin.get(self.url(App, "change", app.pk)), "5 in all, 5 used, 0 left; 1 device waiting"
        )
        self.assertContains(self.admin.get(self.url(App, "devices", app.pk) + "?state=pending"), words)
        self.assertContains(
            self.admin.get(self.url(AssignmentGroup, "change", group.pk)), "No licence is left for 1 device"
        )
        device_page = reverse("admin:devices_device_change", args=[phone.pk]) + "?tab=assigned"
        self.assertContains(self.admin.get(device_page), words)
        self.assertContains(self.admin.get(reverse("admin:index")), "Licences have run out")

    def test_what_a_device_waits_for_is_said_in_words(self) -> None:
        app = make_store_app(self.account)
        asset = make_content_asset(self.token, app.itunes_store_id)
        phone = make_device(self.account)
        make_group_with(self.account, phone, apps=(app,))
        make_app_install(app, phone, state=ItemState.PENDING, awaits_licence=True, error="Waiting.")
        licence = make_licence(asset, phone, state="wanted")
        page = reverse("admin:devices_device_change", args=[phone.pk]) + "?tab=assigned"
        self.assertContains(self.admin.get(page), "Waiting for a licence of Apps and Books.")
        LicenceAssignment.objects.filter(pk=licence.pk).update(error="This is for people only.")
        self.assertContains(self.admin.get(page), "Apple gave no licence: This is for people only.")
        ContentToken.objects.update(error="The content token has expired.")
        self.assertContains(
            self.admin.get(page), "Waiting for a licence of Apps and Books. The content token has expired."
        )

    def test_an_app_of_no_location_says_so(self) -> None:
        app = make_store_app(self.account)
        self.assertContains(self.admin.get(self.url(App, "change", app.pk)), "None of Apps and Books")


class LicencesApiTest(AdminTestCase):
    def test_the_licences_of_an_app(self) -> None:
        app = make_store_app(self.account, name="Keynote")
        path = f"/api/v1/apps/{app.pk}/licences"
        empty = {"needs_licence": False, "total": 0, "assigned": 0, "available": 0, "waiting": 0, "short": 0}
        self.assertEqual(self.api.get(path).json()["data"]["attributes"], {"name": "Keynote", **empty})
        for location in range(2):
            asset = make_content_asset(
                make_content_token(self.account), app.itunes_store_id, total=5, assigned=5, available=0
            )
            make_licence(asset, make_device(self.account), state="wanted", is_short=bool(location))
        found = self.api.get(path).json()["data"]
        expected = {"needs_licence": True, "total": 10, "assigned": 10, "available": 0, "waiting": 2, "short": 1}
        self.assertEqual(found["attributes"], {"name": "Keynote", **expected})
        self.assertEqual(self.outsider_api.get(path).status_code, 404)
        self.assertEqual(self.read_only_api.get(path).status_code, 200)
