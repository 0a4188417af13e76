"""The push client against a real TLS HTTP/2 server on this machine."""

import dataclasses
import json
import multiprocessing
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from mdm.push.apns import Credentials, Kind, Outcome, Pusher, Wake
from tests.fakes.apns import FakeApns

TOPIC = "com.apple.mgmt.External.0c3ad1f2-7f3c-4b5e-9d55-4b1d1c9f2a10"


@pytest.fixture
def apns() -> Iterator[FakeApns]:
    with FakeApns() as server:
        yield server


@pytest.fixture
def pusher() -> Iterator[Pusher]:
    pusher = Pusher()
    yield pusher
    pusher.close()


@pytest.fixture
def credentials(apns: FakeApns) -> Credentials:
    return apns.client_credentials(TOPIC)


def token(number: int) -> bytes:
    return number.to_bytes(32, "big")


def wakes(count: int, first: int = 1) -> list[Wake]:
    return [Wake(n, TOPIC, token(n), f"MAGIC-{n}") for n in range(first, first + count)]


def send(
    pusher: Pusher, apns: FakeApns, credentials: Credentials, what: list[Wake], timeout: float = 10
) -> list[Outcome]:
    return pusher.send(credentials, what, base_url=apns.url, ca_file=apns.ca_file, timeout=timeout)


def wait_until(is_true: Callable[[], bool], seconds: float = 10) -> None:
    ends_at = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def kinds(outcomes: list[Outcome]) -> Counter[Kind]:
    return Counter(outcome.kind for outcome in outcomes)


