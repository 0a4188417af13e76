"""A certificate that a proxy vouches for: believed only where the operator said so."""

import base64
import plistlib
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding
from django.http import HttpResponse
from django.test import override_settings

from mdm.channels.models import Channel
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import CONNECT

HEADER = "X-Client-Certificate"
PROXY = "10.1.2.3"


@override_settings(CLIENT_CERT_HEADER=HEADER, TRUSTED_PROXIES=["10.1.0.0/16"])
class ClientCertificateHeaderTest(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = self.enrolled_device()
        self.pem = self.device.certificate.public_bytes(Encoding.PEM).decode()
        self.der = base64.b64encode(self.device.certificate.public_bytes(Encoding.DER)).decode()

    def idle(self, value: str | None, *, address: str = PROXY, name: str = HEADER, **meta: str) -> HttpResponse:
        body = plistlib.dumps({"Status": "Idle", **self.device.ids})
        headers = {"Mdm-Signature": None} | ({name: value} if value is not None else {})
        return self.device.put(CONNECT, body, headers=headers, REMOTE_ADDR=address, **meta)

    def test_nginxs_escaped_pem_is_taken(self) -> None:
        self.assertEqual(self.idle(quote(self.pem, safe="")).status_code, 200)

    def test_a_pem_with_its_line_ends_lost_is_taken(self) -> None:
        self.assertEqual(self.idle(self.pem.replace("\n", " ")).status_code, 200)

    def test_base64_of_the_der_form_is_taken(self) -> None:
        self.assertEqual(self.idle(self.der).status_code, 200)
        self.assertEqual(self.idle(f":{self.der}:").status_code, 200)

    def test_from_anywhere_else_it_is_as_if_it_were_not_there(self) -> None:
        for address in ("192.0.2.1", "127.0.0.1", "10.2.0.1", "::1"):
            self.assertEqual(self.idle(self.der, address=address).status_code, 400)

    def test_naming_the_proxy_in_x_forwarded_for_does_not_help(self) -> None:
        response = self.idle(self.der, address="192.0.2.1", HTTP_X_FORWARDED_FOR=PROXY)
        self.assertEqual(response.status_code, 400)

    def test_without_the_setting_it_is_never_believed(self) -> None:
        with override_settings(CLIENT_CERT_HEADER=""):
            self.assertEqual(self.idle(self.der).status_code, 400)
        with override_settings(TRUSTED_PROXIES=[]):
            self.assertEqual(self.idle(self.der).status_code, 400)

    def test_another_header_of_the_proxy_is_not_believed(self) -> None:
        self.assertEqual(self.idle(self.der, name="X-Ssl-Cert").status_code, 400)

    def test_rubbish_is_400(self) -> None:
        for value in ("rubbish", "AAAA", "", "%", self.der[:-20], self.der * 100, "(null)", "\xb2"):
            self.assertEqual(self.idle(value).status_code, 400, value[:20])

    def test_a_stranger_behind_the_proxy_is_403(self) -> None:
        other = self.new_device()
        self.assertEqual(
            self.idle(base64.b64encode(other.certificate.public_bytes(Encoding.DER)).decode()).status_code, 403
        )

    def test_a_signature_counts_more_than_the_header(self) -> None:
        other = self.enrolled_device()
        body = plistlib.dumps({"Status": "Idle", **other.ids})
        response = other.put(CONNECT, body, headers={HEADER: self.der}, REMOTE_ADDR=PROXY)
        self.assertEqual(response.status_code, 200)

    def test_the_devices_own_address_is_kept_not_the_proxys(self) -> None:
        for hops, seen in (
            ("203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9, 10.1.9.9", "203.0.113.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("nonsense", PROXY),
            ("", PROXY),
        ):
            Channel.objects.update(last_seen_at=None)
            self.assertEqual(self.idle(self.der, HTTP_X_FORWARDED_FOR=hops).status_code, 200)
            self.assertEqual(self.device.channel.last_seen_ip, seen)

    def test_from_a_stranger_x_forwarded_for_is_not_believed(self) -> None:
        body = plistlib.dumps({"Status": "Idle", **self.device.ids})
        Channel.objects.update(last_seen_at=None)
        self.device.put(CONNECT, body, REMOTE_ADDR="192.0.2.77", HTTP_X_FORWARDED_FOR="1.2.3.4")
        self.assertEqual(self.device.channel.last_seen_ip, "192.0.2.77")
