"""The outbound client against a real server, and what it never connects to."""

import socket
import time
from unittest import TestCase
from unittest.mock import patch

from mdm.common.http import AddressRefused, BadUrl, OutboundClient, OutboundError, check_url, is_public
from tests.fakes.webhook_receiver import Reply, WebhookReceiver, unused_url

LOOKUP = "mdm.common.http.socket.getaddrinfo"


def found(*addresses: str):
    """What a lookup gives for these addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


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
            patch("mdm.common.http._CheckedNetwork._addresses", return_value=["127.0.0.1"]) as lookup,
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
            patch("mdm.common.http.is_public", return_value=True),
            patch("httpcore.SyncBackend.connect_tcp", side_effect=RuntimeError("stop here")) as connect,
            self.assertRaisesRegex(RuntimeError, "stop here"),
        ):
            self.send(f"http://rebind.example.com:{self.port}/", allows_private=False)
        self.assertEqual(lookup.call_count, 1)
        self.assertEqual(connect.call_args.args[:2], ("127.0.0.1", self.port))

    def test_the_name_is_asked_for_even_though_the_address_is_connected_to(self):
        with patch("mdm.common.http._CheckedNetwork._addresses", return_value=["127.0.0.1"]):
            self.send(f"http://hooks.example.com:{self.port}/hook")
        self.assertEqual(self.receiver.received[0].headers["Host"], f"hooks.example.com:{self.port}")

    def test_the_next_address_is_tried_when_one_does_not_answer(self):
        with patch("mdm.common.http._CheckedNetwork._addresses", return_value=["127.0.0.2", "127.0.0.1"]):
            self.assertEqual(self.send(f"http://hooks.example.com:{self.port}/hook").status, 204)
