from django.test import RequestFactory, SimpleTestCase, override_settings

from mdm.common.proxies import client_ip, is_trusted_proxy


def request(remote: str, forwarded: str | None = None) -> object:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, **headers)


@override_settings(TRUSTED_PROXIES=["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
class ProxiesTest(SimpleTestCase):
    def test_only_named_addresses_are_trusted(self) -> None:
        for address, is_trusted in (
            ("10.9.8.7", True),
            ("192.0.2.1", True),
            ("192.0.2.2", False),
            ("2001:db8::7", True),
            ("2001:db9::7", False),
            ("", False),
            ("unix:", False),
            ("10.0.0.1, 10.0.0.2", False),
        ):
            self.assertEqual(is_trusted_proxy(request(address)), is_trusted, address)

    def test_the_callers_address_is_the_last_one_that_no_proxy_of_ours_has(self) -> None:
        for remote, forwarded, expected in (
            ("203.0.113.5", None, "203.0.113.5"),
            ("203.0.113.5", "1.1.1.1", "203.0.113.5"),
            ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("10.0.0.1", "1.1.1.1, 10.0.0.9, 192.0.2.1", "1.1.1.1"),
            ("10.0.0.1", "1.1.1.1, rubbish", "1.1.1.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
            ("10.0.0.1", "2001:db9::1", "2001:db9::1"),
            ("fe80::1%eth0", None, "fe80::1"),
            ("", None, None),
            ("unix:/socket", None, None),
        ):
            self.assertEqual(client_ip(request(remote, forwarded)), expected, (remote, forwarded))

    @override_settings(TRUSTED_PROXIES=[])
    def test_by_default_nobody_is_trusted(self) -> None:
        self.assertFalse(is_trusted_proxy(request("127.0.0.1")))
        self.assertEqual(client_ip(request("127.0.0.1", "1.1.1.1")), "127.0.0.1")
