import base64
from urllib.parse import quote, quote_plus

from cryptography import x509
from django.test import Client

from enrollment.models import IdentityCertificate
from mdm.protocol.scep import MAX_MESSAGE_BYTES
from tests.enrollment.base import EnrollmentTestCase


class ScepEndpointTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.url = f"/scep/{self.authority.scep_id}"
        self.http = Client(enforce_csrf_checks=True)

    def test_capabilities_are_plain_text_lines(self):
        response = self.http.get(f"{self.url}?operation=GetCACaps")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response["Content-Type"], "text/plain")
        self.assertLessEqual({b"AES", b"SHA-256", b"POSTPKIOperation", b"Renewal"}, set(response.content.split()))

    def test_the_ca_certificate_is_bare_der_with_the_exact_content_type(self):
        response = self.http.get(f"{self.url}?operation=GetCACert&message=anything")
        self.assertEqual(response["Content-Type"], "application/x-x509-ca-cert")
        self.assertEqual(response.content, bytes(self.authority.certificate_der))
        x509.load_der_x509_certificate(response.content)

    def test_the_name_that_old_clients_append_works(self):
        for ending in ("/", "/pkiclient.exe"):
            self.assertEqual(self.http.get(f"{self.url}{ending}?operation=GetCACaps").status_code, 200)

    def test_a_post_is_answered_with_the_exact_content_type(self):
        device = self.scep()
        response = device.post(device.message(self.challenge()))
        self.assertEqual(response["Content-Type"], "application/x-pki-message")
        self.assert_success(device.read(response))

    def test_a_get_takes_standard_and_url_safe_base64(self):
        for encode, to_url in (
            (base64.b64encode, quote_plus),
            (base64.b64encode, str),
            (base64.urlsafe_b64encode, str),
        ):
            with self.subTest(encode.__name__ + to_url.__name__):
                device = self.scep()
                text = encode(device.message(self.challenge())).decode()
                response = self.http.get(f"{self.url}?operation=PKIOperation&message={to_url(text)}")
                self.assertEqual(response["Content-Type"], "application/x-pki-message")
                self.assert_success(device.read(response))

    def test_a_post_may_repeat_its_message_in_the_query(self):
        device = self.scep()
        message = device.message(self.challenge())
        text = quote(base64.b64encode(message).decode(), safe="")
        self.assertGreater(len(text), 2500)
        for body in (message, b""):
            response = self.http.post(
                f"{self.url}?operation=PKIOperation&message={text}", body, content_type="application/x-pki-message"
            )
            self.assert_success(device.read(response))
        self.assertEqual(IdentityCertificate.objects.count(), 1)

    def test_no_answer_sets_a_cookie(self):
        for operation in ("GetCACaps", "GetCACert", "Nonsense"):
            self.assertFalse(self.http.get(f"{self.url}?operation={operation}").cookies)

    def test_unknown_and_missing_operations_are_400(self):
        for query in ("", "?operation=", "?operation=GetCRL", "?operation=getcacaps"):
            self.assertEqual(self.http.get(self.url + query).status_code, 400, query)
        self.assertEqual(self.http.post(f"{self.url}?operation=GetCACert").status_code, 400)

    def test_an_unknown_authority_is_404(self):
        self.assertEqual(self.http.get("/scep/nobody?operation=GetCACert").status_code, 404)

    def test_other_methods_are_405(self):
        self.assertEqual(self.http.put(f"{self.url}?operation=PKIOperation").status_code, 405)

    def test_an_unreadable_message_is_400_and_leaves_no_log_entry(self):
        for body in (b"", b"hello", b"0\x80", b"\x30\x03\x02\x01\x01"):
            response = self.http.post(
                f"{self.url}?operation=PKIOperation", body, content_type="application/x-pki-message"
            )
            self.assertEqual(response.status_code, 400, body)
        self.assertEqual(self.http.get(f"{self.url}?operation=PKIOperation&message=%25%25").status_code, 400)
        self.assertEqual(self.events("certificate.refused"), [])

    def test_an_oversized_body_is_413(self):
        body = b"\x30" + bytes(MAX_MESSAGE_BYTES)
        response = self.http.post(f"{self.url}?operation=PKIOperation", body, content_type="application/x-pki-message")
        self.assertEqual(response.status_code, 413)

    def test_a_head_request_spends_no_challenge(self):
        text = base64.urlsafe_b64encode(self.scep().message(self.challenge())).decode()
        self.assertEqual(self.http.head(f"{self.url}?operation=PKIOperation&message={text}").status_code, 400)
        self.assertEqual(self.http.head(f"{self.url}?operation=GetCACert").status_code, 200)
        self.assertEqual(IdentityCertificate.objects.count(), 0)
