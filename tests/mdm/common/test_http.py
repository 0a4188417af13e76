"""The outbound client against a real server, and what it never connects to."""

import socket
import time
from contextlib import suppress
from threading import Thread
from unittest import TestCase
from unittest.mock import patch

from mdm.common import http
from mdm.common.addresses import AddressRefused, BadUrl, OutboundError, check_url, is_public
from mdm.common.http import MAX_ANSWER_BYTES, Answer, OutboundClient
from tests.fakes.webhook_receiver import Reply, WebhookReceiver, unused_url

LOOKUP = "mdm.common.addresses.socket.getaddrinfo"


def found(*addresses: str):
    """What a lookup gives for these addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def _is_public_but_for_loopback(address: str) -> bool:
    """The receiver of the tests stands for a public one."""
    return address == "127.0.0.1" or is_public(address)


def _answer_each(server: socket.socket, answers: tuple[bytes, ...]) -> None:
    for answer in answers:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            with suppress(ConnectionError):  # it need not be read to its end
                connection.sendall(answer)


class AddressTest(TestCase):
    def test_public_addresses(self):
        for address in ("8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
            self.assertTrue(is_public(address), address)

    def test_addresses_of_our_own_network(self):
        for address in (
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:db8::1",
        ):
            self.assertFalse(is_public(address), address)


class CheckUrlTest(TestCase):
    def test_good_ones(self):
        for url, host in (
            ("https://hooks.example.com/a?b=c", "hooks.example.com"),
            ("http://example.com:8080", "example.com"),
            ("https://8.8.8.8/", "8.8.8.8"),
            ("https://münchen.de/", "münchen.de"),
        ):
            self.assertEqual(check_url(url, allows_private=False).host, host)

    def test_what_is_no_address_to_send_to(self):
        for url, words in (
            ("", "begin with"),
            ("nonsense", "begin with"),
            ("ftp://example.com/", "begin with"),
            ("file:///etc/passwd", "begin with"),
            ("https://", "names no host"),
            ("https:///path", "names no host"),
            ("https://user:pass@example.com/", "user name or password"),
            ("https://user@example.com/", "user name or password"),
            ("https://example.com:99999/", "port"),
            ("https://example.com:0/", "port"),
            ("https://example.com:x/", "not a URL"),
            ("https://exa mple.com/", "spaces"),
            ("https://example.com/\nHost: x", "spaces"),
            ("https://example.com/" + "x" * 2000, "2000"),
        ):
            with self.assertRaises(BadUrl, msg=url) as caught:
                check_url(url, allows_private=True)
            self.assertIn(words, str(caught.exception), url)

    def test_addresses_of_our_own_network_unless_they_are_allowed(self):
        for url in (
            "http://127.0.0.1/",
            "http://localhost:9000/",
            "http://LOCALHOST./",
            "http://x.localhost/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
        ):
            with self.assertRaises(AddressRefused, msg=url):
                check_url(url, allows_private=False)
            check_url(url, allows_private=True)


class OutboundClientTest(TestCase):
    def setUp(self):
        self.receiver = self.enterContext(WebhookReceiver())
        self.port = self.receiver.server.server_port

    def send(self, url: str = "", *, allows_private: bool = True, **options):
        with OutboundClient(allows_private=allows_private, **options) as client:
            return client.send("POST", url or self.receiver.url, headers={"X-One": "1"}, content=b"hello")

    def test_a_request_and_its_answer(self):
        self.receiver.replies = [Reply(200, {"X-Two": "2"}, b"fine")]
        answer = self.send(f"{self.receiver.url}?a=b#c")
        self.assertEqual((answer.status, answer.body, answer.is_complete), (200, b"fine", True))
        self.assertEqual(answer.headers["x-two"], "2")
        (request,) = self.receiver.received
        self.assertEqual((request.path, request.body, request.headers["X-One"]), ("/hook?a=b", b"hello", "1"))
        self.assertEqual(request.headers["Host"], f"127.0.0.1:{self.port}")

    def test_one_connection_for_several_requests(self):
        with (
            OutboundClient(allows_private=True) as client,
            patch("mdm.common.http.look_up", return_value=["127.0.0.1"]) as lookup,
        ):
            for _ in range(3):
                client.send("POST", self.receiver.url, headers={})
            self.assertEqual(lookup.call_count, 1)

    def test_a_long_answer_is_cut(self):
        self.receiver.replies = [Reply(200, body=b"x" * 100_000)]
        answer = self.send(max_answer_bytes=1000)
        self.assertEqual((answer.status, len(answer.body), answer.is_complete), (200, 1000, False))

    def test_redirects_are_answers(self):
        self.receiver.replies = [Reply(307, {"Location": "http://169.254.169.254/"})]
        self.assertEqual(self.send().status, 307)
        self.assertEqual(len(self.receiver.received), 1)

    def test_307_and_308_are_followed_where_that_is_asked_for(self):
        self.receiver.replies = [
            Reply(307, {"Location": "/second?a=b"}, b"moved"),
            Reply(308, {"Location": f"{self.receiver.url}/third"}),
            Reply(200, body=b"here"),
        ]
        answer = self.send(follows_redirects=True)
        self.assertEqual((answer.status, answer.body), (200, b"here"))
        self.assertEqual([one.path for one in self.receiver.received], ["/hook", "/second?a=b", "/hook/third"])
        self.assertEqual({(one.body, one.headers["X-One"]) for one in self.receiver.received}, {(b"hello", "1")})

    def test_301_302_and_303_are_answers(self):
        for status in (301, 302, 303):
            self.receiver.replies = [Reply(status, {"Location": "/elsewhere"})]
            self.assertEqual(self.send(follows_redirects=True).status, status)
        self.assertEqual(len(self.receiver.received), 3)

    def test_no_more_than_three_redirects(self):
        self.receiver.replies = [Reply(307, {"Location": "/hook"})] * 3
        self.assertEqual(self.send(follows_redirects=True).status, 204)
        self.receiver.usual = Reply(307, {"Location": "/hook"})
        with self.assertRaisesRegex(OutboundError, "More than 3 redirects"):
            self.send(follows_redirects=True)
        self.assertEqual(len(self.receiver.received), 8)

    def test_a_redirect_leads_nowhere_that_a_url_may_not(self):
        for location, error, sentence in (
            ("http://169.254.169.254/latest", AddressRefused, "private network"),
            ("http://[::1]/", AddressRefused, "private network"),
            ("//localhost/", AddressRefused, "private network"),
            ("ftp://example.com/", BadUrl, "must begin with"),
            ("http://somebody:secret@example.com/", BadUrl, "user name"),
            ("http://[::1", BadUrl, "not a URL"),
            ("", BadUrl, "does not say where"),
        ):
            self.receiver.replies = [Reply(307, {"Location": location})]
            with (
                self.subTest(location),
                patch(LOOKUP, return_value=found("127.0.0.1")),
                patch("mdm.common.addresses.is_public", side_effect=_is_public_but_for_loopback),
                self.assertRaisesRegex(error, sentence),
            ):
                self.send(f"http://hooks.example.com:{self.port}/", allows_private=False, follows_redirects=True)

    def test_a_redirect_to_a_name_that_stands_for_a_private_address_is_refused_at_connecting(self):
        self.receiver.replies = [Reply(308, {"Location": f"http://inside.example.com:{self.port}/"})]
        with (
            patch(LOOKUP, side_effect=[found("127.0.0.1"), found("10.0.0.1")]),
            patch("mdm.common.addresses.is_public", side_effect=_is_public_but_for_loopback),
            self.assertRaisesRegex(AddressRefused, "inside.example.com stands for an address of a private network"),
        ):
            self.send(f"http://hooks.example.com:{self.port}/", allows_private=False, follows_redirects=True)
        self.assertEqual(len(self.receiver.received), 1)

    def test_a_redirect_from_https_to_http_is_refused(self):
        target = http._target("https://hooks.example.com/a", allows_private=False)
        for location in ("http://hooks.example.com/b", "ftp://hooks.example.com/"):
            with self.assertRaisesRegex(BadUrl, "leads from https to"):
                http._next(target, Answer(307, {"location": location}, b"", True), allows_private=False)
        followed = http._next(
            target, Answer(307, {"location": "//other.example.com/b"}, b"", True), allows_private=False
        )
        self.assertEqual(str(followed.url), "https://other.example.com/b")

    def test_the_time_is_that_of_all_redirects_together(self):
        self.receiver.usual = Reply(307, {"Location": "/hook"}, wait_seconds=0.3)
        with self.assertRaisesRegex(OutboundError, "No answer within 0.5 seconds"):
            self.send(timeout_seconds=0.5, follows_redirects=True)

    def test_a_connection_that_was_closed_meanwhile_is_replaced(self):
        with OutboundClient(allows_private=True) as client:
            client.send("POST", self.receiver.url, headers={})
            (kept,) = client._pool.connections
            kept._connection._network_stream._socket.shutdown(socket.SHUT_RDWR)
            self.assertEqual(client.send("POST", self.receiver.url, headers={}).status, 204)
        self.assertEqual(len(self.receiver.received), 2)

    def test_an_answer_that_ends_too_early_is_none(self):
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        answers = (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", b"SSH-2.0-OpenSSH_9.2\r\n", b"")
        thread = Thread(target=_answer_each, args=(server, answers))
        thread.start()
        for _ in answers:
            with self.assertRaisesRegex(OutboundError, "The request failed"):
                self.send(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()

    def send_to_answer(self, answer: bytes) -> Answer:
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        thread = Thread(target=_answer_each, args=(server, (answer,)))
        thread.start()
        try:
            return self.send(f"http://127.0.0.1:{server.getsockname()[1]}/")
        finally:
            thread.join()

    def test_an_answer_is_bounded_in_all_its_parts(self):
        """A chunk of less than no bytes is read to the end of the connection."""
        much = b"x" * (8 * MAX_ANSWER_BYTES)
        for answer in (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + much,
            b"HTTP/1.1 200 OK\r\n" + (b"X-One: " + b"x" * 60_000 + b"\r\n") * 20 + b"\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000,
        ):
            with self.assertRaisesRegex(OutboundError, "The request failed"):
                self.send_to_answer(answer)

    def test_what_is_no_http_is_not_repeated(self):
        """PostgreSQL could not even store it."""
        for answer in (b"no\x00 such \x07 thing\r\n\r\n", b"HTTP/9\x00 200 OK\r\n\r\n", b"HTTP/1.1 2\x000 OK\r\n\r\n"):
            with self.assertRaises(OutboundError) as raised:
                self.send_to_answer(answer)
            self.assertEqual(str(raised.exception), "The request failed: the answer is not HTTP, or too long.")

    def test_what_comes_before_the_answer_is_passed_over(self):
        first = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        answer = self.send_to_answer(first + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.assertEqual((answer.status, answer.body), (200, b"ok"))

    def test_a_header_cannot_begin_another(self):
        with OutboundClient(allows_private=True) as client, self.assertRaises(BadUrl):
            client.send("POST", self.receiver.url, headers={"X-One": "1\r\nX-Two: 2"})
        self.assertEqual(self.receiver.received, [])

    def test_the_time_is_that_of_the_whole_request(self):
        for reply in (Reply(wait_seconds=3), Reply(200, drips=True)):
            self.receiver.replies = [reply]
            started = time.monotonic()
            with self.assertRaisesRegex(OutboundError, "No answer within 0.5 seconds"):
                self.send(timeout_seconds=0.5)
            self.assertLess(time.monotonic() - started, 2)

    def test_nobody_listens(self):
        with unused_url() as url, self.assertRaisesRegex(OutboundError, "The request failed"):
            self.send(url)

    def test_a_name_that_nobody_knows(self):
        with (
            patch(LOOKUP, side_effect=socket.gaierror),
            self.assertRaisesRegex(OutboundError, "hooks.example.com is not known"),
        ):
            self.send("https://hooks.example.com/")

    def test_an_answer_that_is_no_http(self):
        server = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(5)
        with OutboundClient(allows_private=True, timeout_seconds=0.5) as client, self.assertRaises(OutboundError):
            client.send("POST", f"https://127.0.0.1:{server.getsockname()[1]}/", headers={})

    def test_names_that_stand_for_private_addresses_are_refused(self):
        for addresses in (["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "192.168.0.1"], ["::1"]):
            with patch(LOOKUP, return_value=found(*addresses)), self.assertRaises(AddressRefused):
                self.send(f"http://rebind.example.com:{self.port}/", allows_private=False)
        self.assertEqual(self.receiver.received, [])

    def test_other_ways_to_write_an_address_are_refused_as_well(self):
        for host in ("2130706433", "0x7f.1", "0x7f000001", "017700000001"):
            with self.assertRaises(AddressRefused, msg=host):
                self.send(f"http://{host}:{self.port}/", allows_private=False)
        self.assertEqual(self.receiver.received, [])

    def test_the_connection_goes_to_the_address_that_was_checked(self):
        """A second lookup could give another one."""
        with (
            patch(LOOKUP, side_effect=[found("127.0.0.1"), AssertionError("looked up twice")]) as lookup,
            patch("mdm.common.addresses.is_public", return_value=True),
            patch("mdm.common.http._open", side_effect=RuntimeError("stop here")) as connect,
            self.assertRaisesRegex(RuntimeError, "stop here"),
        ):
            self.send(f"http://rebind.example.com:{self.port}/", allows_private=False)
        self.assertEqual(lookup.call_count, 1)
        self.assertEqual(connect.call_args.args[:2], ("127.0.0.1", self.port))

    def test_the_name_is_asked_for_even_though_the_address_is_connected_to(self):
        with patch("mdm.common.http.look_up", return_value=["127.0.0.1"]):
            self.send(f"http://hooks.example.com:{self.port}/hook")
        self.assertEqual(self.receiver.received[0].headers["Host"], f"hooks.example.com:{self.port}")

    def test_an_address_that_swallows_everything_leaves_time_for_the_next(self):
        opened, asked = http._open, []

        def swallowing(address: str, port: int, timeout: float) -> socket.socket:
            asked.append((address, timeout))
            if address != "127.0.0.1":
                raise TimeoutError
            return opened(address, port, timeout)

        addresses = ["2001:db8::1", "2001:db8::2", "127.0.0.1"]
        with (
            patch("mdm.common.http.look_up", return_value=addresses),
            patch("mdm.common.http._open", side_effect=swallowing),
        ):
            self.assertEqual(self.send(f"http://hooks.example.com:{self.port}/hook", timeout_seconds=9).status, 204)
        self.assertEqual([address for address, _ in asked], addresses)
        self.assertLessEqual(asked[0][1], 3)

    def test_the_next_address_is_tried_when_one_does_not_answer(self):
        with patch("mdm.common.http.look_up", return_value=["127.0.0.2", "127.0.0.1"]):
            self.assertEqual(self.send(f"http://hooks.example.com:{self.port}/hook").status, 204)
