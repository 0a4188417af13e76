"""/api/v1/push_certificate: show it, replace it, and get the request that Apple makes one of."""

import base64
import plistlib
import tempfile
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils import timezone

from mdm.common import certs
from mdm.events.models import Event
from mdm.push.certificates import request_certificate
from mdm.push.models import OrderState, PushCertificate, PushRequest, SigningOrder
from mdm.push.signing import order_signature
from mdm.push.vendor import store_vendor_certificate
from tests.base import AccountTestCase
from tests.mdm.push.certificates import make_push_certificate
from tests.mdm.push.test_certificates import OTHER_TOPIC, TOPIC, certificate_for
from tests.mdm.push.test_csr import Vendor

URL = "/api/v1/push_certificate"


class ShowTest(AccountTestCase):
    def test_it_tells_the_apple_id_and_the_end(self):
        end = timezone.now().replace(microsecond=0) + timedelta(days=30)
        make_push_certificate(self.account, apple_id="push@example.com", not_after=end)
        answer = self.api.get(URL)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(
            answer.json(),
            {
                "data": {
                    "type": "push_certificate",
                    "attributes": {
                        "apple_id": "push@example.com",
                        "expires_at": f"{end:%Y-%m-%dT%H:%M:%S}.000Z",
                    },
                }
            },
        )

    def test_without_one_it_is_404(self):
        make_push_certificate(self.other_account)
        self.assertEqual(self.api.get(URL).status_code, 404)


class UpdateTest(AccountTestCase):
    def put(self, content: bytes, **more: str):
        file = SimpleUploadedFile("push.pem", content)
        return self.api.post(URL, {"_method": "PUT", "file": file, **more})

    def requested_key(self):
        request = request_certificate(self.account, email="push@example.com")
        return certs.key_from_pem(request.key_pem.encode())

    def refused(self, answer, sentence: str):
        self.assertEqual(answer.status_code, 422)
        self.assertIn(sentence, answer.json()["errors"][0]["title"])

    def test_the_certificate_of_the_last_request_is_taken(self):
        answer = self.put(certificate_for(self.requested_key()), apple_id="push@example.com")
        self.assertEqual(answer.status_code, 200, answer.content)
        row = PushCertificate.objects.get(account=self.account)
        self.assertEqual((row.topic, row.apple_id), (TOPIC, "push@example.com"))
        self.assertEqual(answer.json()["data"]["attributes"]["apple_id"], "push@example.com")
        event = Event.objects.get(event_type="push_certificate.uploaded")
        self.assertEqual((event.actor_label, event.api_key), ("Test key", self.api_key))

    def test_the_certificate_of_an_earlier_request_is_taken(self):
        key = self.requested_key()
        self.requested_key()
        self.assertEqual(self.put(certificate_for(key)).status_code, 200)

    def test_a_renewal_keeps_topic_and_apple_id(self):
        self.put(certificate_for(self.requested_key()), apple_id="push@example.com")
        answer = self.put(certificate_for(self.requested_key(), days=500))
        self.assertEqual(answer.status_code, 200)
        row = PushCertificate.objects.get(account=self.account)
        self.assertEqual(row.apple_id, "push@example.com")
        self.assertGreater(row.days_left, 450)

    def test_a_real_put_with_multipart_works(self):
        content = certificate_for(self.requested_key())
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="p.pem"\r\n\r\n' + content + b"\r\n--x--\r\n"
        )
        answer = self.api.request("PUT", URL, body, "multipart/form-data; boundary=x")
        self.assertEqual(answer.status_code, 200, answer.content)

    def test_another_topic_is_refused(self):
        self.put(certificate_for(self.requested_key()))
        self.refused(self.put(certificate_for(self.requested_key(), topic=OTHER_TOPIC)), "Renew the existing")
        self.assertEqual(PushCertificate.objects.get().topic, TOPIC)

    def test_what_is_no_certificate_is_refused_by_name(self):
        key = self.requested_key()
        self.refused(self.put(b""), "The file is empty.")
        self.refused(self.put(b"x" * 70000), "far too large")
        self.refused(self.put(b"<html>"), "not a certificate")
        self.refused(self.put(certificate_for(key, days=-1)), "expired")
        self.refused(self.put(certificate_for(key, topic=None)), "no push topic")
        self.refused(self.put(certificate_for(certs.new_rsa_key())), "private key does not belong")
        self.refused(self.api.put(URL, json={}), "file: ")
        self.refused(self.put(certificate_for(key), apple_id="nobody"), "apple_id: ")
        self.assertFalse(PushCertificate.objects.exists())
        self.assertEqual(PushRequest.objects.count(), 1)


