"""From nothing to a push, all over real sockets: request, signature, Apple's portal, upload, APNs; and a year later."""

from unittest.mock import patch

from django.test import override_settings

from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from mdm.channels.services import request_push
from mdm.push import services, tasks
from mdm.push.apns import Pusher
from mdm.push.certificates import BadPushCertificate, request_certificate, upload_certificate
from mdm.push.models import PushCertificate
from mdm.push.portal import signed_for_apple, signed_request
from mdm.push.signing import order_signature, take_mailed_file
from mdm.push.vendor import store_vendor_certificate
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.fakes.apns import FakeApns
from tests.fakes.authority import Authority
from tests.fakes.mdmcert import API_KEY, FakeMdmcert
from tests.fakes.push_portal import FakePushPortal, Refused
from tests.fakes.vendor import Vendor

EMAIL = "mdm@acme.example"


class WayToAPushTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        authority = Authority("Fake Apple CA")
        self.apns = self.enterContext(FakeApns(authority=authority))
        self.service = self.enterContext(FakeMdmcert())
        self.vendor = Vendor()
        self.portal = FakePushPortal(authority, self.vendor.root, self.service.vendor.root)
        pusher = Pusher()
        self.addCleanup(pusher.close)
        self.enterContext(patch.object(services, "pusher", pusher))
        self.enterContext(
            override_settings(
                APNS_URL=self.apns.url,
                APNS_CA_FILE=self.apns.ca_file,
                MDMCERT_URL=self.service.url,
                MDMCERT_API_KEY=API_KEY,
            )
        )

    def by_mdmcert(self) -> bytes:
        order_signature(self.account, email=EMAIL)
        tasks.send_signing_orders()
        return take_mailed_file(self.account, self.service.mails[-1].file).signed_request.encode()

    def assert_pushes_arrive(self, topic: str) -> None:
        channel = make_device(self.account).device_channel
        Channel.objects.filter(pk=channel.pk).update(topic=topic)
        request_push([channel.pk])
        tasks.send_due_pushes()
        token = bytes(channel.push_token).hex()
        self.assertIn((token, topic), [(push.token, push.topic) for push in self.apns.received])

    def test_through_mdmcert_download_and_renewed_a_year_later(self) -> None:
        certificate = upload_certificate(
            self.account, certificate_pem=self.portal.create(self.by_mdmcert()), apple_id="apple@acme.example"
        )
        self.assert_pushes_arrive(certificate.topic)
        signed = self.by_mdmcert()
        another = self.portal.create(signed)
        with self.assertRaisesMessage(BadPushCertificate, "1 device has enrolled"):
            upload_certificate(self.account, certificate_pem=another)
        renewed = self.portal.renew(signed, certificate.topic, days=700)
        upload_certificate(self.account, certificate_pem=renewed)
        row = PushCertificate.objects.get()
        self.assertEqual((row.topic, row.apple_id, row.days_left), (certificate.topic, "apple@acme.example", 699))
        self.assert_pushes_arrive(certificate.topic)

    def test_through_each_fault_of_the_service_to_the_same_end(self) -> None:
        for fault in ({"status": 429}, {"status": 503}, {"status": 200, "body": b'{"res', "is_cut": True}):
            self.service.fail(**fault)
        with patch("mdm.push.signing.pause_seconds", return_value=0.0):
            signed = self.by_mdmcert()
        self.assertEqual(len(self.service.requests), 4)
        certificate = upload_certificate(self.account, certificate_pem=self.portal.create(signed))
        self.assert_pushes_arrive(certificate.topic)

    def test_by_the_accounts_own_vendor_certificate(self) -> None:
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        signed = signed_request(self.account, email=EMAIL, actor=SYSTEM)
        certificate = upload_certificate(self.account, certificate_pem=self.portal.create(signed))
        self.assert_pushes_arrive(certificate.topic)

    def test_the_portal_knows_a_vendor_from_a_stranger(self) -> None:
        store_vendor_certificate(self.account, [Vendor("Stranger").bundle()])
        request = request_certificate(self.account, email=EMAIL)
        with self.assertRaises(Refused):
            self.portal.create(signed_for_apple(request))
        with self.assertRaises(Refused):
            self.portal.create(bytes(request.csr_der))
