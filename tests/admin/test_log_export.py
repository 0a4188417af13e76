"""The log as a file, from its page."""

import csv
import json

from mdm.accounts.models import Role
from mdm.events.models import Level
from mdm.events.services import emit
from tests.admin.test_log import LogTestCase
from tests.factories import make_event


class LogExportTest(LogTestCase):
    def exported(self, form: str, query: str = "", role: Role = Role.READ_ONLY) -> str:
        url = f"/admin/mdm_events/event/export/{query}"
        response = self.people[role].post(url, {"format": form})
        self.assertEqual(response.status_code, 200)
        self.assertTrue(response.streaming)
        self.assertIn("attachment", response["Content-Disposition"])
        self.assertIn("no-store", response["Cache-Control"])
        return response.getvalue().decode()

    def test_what_the_list_shows_is_what_the_file_holds(self) -> None:
        make_event(event_type="device.enrolled", device=self.device)
        emit("user.sign_in_failed", account_id=self.account.pk, level=Level.WARNING)
        make_event(self.other_account, "device.removed")
        rows = list(csv.DictReader(self.exported("csv").splitlines()))
        self.assertEqual([row["event_type"] for row in rows], ["user.sign_in_failed", "device.enrolled"])
        lines = [json.loads(line) for line in self.exported("jsonl", "?level=trouble&time=day").splitlines()]
        self.assertEqual([line["event_type"] for line in lines], ["user.sign_in_failed"])

    def test_the_log_says_who_took_it_and_how_it_was_filtered(self) -> None:
        self.exported("csv", "?q=C02&level=2", Role.OPERATOR)
        event = self.events("log.exported")[0]
        self.assertEqual(event.actor_label, "operator@acme.example")
        self.assertEqual(event.metadata, {"format": "csv", "filters": {"device_words": "C02", "levels": [2]}})

    def test_an_unknown_format_is_refused_with_those_there_are(self) -> None:
        response = self.client.post("/admin/mdm_events/event/export/", {"format": "xlsx"}, follow=True)
        self.assertContains(response, "The log can be exported as csv or jsonl.")
        self.assertFalse(self.events("log.exported"))

    def test_the_page_offers_it_with_its_own_filters(self) -> None:
        self.assertNotContains(self.client.get(self.list_url), "/event/export/")
        make_event(event_type="device.enrolled", device=self.device)
        response = self.client.get(self.list_url, {"q": "C02", "time": "day", "p": "1"})
        self.assertContains(response, "/event/export/?q=C02&amp;time=day")
