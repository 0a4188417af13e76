"""Pages of DEP servers: setting one up, how it stands, its enrollment settings, renewing and removing it."""

from datetime import UTC, datetime, timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from enrollment.models import AssignState, DepDevice, DepKey, DepServer, DepSettings
from enrollment.services.dep_tokens import make_key
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Role
from mdm.protocol.setup_panes import PANES
from tests.admin.base import AdminTestCase
from tests.enrollment.test_dep_tokens import token_file
from tests.factories import make_dep_device, make_dep_server, make_dep_settings, make_device, make_group
from tests.fakes.dep import token_message
from tests.mdm.protocol.test_dep_profile import certificate


class SetUpTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.ADMIN]
        self.page = self.url(DepServer, "add")

    def upload(self, data: bytes, name: str = "Head office") -> HttpResponse:
        return self.client.post(self.page, {"name": name, "token": SimpleUploadedFile("t.p7m", data)}, follow=True)

    def test_the_three_steps(self) -> None:
        self.assertContains(self.client.get(self.url(DepServer, "changelist")), "No DEP server yet")
        self.assertContains(self.client.get(self.page), "Make the key")
        self.client.post(self.url(DepServer, "make_key"))
        key = DepKey.objects.get(account=self.account)
        response = self.client.get(self.url(DepServer, "certificate"))
        self.assertEqual(response.content.decode(), key.certificate_pem)
        self.assertIn(".pem", response["Content-Disposition"])
        response = self.upload(token_file(key))
        server = DepServer.objects.get()
        self.assertEqual((server.name, server.account), ("Head office", self.account))
        self.assertContains(response, "Its devices are being read")
        self.assertContains(response, "data-watch")
        self.assertEqual(self.events("dep_server.created")[0].user, self.users[Role.ADMIN])

    def test_a_file_that_is_no_token_is_named_beside_the_field(self) -> None:
        for data, words in ((b"hello", "not a server token"), (b"x" * 100_000, "far too large")):
            response = self.upload(data)
            self.assertContains(response, words, status_code=422)
        self.assertFalse(DepServer.objects.exists())

    def test_without_a_key_there_is_no_certificate(self) -> None:
        self.assertEqual(self.client.get(self.url(DepServer, "certificate")).status_code, 404)

    def test_the_key_of_another_account_is_not_given_out(self) -> None:
        make_key(self.other_account, SYSTEM)
        self.assertEqual(self.client.get(self.url(DepServer, "certificate")).status_code, 404)


class ServerPageTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.ADMIN]
        self.server = make_dep_server(self.account, "Phones", last_synced_at=timezone.now())
        self.page = self.url(DepServer, "change", self.server.pk)
        self.home = reverse("admin:index")

    def change(self, **values: object) -> None:
        DepServer.objects.filter(pk=self.server.pk).update(**values)

    def test_how_it_stands_is_said_here_in_the_list_and_at_home(self) -> None:
        terms = (
            "Apple waits for its new terms and conditions to be accepted: sign in to Apple Business or School Manager."
        )
        now = timezone.now()
        for values, badge, sentence in (
            ({"token_expires_at": now + timedelta(days=9, hours=1)}, "Token expires soon", "expires in 9 days"),
            ({"sync_error": "Apple is away.", "sync_attempts": 3}, "Sync fails", "Apple is away."),
            ({"sync_error": terms}, "Terms not accepted", "terms and conditions"),
            ({"token_expires_at": now - timedelta(days=1)}, "Token expired", "nothing reaches Apple"),
        ):
            self.change(**values)
            self.assertContains(self.client.get(self.page), badge)
            self.assertContains(self.client.get(self.page), sentence)
            self.assertContains(self.client.get(self.url(DepServer, "changelist")), badge)
            self.assertContains(self.client.get(self.home), sentence)

    def test_a_good_one_is_no_news(self) -> None:
        self.assertContains(self.client.get(self.page), "In sync")
        self.assertNotContains(self.client.get(self.home), "Phones:")

    def test_settings_that_fail_are_said_at_home(self) -> None:
        make_dep_settings(self.server, error="Apple's enrollment service refused the request: CONFIG_URL_INVALID.")
        self.assertContains(self.client.get(self.home), "CONFIG_URL_INVALID")
        self.assertContains(self.client.get(self.page), "CONFIG_URL_INVALID")

    def test_counts_and_reasons(self) -> None:
        make_dep_settings(self.server, profile_uuid="AB12", due_at=None)
        for number, state in enumerate((AssignState.ASSIGNED, AssignState.REFUSED, AssignState.REFUSED)):
            make_dep_device(
                self.server, f"S{number}", assign_state=state, assign_error="It was released." if number else ""
            )
        response = self.client.get(self.page)
        self.assertContains(response, "It was released.")
        self.assertContains(response, "2 devices")
        self.assertContains(response, "AB12")
        self.assertContains(response, "assignment=refused")

    def test_the_page_follows_while_a_worker_is_at_it(self) -> None:
        self.assertNotContains(self.client.get(self.page), "data-watch")
        mark = self.client.get(self.url(DepServer, "state_mark", self.server.pk)).json()["mark"]
        self.client.post(self.url(DepServer, "sync", self.server.pk))
        self.assertContains(self.client.get(self.page), "data-watch")
        self.assertNotEqual(self.client.get(self.url(DepServer, "state_mark", self.server.pk)).json()["mark"], mark)
        self.assertEqual(len(self.events("dep_server.sync_requested")), 1)

    def test_no_secret_is_on_it(self) -> None:
        make_dep_settings(self.server, admin_short_name="admin", admin_password="correct horse")
        for url in (self.page, self.url(DepServer, "settings", self.server.pk)):
            text = self.client.get(url).content.decode()
            for secret in (self.server.consumer_secret, self.server.access_token, "correct horse"):
                self.assertNotIn(secret, text)

    def test_it_is_renamed(self) -> None:
        url = self.url(DepServer, "rename", self.server.pk)
        self.client.post(url, {"name": "iPhones"})
        self.assertEqual(DepServer.objects.get().name, "iPhones")
        self.assertContains(self.client.post(url, {"name": ""}), "required")

    def test_its_token_is_renewed(self) -> None:
        key = make_key(self.account, SYSTEM)
        until = datetime.now(UTC) + timedelta(days=700)
        message = token_message(consumer_key=self.server.consumer_key, expires_at=until)
        url = self.url(DepServer, "renew", self.server.pk)
        for data, words in (
            (token_file(key, message), "is renewed until"),
            (token_file(key), "another server at Apple"),
        ):
            response = self.client.post(url, {"token": SimpleUploadedFile("t.p7m", data)}, follow=True)
            self.assertContains(response, words)
        self.assertEqual(DepServer.objects.get().token_expires_at.date(), until.date())

    def test_it_is_removed_after_its_name_was_typed(self) -> None:
        url = self.url(DepServer, "remove", self.server.pk)
        self.client.post(url, {"confirmation": "phones"})
        self.assertIsNone(DepServer.objects.get().removed_at)
        self.client.post(url, {"confirmation": "Phones"})
        self.assertIsNotNone(DepServer.objects.get().removed_at)
        self.assertEqual(self.client.get(self.page).status_code, 404)

    def test_it_asks_the_same_number_of_questions_however_many_devices_there_are(self) -> None:
        make_dep_settings(self.server)
        counts = []
        for number in (1, 20):
            for _ in range(number):
                make_dep_device(self.server, assign_state=AssignState.REFUSED, assign_error="No.")
            for url in (self.page, self.url(DepDevice, "changelist")):
                with CaptureQueriesContext(connection) as captured:
                    self.client.get(url)
                counts.append(len(captured))
        self.assertEqual(counts[:2], counts[2:])


class SettingsPageTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.ADMIN]
        self.server = make_dep_server(self.account, "Phones")
        self.page = self.url(DepServer, "settings", self.server.pk)
        self.given = {
            "device_group": self.group.pk,
            "profile_name": "Office",
            "is_supervised": "on",
            "is_mandatory": "on",
            "primary_account": "administrator",
        }

    def store(self, **values: object) -> HttpResponse:
        return self.client.post(self.page, self.given | values)

    def test_every_pane_of_setup_assistant_can_be_found(self) -> None:
        response = self.client.get(self.page)
        for pane in PANES.values():
            self.assertContains(response, f'value="{pane.key}"')
        self.assertContains(response, "Skip all shown")
        self.assertContains(response, "iPhone and iPad from 13.0, not always skipped")
        self.assertContains(response, "iPhone and iPad from 9.3.2, not shown from 15.0 · Mac from 10.13.6")

    def test_what_was_filled_in_is_stored(self) -> None:
        group = make_group(self.account, "Field")
        response = self.store(
            device_group=group.pk,
            department="Sales",
            await_device_configured="on",
            skip_setup_items=["Siri", "TOS"],
            minimum_os_iOS="17.5",
            requires_sign_in="on",
            admin_short_name="admin",
            admin_password=" with spaces ",
            primary_account="standard",
        )
        self.assertEqual(response.status_code, 302)
        settings = DepSettings.objects.get()
        self.assertEqual((settings.device_group, settings.minimum_os), (group, {"iOS": "17.5"}))
        self.assertEqual(settings.options["skip_setup_items"], ["Siri", "TOS"])
        self.assertIs(settings.options["is_mdm_removable"], False)
        self.assertEqual((settings.admin_password, settings.primary_account), (" with spaces ", "standard"))
        self.assertTrue(settings.requires_sign_in)
        self.assertEqual(self.events("dep_settings.created")[0].user, self.users[Role.ADMIN])

    def test_the_page_shows_what_is_stored_and_keeps_the_password(self) -> None:
        self.store(await_device_configured="on", admin_short_name="admin", admin_password="correct horse")
        response = self.client.get(self.page)
        self.assertContains(response, 'value="Office"')
        self.assertContains(response, "Leave this empty to keep it")
        self.store(await_device_configured="on", admin_short_name="root2")
        settings = DepSettings.objects.get()
        self.assertEqual((settings.admin_short_name, settings.admin_password), ("root2", "correct horse"))

    def test_what_does_not_go_together_is_said_beside_the_field(self) -> None:
        response = self.store(is_supervised="", admin_short_name="admin")
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "Only supervised devices can be kept", status_code=422)
        self.assertContains(response, "needs a password", status_code=422)
        self.assertContains(self.store(minimum_os_iOS="new"), "no version of iOS", status_code=422)
        self.assertFalse(DepSettings.objects.exists())

    def test_certificates_are_pasted_and_shown_again(self) -> None:
        der = certificate()
        pem = f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"
        self.assertEqual(self.store(anchor_certs=pem).status_code, 302)
        self.assertEqual(DepSettings.objects.get().options["anchor_certs"], [der])
        self.assertContains(self.client.get(self.page), "BEGIN CERTIFICATE")
        self.assertContains(self.store(anchor_certs="nonsense"), "in PEM form", status_code=422)

    def test_a_group_of_another_account_is_no_choice(self) -> None:
        foreign = make_group(self.other_account, "Elsewhere")
        self.assertEqual(self.store(device_group=foreign.pk).status_code, 422)
        self.assertNotContains(self.client.get(self.page), "Elsewhere")

    def test_they_are_deleted_after_a_question(self) -> None:
        self.store()
        url = self.url(DepServer, "remove_settings", self.server.pk)
        self.assertContains(self.client.get(url), "Delete the settings")
        self.client.post(url)
        self.assertIsNotNone(DepSettings.objects.get().removed_at)
        self.assertContains(
            self.client.get(self.url(DepServer, "change", self.server.pk)), "being taken back from the devices"
        )


class DevicePagesTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = self.people[Role.OPERATOR]
        self.server = make_dep_server(self.account, "Phones")
        enrolled = make_device(self.account, state="enrolled")
        self.assigned = make_dep_device(
            self.server, "ASSIGNED1", device=enrolled, assign_state=AssignState.ASSIGNED, asset_tag="A-7"
        )
        self.refused = make_dep_device(
            self.server, "REFUSED1", assign_state=AssignState.REFUSED, assign_error="It was released."
        )
        self.elsewhere = make_dep_device(make_dep_server(self.account, "Macs"), "OTHER1")
        self.list = self.url(DepDevice, "changelist")

    def shown(self, **query: object) -> set[str]:
        rows = self.client.get(self.list, query).context["cl"].result_list
        return {row.serial_number for row in rows}

    def test_search_and_filters(self) -> None:
        self.assertEqual(self.shown(), {"ASSIGNED1", "REFUSED1", "OTHER1"})
        self.assertEqual(self.shown(server=self.server.pk), {"ASSIGNED1", "REFUSED1"})
        self.assertEqual(self.shown(assignment="refused"), {"REFUSED1"})
        self.assertEqual(self.shown(assignment="none"), {"OTHER1"})
        self.assertEqual(self.shown(enrolled="yes"), {"ASSIGNED1"})
        self.assertEqual(self.shown(enrolled="no"), {"REFUSED1", "OTHER1"})
        self.assertEqual(self.shown(q="a-7"), {"ASSIGNED1"})

    def test_those_of_a_removed_server_are_gone(self) -> None:
        DepServer.objects.filter(pk=self.server.pk).update(removed_at=timezone.now())
        self.assertEqual(self.shown(), {"OTHER1"})

    def test_one_says_what_apple_said(self) -> None:
        response = self.client.get(self.url(DepDevice, "change", self.refused.pk))
        self.assertContains(response, "It was released.")
        self.assertNotContains(response, "Assign again")  # there are no settings

    def test_assigning_again_is_asked_for_here_and_for_all(self) -> None:
        settings = make_dep_settings(self.server, due_at=None)
        for url in (
            self.url(DepDevice, "assign_again", self.refused.pk),
            self.url(DepServer, "assign_again", self.server.pk),
        ):
            DepDevice.objects.filter(pk=self.refused.pk).update(assign_state=AssignState.REFUSED, assign_due_at=None)
            DepSettings.objects.update(due_at=None)
            self.client.post(url)
            self.refused.refresh_from_db()
            settings.refresh_from_db()
            self.assertEqual(self.refused.assign_state, AssignState.WAITING)
            self.assertIsNotNone(settings.due_at)
        self.assertEqual(len(self.events("dep_settings.assign_requested")), 2)

    def test_without_settings_it_is_refused_in_words(self) -> None:
        response = self.client.post(self.url(DepServer, "assign_again", self.server.pk), follow=True)
        self.assertContains(response, "no enrollment settings yet")
