"""The page of the push certificate."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Role
from mdm.common import certs
from mdm.push.certificates import request_certificate
from mdm.push.models import PushCertificate, PushRequest
from tests.admin.base import AdminTestCase

TOPIC = "com.apple.mgmt.External.1b2c"


def make_push_pem(key: object, *, topic: str = TOPIC, days: int = 365) -> bytes:
    """A certificate as Apple's portal gives it: the topic is its UID."""
    name = x509.Name([x509.NameAttribute(NameOID.USER_ID, topic), x509.NameAttribute(NameOID.COMMON_NAME, "APSP")])
    now = timezone.now()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(certs.new_serial()).not_valid_before(now - timedelta(days=400))
    return (
        builder.not_valid_after(now + timedelta(days=days)).sign(key, hashes.SHA256()).public_bytes(certs.Encoding.PEM)
    )


class PushCertificateTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.page = self.url(PushCertificate, "changelist")
        self.client = self.people[Role.ADMIN]
        self.key = certs.new_rsa_key()

    def upload(self, certificate: bytes, key: bytes | None = None, **data: str) -> HttpResponse:
        files = {"certificate": SimpleUploadedFile("push.pem", certificate)}
        if key:
            files["key"] = SimpleUploadedFile("key.pem", key)
        return self.client.post(self.url(PushCertificate, "upload"), data | files, follow=True)

    def test_without_one_the_page_says_what_does_not_work_and_what_to_do(self) -> None:
        response = self.client.get(self.page)
        self.assertContains(response, "cannot be woken")
        self.assertContains(response, "Make the request")
        # Home leads a new account to it.
        self.assertContains(self.client.get(reverse("admin:index")), self.page)

    def test_a_read_only_person_sees_how_it_stands_and_no_form(self) -> None:
        response = self.people[Role.READ_ONLY].get(self.page)
        self.assertContains(response, "cannot be woken")
        self.assertNotContains(response, "Make the request")

    def test_a_request_is_made_and_downloaded(self) -> None:
        self.client.post(self.url(PushCertificate, "ask"), {"email": "mdm@example.com"})
        self.assertEqual(len(self.events("push_certificate.requested")), 1)
        response = self.client.get(self.url(PushCertificate, "download"))
        self.assertIn("push-request.csr", response["Content-Disposition"])
        request = x509.load_pem_x509_csr(response.content)
        self.assertIn("mdm@example.com", request.subject.rfc4514_string())
        self.assertTrue(request.is_signature_valid)

    def test_a_request_needs_an_address(self) -> None:
        response = self.client.post(self.url(PushCertificate, "ask"), {"email": "nobody"})
        self.assertEqual(response.status_code, 422)
        self.assertFalse(PushRequest.objects.exists())

    def test_there_is_nothing_to_download_before_a_request(self) -> None:
        self.assertEqual(self.client.get(self.url(PushCertificate, "download")).status_code, 404)

    def test_a_vendor_file_that_cannot_sign_is_said(self) -> None:
        request_certificate(self.account, email="mdm@example.com")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "vendor.pem"
            path.write_text("nothing")
            for setting in (str(path), str(path) + "-missing"):
                with self.settings(PUSH_VENDOR_CERTIFICATE=setting):
                    response = self.client.get(self.url(PushCertificate, "download") + "?by=vendor", follow=True)
                self.assertContains(response, "cannot sign")

    def test_the_certificate_is_taken_with_the_waiting_key(self) -> None:
        request = request_certificate(self.account, email="mdm@example.com")
        pem = make_push_pem(certs.key_from_pem(request.key_pem.encode()))
        response = self.upload(pem, apple_id="apple@example.com")
        self.assertContains(response, "can be woken now")
        self.assertContains(response, TOPIC)
        certificate = PushCertificate.objects.get(account=self.account)
        self.assertEqual((certificate.topic, certificate.apple_id), (TOPIC, "apple@example.com"))
        self.assertEqual(self.events("push_certificate.uploaded")[0].actor_label, "admin@acme.example")
        self.assertNotContains(self.client.get(reverse("admin:index")), "No push certificate")

    def test_the_certificate_is_taken_with_its_own_key(self) -> None:
        response = self.upload(make_push_pem(self.key), certs.key_to_pem(self.key))
        self.assertContains(response, "can be woken now")
        self.assertNotContains(response, "PRIVATE KEY")

    def test_what_cannot_be_used_is_refused_at_its_field(self) -> None:
        key = certs.key_to_pem(self.key)
        for certificate, with_key, field in (
            (b"nothing", key, "certificate"),
            (make_push_pem(self.key, topic="com.example.other"), key, "certificate"),
            (make_push_pem(self.key, days=-1), key, "certificate"),
            (make_push_pem(self.key), None, "key"),
            (make_push_pem(self.key), b"no key", "key"),
            (make_push_pem(self.key), certs.key_to_pem(certs.new_rsa_key()), "key"),
            (b"x" * 70_000, key, "certificate"),
        ):
            response = self.upload(certificate, with_key)
            self.assertEqual(response.status_code, 422)
            self.assertIn(field, response.context["upload_form"].errors)
        self.assertFalse(PushCertificate.objects.exists())

    def test_how_it_stands_is_said_here_and_on_the_home_page(self) -> None:
        self.upload(make_push_pem(self.key), certs.key_to_pem(self.key))
        now = timezone.now()
        for changes, words in (
            ({"not_after": now + timedelta(days=100, hours=1)}, "expires in 100 days"),
            ({"not_after": now + timedelta(days=10, hours=1)}, "expires in 10 days. Renew it now"),
            ({"not_after": now - timedelta(days=1)}, "has expired"),
            (
                {"not_after": now + timedelta(days=100), "rejected_at": now, "rejected_reason": "BadCertificate"},
                "BadCertificate",
            ),
        ):
            PushCertificate.objects.update(**changes)
            self.assertContains(self.client.get(self.page), words)
            home = self.client.get(reverse("admin:index"))
            (self.assertNotContains if "100 days" in words else self.assertContains)(home, words)
