"""The page of the push certificate: who signs the request, and giving up a topic."""

import base64
import plistlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import override_settings

from mdm.accounts.models import Role
from mdm.channels.models import Channel
from mdm.common import certs
from mdm.push.certificates import request_certificate
from mdm.push.models import OrderState, PushCertificate, SigningAccess, SigningOrder, VendorCertificate
from mdm.push.signing import order_signature
from mdm.push.tasks import send_signing_orders
from mdm.push.vendor import store_vendor_certificate
from tests.admin.base import AdminTestCase
from tests.admin.test_push_certificate import TOPIC, make_push_pem
from tests.factories import make_device
from tests.fakes.mdmcert import API_KEY, FakeMdmcert
from tests.fakes.vendor import Vendor, key_pem
from tests.mdm.push.certificates import make_push_certificate

EMAIL = "mdm@acme.example"


class PageTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.page = self.url(PushCertificate, "changelist")
        self.client = self.people[Role.ADMIN]

    def post(self, view: str, *files: bytes, field: str = "files", **data: str) -> HttpResponse:
        given = [SimpleUploadedFile(f"file{number}", file) for number, file in enumerate(files)]
        return self.client.post(self.url(PushCertificate, view), data | ({field: given} if given else {}), follow=True)

    def download(self, by: str = "") -> HttpResponse:
        return self.client.get(self.url(PushCertificate, "download"), {"by": by} if by else {})


class VendorTest(PageTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vendor = Vendor("Acme MDM vendor")

    def test_uploaded_it_signs_and_is_shown_to_everybody_without_its_key(self) -> None:
        request_certificate(self.account, email=EMAIL)
        response = self.post("vendor", self.vendor.bundle())
        self.assertContains(response, "signs the account&#x27;s requests now")
        for person in self.people.values():
            page = person.get(self.page)
            self.assertContains(page, "Acme MDM vendor")
            self.assertContains(page, f"{self.vendor.leaf.not_valid_after_utc:%Y-%m-%d}")
            self.assertNotContains(page, "PRIVATE KEY")
        signed = self.download("vendor")
        self.assertIn("push-request-for-apple.txt", signed["Content-Disposition"])
        found = plistlib.loads(base64.b64decode(signed.content))
        self.assertEqual(
            x509.load_pem_x509_certificates(found["PushCertCertificateChain"].encode())[0], self.vendor.leaf
        )
        self.assertEqual(self.events("vendor_certificate.uploaded")[0].actor_label, "admin@acme.example")

    def test_separate_files_and_a_passphrase_are_taken(self) -> None:
        parts = [one.public_bytes(Encoding.DER) for one in (self.vendor.leaf, self.vendor.middle, self.vendor.root)]
        locked = key_pem(self.vendor.key, b" secret ")
        refused = self.post("vendor", *parts, locked)
        self.assertEqual(refused.status_code, 422)
        self.assertIn("passphrase", refused.context["vendor_form"].errors)
        response = self.post("vendor", *parts, locked, passphrase=" secret ")
        self.assertEqual(response.status_code, 200)
        self.assertTrue(VendorCertificate.objects.exists())

    def test_what_cannot_sign_is_refused_at_its_field(self) -> None:
        for files in ([b"rubbish"], [self.vendor.bundle(keys=b"")], [b"x" * 70_000], [b"x"] * 7, [], [b""]):
            response = self.post("vendor", *files)
            self.assertEqual(response.status_code, 422)
            self.assertIn("files", response.context["vendor_form"].errors)
        self.assertFalse(VendorCertificate.objects.exists())

    def test_removed_it_signs_no_more_and_a_second_time_is_said(self) -> None:
        request_certificate(self.account, email=EMAIL)
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        self.assertContains(self.post("remove_vendor"), "its key deleted")
        self.assertContains(self.post("remove_vendor"), "no vendor certificate of this account")
        self.assertEqual(self.download("vendor").status_code, 302)
        self.assertEqual(len(self.events("vendor_certificate.removed")), 1)

    def test_another_accounts_vendor_certificate_is_not_there(self) -> None:
        store_vendor_certificate(self.other_account, [self.vendor.bundle()])
        self.assertNotContains(self.client.get(self.page), "Acme MDM vendor")
        self.post("remove_vendor")
        self.assertTrue(VendorCertificate.objects.exists())


class SigningServiceTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.enterContext(FakeMdmcert())
        self.enterContext(override_settings(MDMCERT_URL=self.service.url, MDMCERT_API_KEY=API_KEY))

    def order(self, **data: str) -> HttpResponse:
        return self.post("order", **({"signing_email": EMAIL} | data))

    def test_the_whole_way(self) -> None:
        self.assertContains(self.order(), "Being sent")
        self.assertEqual(self.service.requests, [])
        send_signing_orders()
        self.assertContains(self.client.get(self.page), "Wait for the e-mail")
        response = self.post("answer", self.service.mails[0].file, field="mailed")
        self.assertContains(response, "ready to be downloaded")
        signed = self.download("service")
        self.assertEqual(signed.content.decode(), SigningOrder.objects.get().signed_request)
        self.assertEqual(self.events("push_certificate.signing_received")[0].actor_label, "admin@acme.example")

    def test_what_was_signed_before_a_new_request_is_told_from_the_present_one(self) -> None:
        self.order()
        send_signing_orders()
        self.post("answer", self.service.mails[0].file, field="mailed")
        self.assertNotContains(self.client.get(self.page), "an earlier request")
        self.post("ask", email=EMAIL)
        self.assertContains(self.client.get(self.page), "an earlier request")
        self.assertEqual(self.download("service").status_code, 200)

    def test_without_a_key_it_asks_for_one_at_its_field(self) -> None:
        with override_settings(MDMCERT_API_KEY=""):
            response = self.order()
            self.assertEqual(response.status_code, 422)
            self.assertIn("api_key", response.context["order_form"].errors)
            self.assertNotContains(self.order(api_key="our-own-key"), "our-own-key")
        self.assertContains(self.client.get(self.page), "Forget the API key")
        self.assertContains(self.post("forget_key"), "The key is forgotten")
        self.assertContains(self.post("forget_key"), "keeps no key")

    def test_the_address_is_remembered(self) -> None:
        self.order()
        SigningOrder.objects.all().delete()
        self.assertEqual(self.client.get(self.page).context["order_form"].initial["signing_email"], EMAIL)

    def test_a_second_one_is_refused_while_one_waits(self) -> None:
        self.order()
        response = self.order()
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "on its way", status_code=422)

    def test_cancelling_in_time_and_too_late(self) -> None:
        self.order()
        self.assertContains(self.post("cancel"), "not sent any more")
        self.assertContains(self.post("cancel"), "too late")

    def test_a_refusal_of_the_service_is_shown_to_everybody(self) -> None:
        self.service.registered = set()
        self.order()
        send_signing_orders()
        for person in self.people.values():
            self.assertContains(person.get(self.page), "The address is not registered")

    def test_a_wrong_file_is_refused_at_its_field(self) -> None:
        self.order()
        for file in (b"rubbish", b"30820100", b"x" * 300_000):
            response = self.post("answer", file, field="mailed")
            self.assertEqual(response.status_code, 422)
            self.assertIn("mailed", response.context["answer_form"].errors)

    def test_another_accounts_order_is_not_there(self) -> None:
        order = order_signature(self.other_account, email="mdm@elsewhere.example")
        SigningOrder.objects.filter(pk=order.pk).update(state=OrderState.ANSWERED, signed_request="c2lnbmVk")
        self.assertNotContains(self.client.get(self.page), "mdm@elsewhere.example")
        self.assertEqual(self.download("service").status_code, 404)
        send_signing_orders()
        self.post("cancel")
        self.assertEqual(SigningOrder.objects.get().state, OrderState.ANSWERED)

    def test_a_read_only_person_sees_how_it_stands_and_can_do_nothing(self) -> None:
        self.order()
        page = self.people[Role.READ_ONLY].get(self.page)
        self.assertContains(page, "Waiting to be sent")
        self.assertNotContains(page, '<form method="post" action="/admin/mdm_push')
        self.assertEqual(self.people[Role.READ_ONLY].post(self.url(PushCertificate, "order")).status_code, 403)
        self.assertEqual(SigningAccess.objects.count(), 1)


class OtherTopicTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.key = certs.new_rsa_key()
        self.present = make_push_certificate(self.account, topic="com.apple.mgmt.External.former")

    def upload(self, **data: str) -> HttpResponse:
        files = {
            "certificate": SimpleUploadedFile("push.pem", make_push_pem(self.key)),
            "key": SimpleUploadedFile("key.pem", certs.key_to_pem(self.key)),
        }
        return self.client.post(self.url(PushCertificate, "upload"), data | files, follow=True)

    def test_with_devices_enrolled_there_is_no_way(self) -> None:
        Channel.objects.filter(device=make_device(self.account)).update(topic=self.present.topic)
        self.assertNotContains(self.client.get(self.page), "Topic to give up")
        response = self.upload(give_up_topic=self.present.topic)
        self.assertContains(response, "1 device has enrolled", status_code=422)
        self.present.refresh_from_db()
        self.assertEqual(self.present.topic, "com.apple.mgmt.External.former")

    def test_with_none_the_topic_is_typed(self) -> None:
        self.assertContains(self.client.get(self.page), "Topic to give up")
        self.assertContains(self.upload(), "can give it up", status_code=422)
        wrong = self.upload(give_up_topic=TOPIC)
        self.assertIn("give_up_topic", wrong.context["upload_form"].errors)
        self.assertContains(self.upload(give_up_topic=self.present.topic), "can be woken now")
        self.assertEqual(PushCertificate.objects.get(account=self.account).topic, TOPIC)
        self.assertEqual(self.events("push_certificate.replaced")[0].actor_label, "admin@acme.example")
