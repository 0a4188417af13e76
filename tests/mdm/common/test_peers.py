"""Requests to services that the settings name: over real sockets, with and without TLS."""

import datetime
import ipaddress
import logging
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mdm.common.pauses import pause_seconds
from mdm.common.peers import Peer, PeerAnswerUnreadable, PeerUnreachable, seconds_until


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.seen = (self.path, dict(self.headers), self.rfile.read(length))
        time.sleep(0.6 if self.path == "/slow" else 0)
        status = int(self.path[1:4]) if self.path[1:4].isdigit() else 200
        body = b"x" * 5000 if self.path == "/long" else b'{"a": 1}'
        self.send_response(status)
        self.send_header("Retry-After", "7")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body) + (9 if self.path == "/cut" else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/cut"

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Not on the tests' output."""


class Service:
    def __init__(self, *, certificate: Path | None = None) -> None:
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Self-signed, with its key, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name.from_rfc4514_string("CN=127.0.0.1")
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(built.public_bytes(Encoding.PEM) + secret)
    return path


def peer(url: str, **options: object) -> Peer:
    return Peer("The service", url, setting="SERVICE_URL", **options)


def test_any_status_is_an_answer_and_redirects_are_not_followed(service: Service) -> None:
    with peer(service.url, headers={"X-Version": "3"}) as one:
        for status in (200, 201, 302, 404, 429, 503):
            answer = one.ask("POST", f"/{status}", params={"q": "1"}, json_body={"b": 2})
            assert (answer.status, answer.retry_after_seconds) == (status, 7)
        path, headers, body = service.http.seen
    assert (path, body) == ("/503?q=1", b'{"b": 2}')
    assert (headers["X-Version"], headers["User-Agent"]) == ("3", "Pomona")
    assert headers["Content-Type"] == "application/json;charset=UTF8"


def test_a_form_is_sent_as_browsers_do(service: Service) -> None:
    with peer(service.url) as one:
        one.ask("POST", "/200", form_body={"to": "+1 415", "text": "Brot & Söhne=1"})
    _, headers, body = service.http.seen
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert body == b"to=%2B1+415&text=Brot+%26+S%C3%B6hne%3D1"


def test_silence_half_an_answer_and_an_endless_one(service: Service) -> None:
    with peer(service.url, timeout=0.2) as one, pytest.raises(PeerUnreachable, match="did not answer in time"):
        one.ask("GET", "/slow")
    with peer(service.url) as one, pytest.raises(PeerUnreachable, match="could not be reached"):
        one.ask("GET", "/cut")
    with peer(service.url, max_answer_bytes=1000) as one, pytest.raises(PeerAnswerUnreadable, match="too large"):
        one.ask("GET", "/long")
    with peer(service.url, deadline=-1.0) as one, pytest.raises(PeerUnreachable, match="did not answer in time"):
        one.ask("GET", "/")


def test_an_address_that_is_none_names_its_setting() -> None:
    with pytest.raises(PeerUnreachable, match="SERVICE_URL"):
        peer("https://[::1")


def test_a_header_that_is_none_is_not_repeated(service: Service) -> None:
    with peer(service.url) as one, pytest.raises(PeerUnreachable, match="header") as raised:
        one.ask("GET", "/", headers={"Authorization": "Bearer s3cret\n"})
    assert "s3cret" not in str(raised.value)


def test_only_authorities_of_the_file_are_trusted(certificate: Path, tmp_path: Path) -> None:
    service = Service(certificate=certificate)
    try:
        with peer(service.url, ca_file=str(certificate)) as one:
            assert one.ask("GET", "/").json_object() == {"a": 1}
        with peer(service.url) as one, pytest.raises(PeerUnreachable, match="could not be reached"):
            one.ask("GET", "/")
    finally:
        service.stop()
    for content in (None, b"no certificate"):
        path = tmp_path / "ca.pem"
        if content:
            path.write_bytes(content)
        with pytest.raises(PeerUnreachable, match="authorities"):
            peer("https://127.0.0.1", ca_file=str(path))


def test_each_exchange_is_one_line_without_anything_secret(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pomona.peers")
    with peer(service.url) as one:
        one.ask("POST", "/200", headers={"Authorization": "s3cret"}, params={"k": "s3cret"}, json_body="s3cret")
        one.ask("GET", "/503")
    with peer("http://127.0.0.1:9") as one, pytest.raises(PeerUnreachable):
        one.ask("GET", "/gone")
    lines = [(record.levelname, record.getMessage().rpartition(" ms=")[0]) for record in caplog.records]
    assert lines == [
        ("INFO", "peer='The service' method=POST path=/200 status=200"),
        ("WARNING", "peer='The service' method=GET path=/503 status=503"),
        ("WARNING", "peer='The service' method=GET path=/gone status=no answer"),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000, b"\xff"])
def test_what_is_no_object(service: Service, body: bytes) -> None:
    with peer(service.url) as one:
        answer = one.ask("GET", "/")
    with pytest.raises(PeerAnswerUnreadable):
        type(answer)(200, answer.headers, body).json_object()


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
    assert 80 < seconds_until(soon.strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 90
    assert [seconds_until(text) for text in ("30", "", "soon", "-5", "9" * 40)] == [30, 0, 0, 0, 86400]


@pytest.mark.parametrize(
    "date", ["01 Jan 99999999999 00:00:00 GMT", "01 Jan 2026 00:00:00 +99999999999999", "01 Jan 1 0:0:0 -9999"]
)
def test_a_date_that_no_calendar_has_asks_for_nothing(date: str) -> None:
    assert seconds_until(f"Mon, {date}") == 0


def test_pauses_double_up_to_the_longest_and_differ() -> None:
    for attempts, seconds in ((0, 10), (1, 20), (3, 80), (4, 100), (10_000, 100)):
        found = {pause_seconds(attempts, first=10, longest=100) for _ in range(20)}
        assert len(found) > 10
        assert all(0.9 * seconds <= one <= 1.1 * seconds for one in found)


def test_nobody_comes_before_the_time_that_was_asked_for() -> None:
    assert all(500 <= pause_seconds(0, first=10, longest=100, asked_for=500) <= 550 for _ in range(20))
