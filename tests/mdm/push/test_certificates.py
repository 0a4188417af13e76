"""The account's push certificate: asked for, taken in."""

import base64
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db import connection
from django.utils import timezone

from devices.services.devices import remove_device
from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel, ChannelState
from mdm.common import certs
from mdm.events.models import Event
from mdm.push.certificates import (
    BadPushCertificate,
    OtherTopic,
    count_enrolled,
    request_certificate,
    upload_certificate,
)
from mdm.push.csr import pem_of_request
from mdm.push.models import PushCertificate, PushRequest
from tests.base import AccountTestCase
from tests.factories import make_device

TOPIC = "com.apple.mgmt.External.0c3ad1f2-7f3c-4b5e-9d55-4b1d1c9f2a10"
OTHER_TOPIC = "com.apple.mgmt.External.ffffffff-7f3c-4b5e-9d55-4b1d1c9f2a10"
PERSON = Actor(Source.ADMIN, "owner@example.com")


def certificate_for(key: object, *, topic: str | None = TOPIC, days: int = 365, version_hint: str = "push") -> bytes:
    """What Apple would send for that key."""
    now = timezone.now()
    names = [x509.NameAttribute(NameOID.COMMON_NAME, f"APSP:{version_hint}")]
    if topic:
        names.append(x509.NameAttribute(NameOID.USER_ID, topic))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(names))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Apple, so to say")]))
        .public_key(key.public_key())
        .serial_number(certs.new_serial())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
    )
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


class UploadTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_pem = certs.key_to_pem(self.key)

    def upload(self, certificate: bytes | None = None, key: bytes | None = None, **options: object) -> PushCertificate:
        certificate = certificate if certificate is not None else certificate_for(self.key)
        return upload_certificate(self.account, certificate_pem=certificate, key_pem=key, actor=PERSON, **options)

    def assert_refused(self, part: str, certificate: bytes | None = None, key: bytes | None = None) -> None:
        before = list(PushCertificate.objects.values())
        with self.assertRaises(BadPushCertificate) as caught:
            self.upload(certificate, key)
        self.assertIn(part, str(caught.exception))
        self.assertEqual(list(PushCertificate.objects.values()), before)

    def test_a_certificate_with_its_key_is_taken(self) -> None:
        row = self.upload(key=self.key_pem, apple_id="push@example.com")
        row = PushCertificate.objects.get(pk=row.pk)
        self.assertEqual((row.topic, row.apple_id, row.key_pem.encode()), (TOPIC, "push@example.com", self.key_pem))
        self.assertEqual(row.days_left, 364)
        event = Event.objects.get()
        self.assertEqual(
            (event.event_type, event.actor_label, event.metadata["topic"]),
            ("push_certificate.uploaded", PERSON.label, TOPIC),
        )

    def test_the_key_is_not_readable_in_the_database(self) -> None:
        self.upload(key=self.key_pem)
        with connection.cursor() as cursor:
            cursor.execute("SELECT key_pem FROM mdm_push_pushcertificate")
            self.assertNotIn(b"PRIVATE KEY", bytes(cursor.fetchone()[0]))

    def test_the_key_of_the_last_request_is_used(self) -> None:
        request_certificate(self.account, email="push@example.com", actor=PERSON)
        key = certs.key_from_pem(PushRequest.objects.get().key_pem.encode())
        row = self.upload(certificate_for(key))
        self.assertEqual(row.topic, TOPIC)
        self.assertFalse(PushRequest.objects.exists())

    def test_the_keys_of_the_last_five_requests_stay_good(self) -> None:
        requests = [request_certificate(self.account, email="push@example.com") for _ in range(6)]
        self.assertEqual(PushRequest.objects.count(), 5)
        self.assertEqual(Event.objects.filter(event_type="push_certificate.requested").count(), 6)
        oldest, second = (certs.key_from_pem(request.key_pem.encode()) for request in requests[:2])
        self.assert_refused("does not belong", certificate_for(oldest))
        self.assertEqual(self.upload(certificate_for(second)).topic, TOPIC)
        self.assertFalse(PushRequest.objects.exists())

    def test_a_renewal_keeps_the_row_and_ends_the_alert(self) -> None:
        row = self.upload(key=self.key_pem, apple_id="push@example.com")
        PushCertificate.objects.update(rejected_at=timezone.now(), rejected_reason="BadCertificate")
        renewed = self.upload(certificate_for(self.key, days=700))
        self.assertEqual((renewed.pk, renewed.apple_id, renewed.rejected_at), (row.pk, "push@example.com", None))
        self.assertEqual(renewed.days_left, 699)

    def test_a_renewal_with_a_new_key_is_taken(self) -> None:
        self.upload(key=self.key_pem)
        key = ec.generate_private_key(ec.SECP256R1())
        self.assertEqual(
            self.upload(certificate_for(key), certs.key_to_pem(key)).key_pem.encode(), certs.key_to_pem(key)
        )

    def test_another_topic_is_refused_as_devices_would_be_lost(self) -> None:
        self.upload(key=self.key_pem)
        self.assert_refused(
            "Renew the existing certificate", certificate_for(self.key, topic=OTHER_TOPIC), self.key_pem
        )

    def test_the_refusal_of_another_topic_counts_who_would_be_lost(self) -> None:
        self.upload(key=self.key_pem, apple_id="push@example.com")
        first = make_device(self.account)
        Channel.objects.filter(device=first).update(topic=TOPIC)
        with self.assertRaises(OtherTopic) as caught:
            self.upload(certificate_for(self.key, topic=OTHER_TOPIC), self.key_pem, give_up_topic=TOPIC)
        self.assertIn("1 device has enrolled", str(caught.exception))
        self.assertIn("push@example.com", str(caught.exception))
        second = make_device(self.account)
        Channel.objects.filter(device=second).update(topic=TOPIC)
        self.assert_refused("2 devices have enrolled", certificate_for(self.key, topic=OTHER_TOPIC), self.key_pem)
        Channel.objects.filter(device=first).update(state=ChannelState.CLOSED)
        remove_device(second, PERSON)
        Channel.objects.filter(device=make_device(self.other_account)).update(topic=TOPIC)
        self.assertEqual(count_enrolled(self.account, TOPIC), 0)

    def test_a_topic_that_nobody_enrolled_with_is_given_up_by_typing_it(self) -> None:
        row = self.upload(key=self.key_pem, apple_id="former@example.com")
        other = certificate_for(self.key, topic=OTHER_TOPIC)
        self.assert_refused("No device is enrolled", other, self.key_pem)
        with self.assertRaises(OtherTopic):
            self.upload(other, self.key_pem, give_up_topic=OTHER_TOPIC)
        replaced = self.upload(other, self.key_pem, give_up_topic=f" {TOPIC} ")
        self.assertEqual((replaced.pk, replaced.topic, replaced.apple_id), (row.pk, OTHER_TOPIC, ""))
        event = Event.objects.get(event_type="push_certificate.replaced")
        self.assertEqual((event.metadata["former_topic"], event.metadata["topic"]), (TOPIC, OTHER_TOPIC))

    def test_last_years_certificate_does_not_take_the_place_of_this_years(self) -> None:
        self.upload(certificate_for(self.key, days=300), self.key_pem)
        self.assert_refused("an older one", certificate_for(self.key, days=30))

    def test_the_same_certificate_again_changes_nothing(self) -> None:
        certificate = certificate_for(self.key)
        self.assertEqual(self.upload(certificate, self.key_pem).pk, self.upload(certificate).pk)

    def test_the_request_in_place_of_the_certificate_is_told_apart(self) -> None:
        request = request_certificate(self.account, email="push@example.com")
        signed = base64.b64encode(b'<?xml version="1.0"?><plist><dict><key>PushCertRequestCSR</key></dict></plist>')
        for file in (pem_of_request(bytes(request.csr_der)), signed, base64.b64decode(signed)):
            self.assert_refused("This is the request", file)

    def test_the_address_in_the_request_is_remembered(self) -> None:
        request = request_certificate(self.account, email="mdm@example.com")
        row = self.upload(certificate_for(certs.key_from_pem(request.key_pem.encode())))
        self.assertEqual(row.request_email, "mdm@example.com")
        self.assertEqual(
            self.upload(certificate_for(self.key, days=700), self.key_pem).request_email, "mdm@example.com"
        )

    def test_what_cannot_be_used_is_refused_with_the_reason(self) -> None:
        self.assert_refused("names no push topic", certificate_for(self.key, topic=None), self.key_pem)
        self.assert_refused("names no push topic", certificate_for(self.key, topic="com.example.app"), self.key_pem)
        too_long = certificate_for(self.key, topic="com.apple.mgmt." + "x" * 300)
        self.assert_refused("names no push topic", too_long, self.key_pem)
        self.assert_refused("expired", certificate_for(self.key, days=-1), self.key_pem)
        for rubbish in (b"", b"rubbish", self.key_pem, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
            self.assert_refused("not a certificate", rubbish, self.key_pem)
        self.assertFalse(Event.objects.exists())

    def test_a_key_that_does_not_fit_or_cannot_be_read_is_refused(self) -> None:
        other = certs.key_to_pem(ec.generate_private_key(ec.SECP256R1()))
        locked = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        self.assert_refused("does not belong", None, other)
        self.assert_refused("does not belong", None, None)
        self.assert_refused("cannot be read", None, b"rubbish")
        self.assert_refused("cannot be read", None, locked)

    def test_each_account_has_its_own(self) -> None:
        self.upload(key=self.key_pem)
        upload_certificate(
            self.other_account, certificate_pem=certificate_for(self.key, topic=OTHER_TOPIC), key_pem=self.key_pem
        )
        self.assertEqual(PushCertificate.objects.get(account=self.account).topic, TOPIC)
