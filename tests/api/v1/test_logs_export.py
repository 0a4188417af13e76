"""The log for programs beyond the reference: more filters, and all of it as a file."""

import csv
import json
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from mdm.events.models import Event, Level
from mdm.events.services import emit
from tests.base import AccountTestCase
from tests.factories import make_device, make_event

URL = "/api/v1/logs"


class LogFiltersTest(AccountTestCase):
    def kinds(self, **query: object) -> list[str]:
        response = self.api.get(URL, query)
        self.assertEqual(response.status_code, 200, response.content)
        return [row["attributes"]["event_type"] for row in response.json()["data"]]

    def test_by_level(self) -> None:
        for level, event_type in (
            (Level.INFO, "app.installed"),
            (Level.WARNING, "app.failed"),
            (Level.ERROR, "app.missing"),
        ):
            emit(event_type, account_id=self.account.pk, level=level)
        self.assertEqual(self.kinds(levels="error"), ["app.missing"])
        self.assertEqual(self.kinds(levels="1,2"), ["app.failed", "app.missing"])
        self.assertEqual(len(self.kinds(levels="")), 3)
        response = self.api.get(URL, {"levels": "loud"})
        self.assertEqual(response.status_code, 422)
        self.assertEqual(response.json()["errors"][0]["title"], "levels: Must be any of info, warning, error.")

    def test_by_time(self) -> None:
        make_event(self.account, "app.installed")
        Event.objects.update(at=datetime(2026, 1, 31, 8, tzinfo=UTC))
        make_event(self.account, "app.failed")
        self.assertEqual(self.kinds(until="2026-01-31T08:00:00Z"), [])
        self.assertEqual(self.kinds(since="2026-01-31T08:00:00Z", until="2026-01-31T10:00:01+01:30"), ["app.installed"])
        recently = (timezone.now() - timedelta(hours=1)).isoformat()
        self.assertEqual(self.kinds(since=recently), ["app.failed"])
        self.assertEqual(len(self.kinds(since="", until="")), 2)
        response = self.api.get(URL, {"since": "yesterday"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("since: Must be a time such as", response.json()["errors"][0]["title"])

    def test_by_device(self) -> None:
        device = make_device(self.account)
        make_event(event_type="device.enrolled", device=device)
        make_event(self.account, "app.failed")
        self.assertEqual(self.kinds(device_id=device.pk), ["device.enrolled"])
        theirs = make_device(self.other_account)
        make_event(device=theirs)
        self.assertEqual(self.kinds(device_id=theirs.pk), [])
        self.assertEqual(self.api.get(URL, {"device_id": "x"}).status_code, 422)


class LogExportTest(AccountTestCase):
    def test_csv_newest_first_of_the_own_account_only(self) -> None:
        device = make_device(self.account, name="Lab Mac", serial_number="C02ABC")
        make_event(event_type="device.enrolled", device=device)
        make_event(self.account, "app.failed")
        make_event(self.other_account, "device.removed")
        response = self.read_only_api.get(f"{URL}/export", {"format": "csv"})
        self.assertEqual((response.status_code, response["Content-Type"]), (200, "text/csv; charset=utf-8"))
        rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
        self.assertEqual([row["event_type"] for row in rows], ["app.failed", "device.enrolled"])
        self.assertEqual((rows[1]["device_name"], rows[1]["serial_number"]), ("Lab Mac", "C02ABC"))

    def test_json_lines_take_the_filters_of_the_list(self) -> None:
        make_event(self.account, "app.failed")
        make_event(self.account, "app.installed")
        response = self.api.get(f"{URL}/export", {"format": "jsonl", "event_types": "app.failed"})
        self.assertEqual(response["Content-Type"], "application/jsonl")
        self.assertEqual([json.loads(line)["event_type"] for line in response.getvalue().splitlines()], ["app.failed"])

    def test_the_accept_header_does_not_matter(self) -> None:
        for accept in ("text/csv", "application/json", "*/*", "image/png"):
            response = self.api.get(f"{URL}/export", {"format": "csv"}, headers={"Accept": accept})
            self.assertEqual(response.status_code, 200, accept)

    def test_the_log_says_which_key_took_it(self) -> None:
        self.api.get(f"{URL}/export", {"format": "jsonl", "levels": "error"}).getvalue()
        event = Event.objects.get(event_type="log.exported")
        self.assertEqual((event.api_key, event.account), (self.api_key, self.account))
        self.assertEqual(event.metadata, {"format": "jsonl", "filters": {"levels": [2]}})

    def test_refusals(self) -> None:
        self.assertEqual(self.anonymous_api.get(f"{URL}/export", {"format": "csv"}).status_code, 401)
        for query, title in (
            ({"format": "xlsx"}, "format: Must be one of csv, jsonl."),
            ({"format": "csv", "until": "never"}, "until: Must be a time such as 2026-01-31T08:00:00Z."),
        ):
            response = self.api.get(f"{URL}/export", query)
            self.assertEqual(response.status_code, 422, query)
            self.assertEqual(response.json()["errors"][0]["title"], title)
        self.assertFalse(Event.objects.filter(event_type="log.exported").exists())
