"""The log's page: what it shows of millions of lines, and what an address can ask it for."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from devices.models import Device
from mdm.accounts.actors import DEVICE, SYSTEM, Actor, Source
from mdm.accounts.models import Role
from mdm.events.forwarding import ONLY
from mdm.events.kinds import KINDS
from mdm.events.log_filters import MOST_DEVICES
from mdm.events.models import Event, Level, LogForwarder
from mdm.events.services import emit
from mdm.events.topics import TOPICS, kinds_of
from tests.admin.base import AdminTestCase
from tests.factories import make_device, make_event


class LogTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, serial_number="C02ABC", name="Lab Mac", udid="0000-AAAA")
        self.client = self.people[Role.READ_ONLY]
        self.list_url = self.url(Event, "changelist")

    def shown(self, **query: object) -> list[str]:
        response = self.client.get(self.list_url, query)
        self.assertEqual(response.status_code, 200, query)
        return [event.event_type for event in response.context["cl"].result_list]


class LogListTest(LogTestCase):
    def test_lines_are_sentences_newest_first(self) -> None:
        make_event(event_type="device.enrolled", device=self.device)
        make_event(self.account, "account.updated")
        self.assertEqual(self.shown(), ["account.updated", "device.enrolled"])
        response = self.client.get(self.list_url)
        self.assertContains(response, "A device enrolled")
        self.assertContains(response, self.url(Device, "change", self.device.pk))

    def test_a_device_that_was_removed_has_no_link(self) -> None:
        make_event(event_type="device.enrolled", device=self.device)
        Device.objects.update(removed_at=timezone.now())
        response = self.client.get(self.list_url)
        self.assertContains(response, "Lab Mac")
        self.assertNotContains(response, self.url(Device, "change", self.device.pk))

    def test_every_kind_can_be_chosen_under_its_topic(self) -> None:
        make_event(self.account, "account.updated")
        response = self.client.get(self.list_url)
        for sentence in KINDS.values():
            self.assertContains(response, sentence.replace("'", "&#x27;"))
        for title, _ in TOPICS.values():
            if title != "Everything else":
                self.assertContains(response, title.replace("'", "&#x27;"))

    def test_an_empty_log_and_filters_that_nothing_fits_are_told_apart(self) -> None:
        self.assertContains(self.client.get(self.list_url), "Nothing has happened yet")
        make_event(self.account, "account.updated")
        for query in (
            {"level": "2"},
            {"time": "hour", "event_type": "device.wiped"},
            {"q": "nothing"},
            {"device": "1"},
        ):
            response = self.client.get(self.list_url, query)
            self.assertContains(response, "Nothing matches")
            self.assertContains(response, 'href="?">Show all')
            self.assertNotContains(response, "Nothing has happened yet")

    def test_nothing_is_counted_and_more_lines_cost_no_more_statements(self) -> None:
        query = urlencode({"time": "week", "actor": "pomona", "event_type": "devices", "level": "0", "q": "C02"})
        found = []
        for _ in range(2):
            for _ in range(60):
                make_event(event_type="device.updated", device=self.device)
            with CaptureQueriesContext(connection) as captured:
                self.client.get(f"{self.list_url}?{query}")
            found.append(len(captured))
            counting = [one["sql"] for one in captured if "COUNT(" in one["sql"] and "mdm_events_event" in one["sql"]]
            self.assertEqual(counting, [])
        self.assertEqual(found[0], found[1])

    def test_columns_do_not_sort_the_whole_log(self) -> None:
        first, second = make_event(self.account), make_event(self.account)
        response = self.client.get(self.list_url, {"o": "1"})
        self.assertEqual(list(response.context["cl"].result_list), [second, first])


class LogFiltersTest(LogTestCase):
    def test_by_device(self) -> None:
        make_event(event_type="device.enrolled", device=self.device)
        make_event(event_type="device.updated", device=make_device(self.account, serial_number="ZZ9"))
        make_event(event_type="device.removed", device=make_device(self.other_account, serial_number="C02ABC"))
        for words in ("c02", "C02ABC", "lab", "0000-aaaa", "  Lab Mac "):
            self.assertEqual(self.shown(q=words), ["device.enrolled"], words)
        self.assertEqual(self.shown(q="nothing"), [])
        self.assertEqual(self.shown(device=self.device.pk), ["device.enrolled"])
        for nonsense in ("x", "²", "-1", "9" * 40, "0"):
            self.assertEqual(self.shown(device=nonsense), [], nonsense)

    def test_a_serial_number_finds_lines_of_devices_that_are_gone_or_not_yet_here(self) -> None:
        event = make_event(event_type="device.updated", device=self.device)
        Event.objects.filter(pk=event.pk).update(device=None, serial_number="GONE1")
        self.assertEqual(self.shown(q="gone1"), ["device.updated"])

    def test_words_that_fit_very_many_devices_say_so(self) -> None:
        for number in range(MOST_DEVICES + 1):
            make_device(self.account, name=f"Kiosk {number}")
        self.assertContains(self.client.get(self.list_url, {"q": "kiosk"}), f"more than {MOST_DEVICES} devices")
        self.assertNotContains(self.client.get(self.list_url, {"q": "lab"}), "more than")

    def test_the_page_of_a_device_leads_to_its_lines(self) -> None:
        make_event(event_type="device.enrolled", device=self.device)
        page = self.client.get(self.url(Device, "change", self.device.pk), {"tab": "log"})
        self.assertContains(page, f"{self.list_url}?device={self.device.pk}")
        self.assertContains(self.client.get(self.list_url, {"device": self.device.pk}), "<b>Lab Mac</b>")

    def test_by_who_did_it(self) -> None:
        owner = self.users[Role.OWNER]
        person = Actor(Source.ADMIN, owner.email, user_id=owner.pk)
        program = Actor(Source.API, "Test key", api_key_id=self.api_key.pk)
        told = {"account.updated": person, "script.created": program, "device.enrolled": DEVICE, "app.missing": SYSTEM}
        for event_type, actor in told.items():
            make_event(self.account, event_type, actor=actor)
        for actor, expected in {
            "people": ["account.updated"],
            "programs": ["script.created"],
            "devices": ["device.enrolled"],
            "pomona": ["app.missing"],
            f"person-{owner.pk}": ["account.updated"],
            f"key-{self.api_key.pk}": ["script.created"],
            "person-0": [],
            "person-x": [],
            "nobody": [],
        }.items():
            self.assertEqual(self.shown(actor=actor), expected, actor)
        response = self.client.get(self.list_url)
        self.assertContains(response, f"?actor=person-{owner.pk}")
        self.assertContains(response, f"?actor=key-{self.api_key.pk}")
        self.assertNotContains(response, self.outsider.email)

    def test_by_kind_topic_and_level(self) -> None:
        make_event(self.account, "device.enrolled")
        emit("user.sign_in_failed", account_id=self.account.pk, level=Level.WARNING)
        emit("push_certificate.expiring", account_id=self.account.pk, level=Level.ERROR)
        for query, expected in (
            ({"event_type": "device.enrolled"}, ["device.enrolled"]),
            ({"event_type": "people"}, ["user.sign_in_failed"]),
            ({"event_type": "no.such"}, []),
            ({"level": "1"}, ["user.sign_in_failed"]),
            ({"level": "trouble"}, ["push_certificate.expiring", "user.sign_in_failed"]),
            ({"level": "trouble", "event_type": "push"}, ["push_certificate.expiring"]),
        ):
            self.assertEqual(self.shown(**query), expected, query)
        for nonsense in ("abc", "²", "9"):
            self.assertEqual(self.shown(level=nonsense), [], nonsense)
            self.assertContains(self.client.get(self.list_url, {"level": nonsense}), f"“{nonsense}” is no level")

    def test_by_time(self) -> None:
        now = timezone.now()
        for days, event_type in ((20, "device.created"), (3, "device.enrolled"), (0, "device.updated")):
            event = make_event(self.account, event_type)
            Event.objects.filter(pk=event.pk).update(at=now - timedelta(days=days, minutes=1))
        newest_first = ["device.updated", "device.enrolled", "device.created"]
        self.assertEqual(self.shown(time="hour"), newest_first[:1])
        self.assertEqual(self.shown(time="day"), newest_first[:1])
        self.assertEqual(self.shown(time="week"), newest_first[:2])
        self.assertEqual(self.shown(time="month"), newest_first)
        week_ago = self.minute(now - timedelta(days=7))
        self.assertEqual(self.shown(since=week_ago), newest_first[:2])
        self.assertEqual(self.shown(until=week_ago), newest_first[2:])
        self.assertEqual(self.shown(since=week_ago, until=self.minute(now - timedelta(days=1))), newest_first[1:2])
        # An exact time counts more than a range.
        self.assertEqual(self.shown(time="hour", since=week_ago), newest_first[:2])
        for nonsense in ("yesterday", "0001-01-01T00:00", "9999-12-31T23:59-12:00", "2024-13-01T00:00", "²"):
            for name in ("since", "until"):
                response = self.client.get(self.list_url, {name: nonsense, "level": "0"})
                self.assertEqual(list(response.context["cl"].result_list), [], nonsense)
                self.assertContains(response, f"“{nonsense}” is no time")
                self.assertContains(response, "not understood")
        self.assertEqual(self.shown(since="", until=" "), [])
        self.assertEqual(self.shown(since="", until=""), newest_first)
        self.assertContains(self.client.get(self.list_url, {"time": "year"}), "“year” is no range of time")

    def test_what_is_not_understood_is_escaped_cut_and_not_exported(self) -> None:
        make_event(self.account, "account.updated")
        query = {"since": "<script>alert(1)" + "x" * 500}
        response = self.client.get(self.list_url, query)
        self.assertNotContains(response, "<script>alert(1)")
        self.assertNotContains(response, f"{'x' * 200}” is no time")
        answer = self.client.post(f"{self.url(Event, 'export')}?{urlencode(query)}", {"format": "jsonl"})
        self.assertEqual(b"".join(answer.streaming_content), b"")

    def test_a_line_whose_transaction_took_long_is_found_by_its_time(self) -> None:
        """Its key is higher than that of lines that came later."""
        now = timezone.now()
        times = (now - timedelta(hours=30), now - timedelta(hours=2), now - timedelta(hours=2, minutes=40))
        events = [make_event(self.account) for _ in times]
        for event, at in zip(events, times, strict=True):
            Event.objects.filter(pk=event.pk).update(at=at)
        since = self.minute(now - timedelta(hours=2, minutes=30))
        found = self.client.get(self.list_url, {"since": since}).context["cl"].result_list
        self.assertEqual(list(found), [events[1]])
        found = self.client.get(self.list_url, {"until": since}).context["cl"].result_list
        self.assertEqual(list(found), [events[2], events[0]])

    def test_all_together_and_kept_by_every_link(self) -> None:
        owner = self.users[Role.OWNER]
        actor = Actor(Source.ADMIN, owner.email, user_id=owner.pk)
        emit("device.updated", account_id=self.account.pk, actor=actor, device=self.device, level=Level.WARNING)
        emit("device.updated", account_id=self.account.pk, actor=actor, device=self.device)
        query = {
            "time": "day",
            "q": "C02",
            "actor": f"person-{owner.pk}",
            "event_type": "device.updated",
            "level": "trouble",
        }
        self.assertEqual(self.shown(**query), ["device.updated"])
        response = self.client.get(self.list_url, query)
        self.assertContains(response, "actor=person-")
        without_level = urlencode({name: value for name, value in query.items() if name != "level"})
        hrefs = response.content.decode()
        for pair in without_level.split("&"):
            self.assertIn(pair, hrefs)

    def test_columns_cannot_be_probed(self) -> None:
        for query in ({"user__password__startswith": "a"}, {"namespace": "device"}, {"metadata__name": "x"}):
            self.assertRedirects(self.client.get(self.list_url, query), self.list_url)

    def minute(self, at: datetime) -> str:
        return at.strftime("%Y-%m-%dT%H:%M")


class LogDetailsTest(LogTestCase):
    def test_a_command_is_called_what_the_catalogue_calls_it(self) -> None:
        asked = make_event(
            event_type="command.queued", device=self.device, request_type="CertificateList", why="by hand"
        )
        own = make_event(event_type="command.queued", device=self.device, request_type="<b>Own")
        for url in (self.list_url, f"{self.url(Device, 'change', self.device.pk)}?tab=log"):
            response = self.client.get(url)
            self.assertContains(response, "Certificates · by hand")
            self.assertContains(response, "&lt;b&gt;Own")
        # Each line by itself keeps what was written.
        self.assertContains(self.client.get(self.url(Event, "change", asked.pk)), "CertificateList")
        self.assertEqual(own.metadata["request_type"], "<b>Own")


class LogPageTest(LogTestCase):
    def test_the_page_of_a_line_shows_everything_that_was_noted_escaped(self) -> None:
        event = make_event(event_type="device.updated", device=self.device, name="<i>new</i>", nested={"a": [1]})
        response = self.client.get(self.url(Event, "change", event.pk))
        self.assertContains(response, "&lt;i&gt;new&lt;/i&gt;")
        self.assertContains(response, "Nested")
        self.assertContains(response, self.url(Device, "change", self.device.pk))
        self.assertContains(response, f"{self.list_url}?device={self.device.pk}")

    def test_a_line_of_a_removed_device_stays_readable(self) -> None:
        event = make_event(event_type="device.enrolled", device=self.device)
        self.device.removed_at = timezone.now()
        self.device.save()
        self.assertContains(self.client.get(self.url(Event, "change", event.pk)), "(removed)")

    def test_nobody_changes_the_log(self) -> None:
        event = make_event(self.account, "account.updated")
        for view in ("change", "delete"):
            response = self.people[Role.OWNER].post(self.url(Event, view, event.pk), {"post": "yes"})
            self.assertIn(response.status_code, (403, 405))
        self.assertTrue(Event.objects.filter(pk=event.pk).exists())


class ForwardingAlertTest(LogTestCase):
    def test_the_home_page_tells_of_a_collector_that_takes_nothing(self) -> None:
        home = reverse("admin:index")
        LogForwarder.objects.create(
            pk=ONLY, failing_since=timezone.now() - timedelta(minutes=16), error="The collector of logs answered 500."
        )
        self.assertNotContains(self.client.get(home), "The log is not forwarded")
        with self.settings(LOG_FORWARD_URL="https://logs.example.com"):
            response = self.client.get(home)
        self.assertContains(response, "The log is not forwarded")
        self.assertContains(response, "The collector of logs answered 500.")


class TopicsTest(TestCase):
    def test_every_kind_has_a_topic_that_says_something(self) -> None:
        self.assertEqual(kinds_of("other"), [], "their beginnings belong into mdm/events/topics.py")
        self.assertEqual(sorted(name for topic in TOPICS for name in kinds_of(topic)), sorted(KINDS))
        self.assertFalse(set(TOPICS) & set(KINDS))