class TestOnePush:
    def test_it_is_what_apple_asks_for(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        [outcome] = send(pusher, apns, credentials, [Wake(7, TOPIC, b"\xab\xcd", "MAGIC")])
        [push] = apns.received
        assert push.payload == {"mdm": "MAGIC"}
        assert push.headers[":method"] == "POST"
        assert push.headers[":path"] == "/3/device/abcd"
        assert push.headers["apns-topic"] == TOPIC
        assert push.headers["apns-push-type"] == "mdm"
        assert push.headers["apns-priority"] == "10"
        assert timedelta(days=2) < timedelta(seconds=int(push.headers["apns-expiration"]) - time.time())
        assert (outcome.id, outcome.kind, outcome.status, outcome.reason) == (7, Kind.ACCEPTED, 200, "")
        assert len(outcome.apns_id) == 36

    @pytest.mark.parametrize(
        ("status", "reason", "kind"),
        [
            (410, "Unregistered", Kind.TOKEN_DEAD),
            (410, "ExpiredToken", Kind.TOKEN_DEAD),
            (400, "BadDeviceToken", Kind.TOKEN_DEAD),
            (400, "DeviceTokenNotForTopic", Kind.TOKEN_DEAD),
            (400, "BadTopic", Kind.REFUSED),
            (404, "BadPath", Kind.REFUSED),
            (405, "MethodNotAllowed", Kind.REFUSED),
            (413, "PayloadTooLarge", Kind.REFUSED),
            (403, "BadCertificate", Kind.CERTIFICATE_REJECTED),
            (403, "BadCertificateEnvironment", Kind.CERTIFICATE_REJECTED),
            (400, "IdleTimeout", Kind.RETRY),
            (429, "TooManyRequests", Kind.RETRY),
            (500, "InternalServerError", Kind.RETRY),
            (503, "ServiceUnavailable", Kind.RETRY),
            (503, "", Kind.RETRY),
        ],
    )
    def test_each_answer_has_its_kind(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials, status: int, reason: str, kind: Kind
    ) -> None:
        apns.respond(token(1), status, reason)
        bad, good = send(pusher, apns, credentials, wakes(2))
        assert (bad.kind, bad.status, bad.reason) == (kind, status, reason)
        assert good.kind is Kind.ACCEPTED

    def test_retry_after_is_read_in_both_forms(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        for number, value in enumerate([30, in_a_minute, "soon", 10**30], start=1):
            apns.respond(token(number), 429, "TooManyRequests", retry_after=value)
        seconds, date, nonsense, ages = [one.retry_after_seconds for one in send(pusher, apns, credentials, wakes(4))]
        assert seconds == 30
        assert date is not None
        assert 50 <= date <= 60
        assert nonsense is None
        assert ages == 86400

    def test_a_dead_token_comes_with_the_moment_of_its_death(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.respond(token(1), 410, "Unregistered", timestamp=1_700_000_000_000)
        [outcome] = send(pusher, apns, credentials, wakes(1))
        assert outcome.token_dead_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

    def test_the_topic_of_another_certificate_is_refused(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        other = Wake(1, "com.apple.mgmt.External.other", token(1), "M")
        [outcome] = send(pusher, apns, credentials, [other])
        assert (outcome.kind, outcome.reason) == (Kind.REFUSED, "TopicDisallowed")

    def test_what_a_hostile_device_reported_is_not_sent(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        hostile = [
            Wake(1, TOPIC, b"", "M"),
            Wake(2, TOPIC, b"x" * 100_000, "M"),
            Wake(3, f"{TOPIC}\r\nx: y", token(3), "M"),
            Wake(4, "com.apple.mgmt.\u00e9", token(4), "M"),
            Wake(5, "", token(5), "M"),
            Wake(6, "x" * 1000, token(6), "M"),
            Wake(7, TOPIC, token(7), "M" * 5000),
            Wake(8, TOPIC, token(8), '\ud800\x00"quoted"'),
        ]
        outcomes = send(pusher, apns, credentials, hostile)
        assert [outcome.kind for outcome in outcomes] == [
            Kind.TOKEN_DEAD,
            Kind.TOKEN_DEAD,
            Kind.REFUSED,
            Kind.REFUSED,
            Kind.REFUSED,
            Kind.REFUSED,
            Kind.REFUSED,
            Kind.ACCEPTED,
        ]
        assert [push.payload for push in apns.received] == [{"mdm": '\ud800\x00"quoted"'}]

    def test_a_plain_http_address_is_an_error(self, pusher: Pusher, credentials: Credentials) -> None:
        with pytest.raises(ValueError, match="https"):
            pusher.send(credentials, wakes(1), base_url="http://127.0.0.1:1", ca_file=None, timeout=1)

    def test_nothing_to_send_opens_no_connection(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        assert send(pusher, apns, credentials, []) == []
        assert apns.connections == 0

    def test_secrets_stay_out_of_reprs(self, credentials: Credentials) -> None:
        shown = repr(credentials) + repr(wakes(1)[0])
        assert "PRIVATE KEY" not in shown
        assert "MAGIC" not in shown
        assert hash(credentials) == hash(dataclasses.replace(credentials))


class TestManyPushes:
    def test_200_go_over_one_connection_at_the_same_time(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.latency = 1.0
        started_at = time.monotonic()
        outcomes = send(pusher, apns, credentials, wakes(200))
        assert kinds(outcomes) == {Kind.ACCEPTED: 200}
        assert [outcome.id for outcome in outcomes] == list(range(1, 201))
        assert apns.connections == 1
        assert apns.peak_streams > 150
        assert time.monotonic() - started_at < 30  # one after the other would take 200 s

    def test_the_connection_is_kept_for_the_next_sends(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        for first in (1, 11, 21):
            assert kinds(send(pusher, apns, credentials, wakes(10, first))) == {Kind.ACCEPTED: 10}
        assert apns.connections == 1

    def test_the_peers_limit_on_streams_is_respected(self, pusher: Pusher) -> None:
        with FakeApns(max_concurrent_streams=10, latency=0.01) as apns:
            outcomes = send(pusher, apns, apns.client_credentials(TOPIC), wakes(100))
            assert kinds(outcomes) == {Kind.ACCEPTED: 100}
            assert apns.connections == 1
            assert apns.peak_streams == 10

    def test_a_limit_lowered_under_way_is_respected(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.latency = 0.1
        assert kinds(send(pusher, apns, credentials, wakes(50))) == {Kind.ACCEPTED: 50}
        apns.change_max_concurrent_streams(5)
        assert kinds(send(pusher, apns, credentials, wakes(1))) == {Kind.ACCEPTED: 1}  # the new limit travels with it
        apns.peak_streams = 0
        assert kinds(send(pusher, apns, credentials, wakes(40))) == {Kind.ACCEPTED: 40}
        assert apns.peak_streams == 5
        assert apns.connections == 1

    def test_a_peer_that_allows_no_stream_costs_a_retry_and_no_hang(self, pusher: Pusher) -> None:
        with FakeApns(max_concurrent_streams=0) as apns:
            outcomes = send(pusher, apns, apns.client_credentials(TOPIC), wakes(3), timeout=0.3)
            assert kinds(outcomes) == {Kind.RETRY: 3}

    def test_our_own_cap_holds(self, apns: FakeApns, credentials: Credentials) -> None:
        pusher = Pusher(max_streams=7)
        apns.latency = 0.02
        assert kinds(send(pusher, apns, credentials, wakes(60))) == {Kind.ACCEPTED: 60}
        pusher.close()
        assert apns.peak_streams == 7

    def test_several_threads_share_one_connection(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        results: dict[int, list[Outcome]] = {}

        def work(number: int) -> None:
            results[number] = send(pusher, apns, credentials, wakes(50, first=number * 1000))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(8):
            assert [outcome.id for outcome in results[number]] == list(range(number * 1000, number * 1000 + 50))
            assert kinds(results[number]) == {Kind.ACCEPTED: 50}
        assert len(apns.received) == 400
        assert apns.connections == 1

    def test_two_accounts_have_a_connection_each(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        other_topic = "com.apple.mgmt.External.other"
        other = apns.client_credentials(other_topic)
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        assert send(pusher, apns, other, [Wake(1, other_topic, token(1), "M")])[0].kind is Kind.ACCEPTED
        assert apns.connections == 2

    def test_a_replaced_certificate_gets_a_new_connection(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        renewed = apns.client_credentials(TOPIC)
        assert renewed.fingerprint != credentials.fingerprint
        for one in (credentials, renewed, renewed):
            assert send(pusher, apns, one, wakes(1))[0].kind is Kind.ACCEPTED
        assert apns.connections == 2

    def test_an_idle_connection_closes_and_is_opened_again(self, apns: FakeApns, credentials: Credentials) -> None:
        pusher = Pusher(idle_seconds=0.1)
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        time.sleep(0.4)
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        pusher.close()
        assert apns.connections == 2


class TestThingsThatBreak:
    def test_a_goaway_loses_nothing(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        apns.latency = 0.05  # answers of older streams come after the GOAWAY
        apns.goaway_after(20)
        assert kinds(send(pusher, apns, credentials, wakes(100))) == {Kind.ACCEPTED: 100}
        assert Counter(push.connection_id for push in apns.received) == {1: 20, 2: 80}
        assert len({push.token for push in apns.received}) == 100

    def test_a_goaway_between_sends_is_noticed(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        apns.goaway_after(1)
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        assert kinds(send(pusher, apns, credentials, wakes(5))) == {Kind.ACCEPTED: 5}
        assert apns.connections == 2

    def test_a_goaway_because_of_the_certificate_rejects_it(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.goaway_after(3, reason="BadCertificate")
        outcomes = send(pusher, apns, credentials, wakes(10))
        assert kinds(outcomes) == {Kind.ACCEPTED: 3, Kind.CERTIFICATE_REJECTED: 7}
        assert {outcome.reason for outcome in outcomes[3:]} == {"BadCertificate"}
        assert apns.connections == 1

    def test_a_dropped_connection_costs_what_was_on_its_way(self, pusher: Pusher) -> None:
        with FakeApns(max_concurrent_streams=10, latency=0.01) as apns:
            credentials = apns.client_credentials(TOPIC)
            apns.drop_after(30)
            outcomes = send(pusher, apns, credentials, wakes(100))
            lost = kinds(outcomes)[Kind.RETRY]
            assert 1 <= lost <= 20
            assert kinds(outcomes)[Kind.ACCEPTED] == 100 - lost
            assert apns.connections == 2
            assert all(outcome.status is None for outcome in outcomes if outcome.kind is Kind.RETRY)

    def test_a_reset_stream_is_retried_alone(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        apns.reset(token(5))
        outcomes = send(pusher, apns, credentials, wakes(20))
        assert [outcome.id for outcome in outcomes if outcome.kind is Kind.RETRY] == [5]
        assert kinds(outcomes)[Kind.ACCEPTED] == 19
        assert apns.connections == 1

    def test_a_silent_stream_times_out_alone(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        apns.stay_silent(token(5))
        outcomes = send(pusher, apns, credentials, wakes(20), timeout=0.5)
        assert [outcome.id for outcome in outcomes if outcome.kind is Kind.RETRY] == [5]
        assert kinds(send(pusher, apns, credentials, wakes(4))) == {Kind.ACCEPTED: 4}
        assert apns.connections == 1

    def test_a_connection_that_went_silent_is_given_up(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        apns.latency = 60
        assert kinds(send(pusher, apns, credentials, wakes(3), timeout=0.5)) == {Kind.RETRY: 3}
        apns.latency = 0
        assert kinds(send(pusher, apns, credentials, wakes(3))) == {Kind.ACCEPTED: 3}
        assert apns.connections == 2

    def test_a_server_that_is_away_is_retried_and_found_again(self, pusher: Pusher, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        server = FakeApns(port=port, directory=tmp_path)
        credentials = server.client_credentials(TOPIC)
        url = f"https://127.0.0.1:{port}"
        outcomes = pusher.send(credentials, wakes(5), base_url=url, ca_file=server.ca_file, timeout=5)
        assert kinds(outcomes) == {Kind.RETRY: 5}
        with server:
            assert kinds(send(pusher, server, credentials, wakes(5))) == {Kind.ACCEPTED: 5}

    def test_a_host_that_accepts_and_says_nothing_times_out(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"https://127.0.0.1:{mute.getsockname()[1]}"
            [outcome] = pusher.send(credentials, wakes(1), base_url=url, ca_file=apns.ca_file, timeout=0.3)
        assert (outcome.kind, outcome.reason) == (Kind.RETRY, "No connection in time.")


class TestCertificates:
    def test_a_certificate_of_a_foreign_authority_is_refused_in_the_handshake(
        self, pusher: Pusher, apns: FakeApns
    ) -> None:
        with FakeApns() as stranger:
            foreign = stranger.client_credentials(TOPIC)
        outcomes = send(pusher, apns, foreign, wakes(3))
        assert kinds(outcomes) == {Kind.CERTIFICATE_REJECTED: 3}
        assert "handshake" in outcomes[0].reason
        wait_until(lambda: apns.refused_handshakes > 0)  # the server's thread may hear of it a moment later than we do
        assert (apns.refused_handshakes, apns.connections) == (1, 0)

    def test_the_same_with_tls_1_2(self, pusher: Pusher, apns: FakeApns, monkeypatch: pytest.MonkeyPatch) -> None:
        apns.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        with FakeApns() as stranger:
            foreign = stranger.client_credentials(TOPIC)
        assert kinds(send(pusher, apns, foreign, wakes(3))) == {Kind.CERTIFICATE_REJECTED: 3}
        assert kinds(send(pusher, apns, apns.client_credentials(TOPIC), wakes(3))) == {Kind.ACCEPTED: 3}

    def test_an_expired_certificate_is_rejected_without_asking_apple(self, pusher: Pusher, apns: FakeApns) -> None:
        [outcome] = send(pusher, apns, apns.client_credentials(TOPIC, days=-1), wakes(1))
        assert outcome.kind is Kind.CERTIFICATE_REJECTED
        assert "expired" in outcome.reason
        assert (apns.refused_handshakes, apns.connections) == (0, 0)

    def test_a_revoked_certificate_is_rejected_and_the_next_send_connects_anew(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.reject_certificates = True
        outcomes = send(pusher, apns, credentials, wakes(3))
        assert kinds(outcomes) == {Kind.CERTIFICATE_REJECTED: 3}
        assert outcomes[0].reason == "BadCertificate"
        apns.reject_certificates = False
        assert kinds(send(pusher, apns, credentials, wakes(3))) == {Kind.ACCEPTED: 3}
        assert apns.connections == 2

    def test_a_key_that_does_not_fit_is_rejected_without_asking_apple(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        other = apns.client_credentials(TOPIC)
        for key_pem in (other.key_pem, b"", b"nonsense"):
            [outcome] = send(pusher, apns, dataclasses.replace(credentials, key_pem=key_pem), wakes(1))
            assert outcome.kind is Kind.CERTIFICATE_REJECTED
        [outcome] = send(pusher, apns, dataclasses.replace(credentials, certificate_pem=b"nonsense"), wakes(1))
        assert outcome.kind is Kind.CERTIFICATE_REJECTED
        assert apns.connections == 0

    def test_a_server_of_an_unknown_authority_is_not_talked_to(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        with FakeApns() as stranger:
            [outcome] = pusher.send(credentials, wakes(1), base_url=apns.url, ca_file=stranger.ca_file, timeout=5)
        assert outcome.kind is Kind.RETRY
        assert "not trusted" in outcome.reason
        [outcome] = pusher.send(credentials, wakes(1), base_url=apns.url, ca_file=None, timeout=5)
        assert outcome.kind is Kind.RETRY
        assert apns.received == []

    def test_a_missing_ca_file_is_retried(self, pusher: Pusher, apns: FakeApns, credentials: Credentials) -> None:
        [outcome] = pusher.send(credentials, wakes(1), base_url=apns.url, ca_file="/nowhere/ca.pem", timeout=5)
        assert outcome.kind is Kind.RETRY

    def test_the_private_key_is_not_left_on_the_disk(
        self,
        pusher: Pusher,
        apns: FakeApns,
        credentials: Credentials,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        assert list(tmp_path.iterdir()) == []


class TestProcessesAndEnds:
    def test_a_closed_pusher_starts_again_when_used(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        pusher.close()
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        pusher.close()
        pusher.close()
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        assert apns.connections == 2

    def test_closing_ends_a_send_under_way_with_retry(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        apns.latency = 60
        results: list[list[Outcome]] = []
        sender = threading.Thread(target=lambda: results.append(send(pusher, apns, credentials, wakes(5))))
        sender.start()
        wait_until(lambda: apns.peak_streams == 5)
        pusher.close()
        sender.join(5)
        assert kinds(results[0]) == {Kind.RETRY: 5}

    def test_a_forked_child_connects_by_itself_and_leaves_the_parent_alone(
        self, pusher: Pusher, apns: FakeApns, credentials: Credentials
    ) -> None:
        assert send(pusher, apns, credentials, wakes(1))[0].kind is Kind.ACCEPTED
        fork = multiprocessing.get_context("fork")
        queue = fork.SimpleQueue()

        def child() -> None:
            queue.put([str(outcome.kind) for outcome in send(pusher, apns, credentials, wakes(3))])

        process = fork.Process(target=child)
        process.start()
        process.join(20)
        assert process.exitcode == 0
        assert queue.get() == ["accepted"] * 3
        assert kinds(send(pusher, apns, credentials, wakes(2))) == {Kind.ACCEPTED: 2}
        assert Counter(push.connection_id for push in apns.received) == {1: 3, 2: 3}

    def test_the_fake_runs_as_a_process_of_its_own(self, pusher: Pusher, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "tests.fakes.apns", "--topic", TOPIC, "--directory", str(tmp_path)]
        root = Path(__file__).resolve().parents[3]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            files = facts["credentials"][TOPIC]
            credentials = Credentials(TOPIC, Path(files["certificate"]).read_bytes(), Path(files["key"]).read_bytes())
            [outcome] = pusher.send(credentials, wakes(1), base_url=facts["url"], ca_file=facts["ca_file"], timeout=5)
            assert outcome.kind is Kind.ACCEPTED
            assert json.loads(process.stdout.readline())["payload"] == {"mdm": "MAGIC-1"}
            process.terminate()
        assert process.returncode == 0