class SignedRequestTest(AccountTestCase):
    URL = f"{URL}/scsr"

    def vendor_file(self, content: bytes) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "vendor.pem")
        path.write_bytes(content)
        return str(path)

    def test_it_is_a_plist_for_apples_portal_with_the_waiting_request(self):
        vendor = Vendor()
        with override_settings(PUSH_VENDOR_CERTIFICATE=self.vendor_file(vendor.bundle())):
            answer = self.api.get(self.URL)
            again = self.api.get(self.URL)
        self.assertEqual(answer.status_code, 200, answer.content)
        found = plistlib.loads(base64.b64decode(answer.json()["data"]))
        waiting = PushRequest.objects.get(account=self.account)
        self.assertEqual(base64.b64decode(found["PushCertRequestCSR"]), bytes(waiting.csr_der))
        self.assertEqual(len(x509.load_pem_x509_certificates(found["PushCertCertificateChain"].encode())), 3)
        name = x509.load_der_x509_csr(bytes(waiting.csr_der)).subject.rfc4514_string()
        self.assertIn("owner@example.com", name)
        self.assertEqual(plistlib.loads(base64.b64decode(again.json()["data"])), found)
        self.assertEqual(Event.objects.get(event_type="push_certificate.requested").actor_label, "Test key")

    def test_the_certificate_made_of_it_can_be_uploaded(self):
        with override_settings(PUSH_VENDOR_CERTIFICATE=self.vendor_file(Vendor().bundle())):
            self.api.get(self.URL)
        key = certs.key_from_pem(PushRequest.objects.get().key_pem.encode())
        file = SimpleUploadedFile("push.pem", certificate_for(key))
        self.assertEqual(self.api.post(URL, {"_method": "PUT", "file": file}).status_code, 200)

    def test_without_a_vendor_certificate_it_says_the_way_out_and_makes_nothing(self):
        for path, sentence in (
            ("", "PUSH_VENDOR_CERTIFICATE"),
            ("/nowhere/vendor.pem", "cannot be read"),
            (self.vendor_file(b"nothing"), "no private key"),
        ):
            with override_settings(PUSH_VENDOR_CERTIFICATE=path):
                answer = self.api.get(self.URL)
            self.assertEqual(answer.status_code, 422)
            self.assertIn(sentence, answer.json()["errors"][0]["title"])
        self.assertFalse(PushRequest.objects.exists())

    def leaf_of(self, answer) -> x509.Certificate:
        found = plistlib.loads(base64.b64decode(answer.json()["data"]))
        return x509.load_pem_x509_certificates(found["PushCertCertificateChain"].encode())[0]

    def test_the_accounts_own_vendor_certificate_signs_before_the_servers(self):
        own, servers = Vendor("Ours"), Vendor("The server's")
        store_vendor_certificate(self.account, [own.bundle()])
        with override_settings(PUSH_VENDOR_CERTIFICATE=self.vendor_file(servers.bundle())):
            self.assertEqual(self.leaf_of(self.api.get(self.URL)), own.leaf)
            self.assertEqual(self.leaf_of(self.outsider_api.get(self.URL)), servers.leaf)

    def test_without_any_vendor_certificate_it_is_what_mdmcert_download_signed(self):
        order = order_signature(self.account, email="mdm@example.com", api_key="key")
        self.assertEqual(self.api.get(self.URL).status_code, 422)
        SigningOrder.objects.filter(pk=order.pk).update(state=OrderState.ANSWERED, signed_request="c2lnbmVk")
        self.assertEqual(self.api.get(self.URL).json()["data"], "c2lnbmVk")
        self.assertEqual(self.outsider_api.get(self.URL).status_code, 422)
        request_certificate(self.account, email="mdm@example.com")  # what is signed is an earlier one now
        self.assertEqual(self.api.get(self.URL).status_code, 422)

    def test_the_address_of_last_time_stands_in_the_next_request(self):
        make_push_certificate(self.account, apple_id="apple@example.com", request_email="mdm@example.com")
        with override_settings(PUSH_VENDOR_CERTIFICATE=self.vendor_file(Vendor().bundle())):
            self.api.get(self.URL)
        self.assertEqual(PushRequest.objects.get(account=self.account).email, "mdm@example.com")

    def test_a_read_only_key_may_not_ask_for_one(self):
        self.assertEqual(self.read_only_api.get(self.URL).status_code, 403)
