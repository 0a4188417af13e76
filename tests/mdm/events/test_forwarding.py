"""Forwarding of the log: every line reaches the collector, whatever happens to it or to us."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest import mock

from cryptography.x509.oid import NameOID
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from mdm.events import collectors, forwarding
from mdm.events.forwarding import forward_due, trouble, waiting
from mdm.events.log_settings import fault
from mdm.events.models import Event, Level, LogForwarder
from mdm.events.services import build, emit, emit_many
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.fakes.authority import Authority
from tests.fakes.log_collector import HttpReceiver, SyslogReceiver


class ForwardingTestCase(AccountTestCase):
    @contextmanager
    def forwarding_to(self, url: str, **settings: str) -> Iterator[None]:
        with override_settings(LOG_FORWARD_URL=url, **settings):
            yield

    def emit(self, count: int = 1, **options: object) -> list[Event]:
        return [emit("device.updated", account_id=self.account.pk, number=n, **options) for n in range(count)]

    def rest_is_over(self) -> None:
        LogForwarder.objects.update(rests_until=timezone.now())

    def row(self) -> LogForwarder:
        return LogForwarder.objects.get()


class MarkingTest(ForwardingTestCase):
    def test_lines_are_marked_only_where_there_is_a_collector(self) -> None:
        self.emit()
        self.assertFalse(waiting().exists())
        self.assertEqual(forward_due(), 0)
        with self.forwarding_to("syslog+udp://127.0.0.1:9"):
            self.emit()
            emit("device.enrolled", account_id=self.account.pk)
            emit_many([build("device.updated", account_id=self.account.pk) for _ in range(3)])
        self.assertEqual(waiting().count(), 5)

    def test_a_line_wakes_the_worker_when_it_is_stored(self) -> None:
        with (
            self.forwarding_to("syslog+udp://127.0.0.1:9"),
            mock.patch("mdm.events.services.nudge_named") as nudge,
            self.captureOnCommitCallbacks(execute=True),
        ):
            self.emit()
            nudge.assert_not_called()
        nudge.assert_called_once_with("mdm.events.tasks.forward_log")

    def test_the_lines_to_send_are_found_by_their_own_index(self) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")  # the table is too small for an index to be worth it
        self.assertIn("event_to_forward", waiting().order_by("pk")[:10].explain())


class SyslogTest(ForwardingTestCase):
    def test_udp(self) -> None:
        device = make_device(self.account, name="Lab Mac", serial_number="C02ABC")
        with SyslogReceiver("udp") as receiver, self.forwarding_to(receiver.url, BASE_URL="https://mdm.example.com"):
            event = emit("app.failed", account_id=self.account.pk, device=device, level=Level.ERROR, name="Kürbis\n")
            self.assertEqual(forward_due(), 1)
            [message] = receiver.wait_for(1)
        self.assertEqual(message["priority"], str(13 * 8 + 3))
        self.assertEqual(
            (message["host"], message["app"], message["kind"]), ("mdm.example.com", "pomona", "app.failed")
        )
        self.assertRegex(message["at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        record = message["record"]
        self.assertEqual((record["id"], record["account_id"]), (event.log_id, self.account.pk))
        self.assertEqual((record["device_name"], record["serial_number"]), ("Lab Mac", "C02ABC"))
        self.assertEqual((record["level"], record["metadata"]), ("error", {"name": "Kürbis\n"}))
        self.assertFalse(waiting().exists())

    def test_what_does_not_fit_into_a_datagram_is_sent_without_its_details(self) -> None:
        with SyslogReceiver("udp") as receiver, self.forwarding_to(receiver.url):
            emit("app.failed", account_id=self.account.pk, **{f"text{n}": "x" * 2000 for n in range(8)})
            forward_due()
            [message] = receiver.wait_for(1)
        self.assertEqual(message["record"]["metadata"], {"left_out": "too large for a datagram"})

    def test_tcp_keeps_the_order(self) -> None:
        with (
            SyslogReceiver("tcp") as receiver,
            self.forwarding_to(receiver.url),
            mock.patch.object(forwarding, "BATCH", 7),
        ):
            events = self.emit(40)
            self.assertEqual(forward_due(), 40)
            messages = receiver.wait_for(40)
        self.assertEqual([message["record"]["id"] for message in messages], [event.log_id for event in events])
        self.assertFalse(waiting().exists())

    def test_tls_with_an_authority_of_ones_own(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            authority, stranger = Authority("Collector CA"), Authority("Another CA")
            certificate, key = authority.issue([(NameOID.COMMON_NAME, "localhost")], days=30, server=True)
            files = {
                "cert": certificate,
                "key": key,
                "ca": authority.certificate_pem,
                "other": stranger.certificate_pem,
            }
            paths = {name: str(Path(folder) / f"{name}.pem") for name in files}
            for name, pem in files.items():
                Path(paths[name]).write_bytes(pem)
            with SyslogReceiver("tls", tls=(paths["cert"], paths["key"])) as receiver:
                with self.forwarding_to(receiver.url, LOG_FORWARD_CA_FILE=paths["other"]):
                    self.emit(3)
                    self.assertEqual(forward_due(), 0)
                    self.assertIn("no certificate that is trusted", self.row().error)
                self.rest_is_over()
                with self.forwarding_to(receiver.url, LOG_FORWARD_CA_FILE=paths["ca"]):
                    self.assertEqual(forward_due(), 3)
                self.assertEqual(
                    [message["record"]["metadata"]["number"] for message in receiver.wait_for(3)], [0, 1, 2]
                )


class OutageTest(ForwardingTestCase):
    def test_a_receiver_that_is_down_loses_nothing(self) -> None:
        for kind in ("udp", "tcp"):
            Event.objects.all().delete()
            LogForwarder.objects.all().delete()
            receiver = SyslogReceiver(kind)
            with receiver, self.forwarding_to(receiver.url):
                self.emit(2)
                self.assertEqual(forward_due(), 2)
                receiver.wait_for(2)
            with self.forwarding_to(receiver.url):
                self.emit(3)
                self.assertEqual(forward_due(), 0)
                self.assertEqual((waiting().count(), self.row().failures), (3, 1), kind)
                self.assertIn("could not be reached", self.row().error)
                with receiver:
                    self.assertEqual(forward_due(), 0, "it rests")
                    self.rest_is_over()
                    self.assertEqual(forward_due(), 3)
                    ids = {message["record"]["id"] for message in receiver.wait_for(5)}
            self.assertEqual(ids, set(Event.objects.values_list("log_id", flat=True)))
            self.assertEqual((self.row().failures, self.row().failing_since, self.row().error), (0, None, ""))

    def test_a_receiver_that_goes_in_the_middle_gets_the_rest_when_it_is_back(self) -> None:
        receiver = SyslogReceiver("tcp")
        send = collectors.TcpCollector.send
        sent: list[int] = []

        def leave_after_two(there: collectors.TcpCollector, records: list) -> None:
            if len(sent) == 2:
                receiver.wait_for(20)
                receiver.__exit__(None, None, None)
            sent.append(len(records))
            send(there, records)

        receiver.__enter__()
        with self.forwarding_to(receiver.url), mock.patch.object(forwarding, "BATCH", 10):
            events = self.emit(50)
            with mock.patch.object(collectors.TcpCollector, "send", leave_after_two):
                forward_due()
            self.assertEqual(waiting().count(), 30)
            self.rest_is_over()
            with receiver:
                self.assertEqual(forward_due(), 30)
                messages = receiver.wait_for(50)
        self.assertEqual({message["record"]["id"] for message in messages}, {event.log_id for event in events})

    def test_rests_grow_and_are_bounded(self) -> None:
        with self.forwarding_to("syslog+tcp://127.0.0.1:9"):
            self.emit()
            seconds = []
            for _ in range(9):
                self.assertEqual(forward_due(), 0)
                seconds.append((self.row().rests_until - timezone.now()).total_seconds())
                self.rest_is_over()
        self.assertLess(seconds[0], 6)
        self.assertGreater(seconds[3], seconds[0] * 4)
        self.assertLess(max(seconds), 5 * 60 * 1.2)

    def test_lines_wait_and_trouble_is_told_without_a_line_of_its_own(self) -> None:
        with self.forwarding_to("syslog+tcp://127.0.0.1:9"), self.assertLogs("pomona.forwarding", "WARNING") as logs:
            self.emit()
            forward_due()
            self.assertEqual(trouble(), "")
            LogForwarder.objects.update(failing_since=timezone.now() - timedelta(minutes=16))
            self.assertIn("could not be reached", trouble())
        self.assertEqual(trouble(), "")
        self.assertEqual(Event.objects.count(), 1)
        self.assertEqual(len(logs.output), 1)

    def test_settings_that_cannot_be_used_are_trouble_too(self) -> None:
        with self.forwarding_to("gopher://127.0.0.1"):
            self.emit()
            forward_due()
            self.assertIn("it must begin with one of", self.row().error)


class LeaseTest(ForwardingTestCase):
    def test_one_worker_sends_at_a_time_and_another_follows_one_that_died(self) -> None:
        with SyslogReceiver("tcp") as receiver, self.forwarding_to(receiver.url):
            self.emit()
            LogForwarder.objects.create(pk=forwarding.ONLY, started_at=timezone.now())
            self.assertEqual(forward_due(), 0)
            LogForwarder.objects.update(started_at=timezone.now() - forwarding.LEASE - timedelta(seconds=1))
            self.assertEqual(forward_due(), 1)
            self.assertIsNone(self.row().started_at)

    def test_a_worker_that_wakes_up_late_takes_no_marks_off(self) -> None:
        """What it sent is sent again by the one that has taken over: at least once."""
        with SyslogReceiver("tcp") as receiver, self.forwarding_to(receiver.url):
            self.emit(2)
            send = collectors.TcpCollector.send

            def slowly(there: collectors.TcpCollector, records: list) -> None:
                send(there, records)
                LogForwarder.objects.update(started_at=timezone.now() + timedelta(seconds=1))

            with mock.patch.object(collectors.TcpCollector, "send", slowly):
                self.assertEqual(forward_due(), 0)
            self.assertEqual(waiting().count(), 2)
            LogForwarder.objects.update(started_at=None)
            self.assertEqual(forward_due(), 2)
            self.assertEqual(len(receiver.wait_for(4)), 4)


class HttpTest(ForwardingTestCase):
    def test_an_array_with_the_header_of_the_settings(self) -> None:
        with HttpReceiver() as receiver:
            url = f"{receiver.url}/logs/?source=pomona"
            with (
                self.forwarding_to(url, LOG_FORWARD_AUTHORIZATION="Splunk abc"),
                self.assertLogs("pomona.peers") as logs,
            ):
                events = self.emit(3)
                self.assertEqual(forward_due(), 3)
        path, headers = receiver.requests[0]
        self.assertEqual(path, "/logs/?source=pomona")
        self.assertEqual((headers["Authorization"], len(receiver.requests)), ("Splunk abc", 1))
        self.assertIn("application/json", headers["Content-Type"])
        self.assertEqual([record["id"] for record in receiver.records], [event.log_id for event in events])
        self.assertNotIn("abc", "".join(logs.output))
        self.assertNotIn("source=", "".join(logs.output))

    def test_an_authorization_that_is_no_header_is_told_without_a_word_of_it(self) -> None:
        for header in ("Splunk s3cret\nX-More: 1", "Splunk s3crét"):
            with self.forwarding_to("http://127.0.0.1:9/", LOG_FORWARD_AUTHORIZATION=header):
                self.emit()
                with self.assertLogs("pomona") as logs:
                    self.assertEqual(forward_due(), 0)
                self.assertIn("LOG_FORWARD_AUTHORIZATION cannot be used", self.row().error)
                self.assertNotIn("s3cr", self.row().error + "".join(logs.output))
            self.rest_is_over()

    def test_refusals_and_outages_lose_nothing(self) -> None:
        with HttpReceiver() as receiver, self.forwarding_to(receiver.url):
            self.emit(3)
            for status in (500, 401, 302):
                receiver.answers.append((status, {}))
                self.assertEqual(forward_due(), 0)
                self.assertIn(f"answered {status}", self.row().error)
                self.rest_is_over()
        receiver.come_back_at_the_same_port()
        with self.forwarding_to(receiver.url):
            self.assertEqual(forward_due(), 0)
            self.rest_is_over()
            with receiver:
                self.assertEqual(forward_due(), 3)
        self.assertEqual(len(receiver.records), 3)

    def test_a_receiver_may_ask_for_time(self) -> None:
        with HttpReceiver() as receiver, self.forwarding_to(receiver.url):
            self.emit()
            receiver.answers.append((429, {"Retry-After": "100"}))
            forward_due()
            self.assertGreater((self.row().rests_until - timezone.now()).total_seconds(), 95)

    def test_batches_that_are_too_large_are_halved_and_one_line_does_not_hold_up_all(self) -> None:
        with HttpReceiver() as receiver, self.forwarding_to(receiver.url):
            self.emit(8)
            emit("app.failed", account_id=self.account.pk, **{f"text{n}": "x" * 2000 for n in range(8)})
            self.emit(2)
            receiver.most_bytes = 1500
            forward_due()
        self.assertEqual(len(receiver.records), 10)
        self.assertFalse(waiting().exists())


class AddressTest(ForwardingTestCase):
    def test_every_fault_of_an_address_is_named(self) -> None:
        for url, words in {
            "gopher://logs": "must begin with",
            "logs.example.com": "must begin with",
            "syslog+tcp://": "names no host",
            "syslog+tcp://logs:99999": "no address",
            "https://user:secret@logs": "use LOG_FORWARD_AUTHORIZATION",
            "syslog+udp://logs/path": "has no path",
        }.items():
            self.assertIn(words, fault(url), url)
        for url in ("syslog+udp://logs", "syslog+tls://[::1]:6514", "https://logs.example.com/in?x=1", "http://logs"):
            self.assertEqual(fault(url), "", url)
