"""The account's push certificate: asked for, taken in, watched."""

from datetime import timedelta
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db import connection
from django.utils import timezone

from mdm.accounts.actors import Actor, Source
from mdm.common import certs
from mdm.events.models import Event, Level
from mdm.push.certificates import BadPushCertificate, request_certificate, upload_certificate, warn_expiring
from mdm.push.models import PushCertificate, PushRequest
from tests.base import AccountTestCase

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

    def test_a_second_request_replaces_the_first(self) -> None:
        first = request_certificate(self.account, email="push@example.com").key_pem
        request_certificate(self.account, email="push@example.com")
        self.assertNotEqual(PushRequest.objects.get().key_pem, first)
        self.assertEqual(Event.objects.filter(event_type="push_certificate.requested").count(), 2)

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

    def test_what_cannot_be_used_is_refused_with_the_reason(self) -> None:
        self.assert_refused("names no push topic", certificate_for(self.key, topic=None), self.key_pem)
        self.assert_refused("names no push topic", certificate_for(self.key, topic="com.example.app"), self.key_pem)
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


class WarnExpiringTest(AccountTestCase):
    def expires_in(self, days: float) -> None:
        at = timezone.now() + timedelta(days=days)
        PushCertificate.objects.update_or_create(
            account=self.account,
            defaults={"topic": TOPIC, "certificate_pem": "x", "not_before": at - timedelta(days=365), "not_after": at},
        )

    def warned(self) -> list[tuple[int, int]]:
        events = Event.objects.filter(event_type="push_certificate.expiring").order_by("pk")
        return [(event.metadata["mark_days"], event.level) for event in events]

    def test_far_from_its_end_nothing_is_said(self) -> None:
        self.expires_in(31)
        self.assertEqual((warn_expiring(), self.warned()), (0, []))

    def test_each_mark_is_one_warning_however_often_it_runs(self) -> None:
        self.expires_in(29.5)
        self.assertEqual([warn_expiring(), warn_expiring(), warn_expiring()], [1, 0, 0])
        at = PushCertificate.objects.get().not_after
        for days, marks in ((20, [30]), (14, [30, 14]), (6, [30, 14, 7]), (0.5, [30, 14, 7, 1]), (-3, [30, 14, 7, 1])):
            with self.subTest(days):
                self.travel_to(at - timedelta(days=days))
                warn_expiring()
                warn_expiring()
                self.assertEqual([mark for mark, _ in self.warned()], marks)
        self.assertEqual([level for _, level in self.warned()], [Level.WARNING] * 2 + [Level.ERROR] * 2)

    def travel_to(self, moment: object) -> None:
        patcher = patch.object(timezone, "now", return_value=moment)
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_a_renewed_certificate_is_warned_of_anew(self) -> None:
        self.expires_in(5)
        warn_expiring()
        self.expires_in(400)
        self.assertEqual(warn_expiring(), 0)
        self.expires_in(6)
        self.assertEqual(warn_expiring(), 1)
