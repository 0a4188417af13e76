"""The certificate that signs the agent's package: what is taken, what is refused, what people are told about it."""

import datetime as dt

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import connection
from django.utils import timezone

from devices.models import InstallerCertificate
from devices.services.installer_certificate import (
    APP_STORE_INSTALLER,
    InstallerCertificateError,
    concerns,
    remove_installer_certificate,
    signer_of,
    upload_installer_certificate,
    warn_expiring,
)
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from mdm.events.models import Event, Level
from tests.base import AccountTestCase
from tests.factories.installer import make_installer_certificate, make_installer_identity

NONSENSE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


class UploadTest(AccountTestCase):
    def upload(self, data: bytes, password: str = "") -> InstallerCertificate:
        return upload_installer_certificate(self.account, data=data, password=password, actor=SYSTEM)

    def refused(self, data: bytes, password: str = "") -> str:
        with self.assertRaises(InstallerCertificateError) as caught:
            self.upload(data, password)
        self.assertFalse(InstallerCertificate.objects.exists())
        return str(caught.exception)

    def test_pem_with_certificate_issuer_and_key(self):
        identity = make_installer_identity("Developer ID Installer: ACME")
        row = self.upload(identity.pem())
        self.assertEqual(row.common_name, "Developer ID Installer: ACME")
        self.assertEqual(row.fingerprint, certs.fingerprint(identity.certificate))
        self.assertEqual(row.not_after, certs.not_after(identity.certificate))
        self.assertEqual(concerns(row), [])
        event = Event.objects.get(event_type="installer_certificate.uploaded")
        self.assertEqual(event.metadata["name"], row.common_name)
        self.assertNotIn("PRIVATE", str(event.metadata))

    def test_p12_with_a_password(self):
        identity = make_installer_identity()
        self.assertEqual(
            self.upload(identity.p12("secret"), "secret").fingerprint, certs.fingerprint(identity.certificate)
        )

    def test_pem_with_an_encrypted_key(self):
        self.upload(make_installer_identity().encrypted_pem("secret"), "secret")

    def test_a_wrong_password_and_a_missing_one(self):
        identity = make_installer_identity()
        self.assertIn("passphrase", self.refused(identity.p12("secret"), "other"))
        self.assertIn("passphrase", self.refused(identity.p12("secret")))
        self.assertIn("passphrase", self.refused(identity.encrypted_pem("secret")))

    def test_what_it_keeps_signs_with_the_same_key_and_chain(self):
        identity = make_installer_identity()
        row = self.upload(identity.pem())
        signer = signer_of(InstallerCertificate.objects.get())
        self.assertEqual(signer.key.private_numbers(), identity.key.private_numbers())
        self.assertEqual(
            signer.chain_der, [one.public_bytes(Encoding.DER) for one in (identity.certificate, identity.issuer)]
        )
        self.assertEqual(signer.signed_at, row.uploaded_at.replace(microsecond=0))

    def test_the_key_is_not_readable_in_the_database(self):
        identity = make_installer_identity()
        row = self.upload(identity.pem())
        with connection.cursor() as cursor:
            cursor.execute("SELECT private_key FROM devices_installercertificate")
            stored = bytes(cursor.fetchone()[0])
        self.assertNotIn(row.private_key[100:140], stored)

    def test_another_takes_its_place(self):
        self.upload(make_installer_identity("First").pem())
        self.upload(make_installer_identity("Second").pem())
        self.assertEqual(InstallerCertificate.objects.get().common_name, "Second")

    def test_a_key_of_another_certificate(self):
        identity = make_installer_identity()
        other = certs.key_to_pem(certs.new_rsa_key())
        self.assertEqual(
            self.refused(identity.pem(key=other)), "No certificate in the file belongs to its private key."
        )

    def test_a_file_without_a_key_or_without_a_certificate(self):
        identity = make_installer_identity()
        self.assertIn("no private key", self.refused(identity.pem(key=b"")))
        self.assertIn("no private key", self.refused(identity.certificate.public_bytes(Encoding.DER)))
        self.assertEqual(self.refused(certs.key_to_pem(identity.key)), "The file holds no certificate.")

    def test_a_key_that_is_not_rsa(self):
        pem = make_installer_identity().pem(key=certs.key_to_pem(ec.generate_private_key(ec.SECP256R1())))
        self.assertIn("not an RSA key", self.refused(pem))

    def test_one_that_has_expired_or_is_not_valid_yet(self):
        day = dt.timedelta(days=1)
        self.assertIn("expired on", self.refused(make_installer_identity(begins=-3 * day, ends=-day).pem()))
        self.assertIn("is valid from", self.refused(make_installer_identity(begins=day).pem()))

    def test_what_is_no_certificate_at_all(self):
        self.assertEqual(self.refused(b""), "The file is empty.")
        self.assertIn("neither a certificate nor a key", self.refused(b"hello"))
        self.assertIn("larger than", self.refused(b"a" * 300_000))
        self.assertIn("not readable", self.refused(make_installer_identity().pem() + NONSENSE))

    def test_people_are_told_what_macs_may_not_take(self):
        other = self.upload(make_installer_identity(usage="", organization="ACME").pem())
        self.assertIn("no Developer ID Installer", concerns(other)[0])
        pretended = self.upload(make_installer_identity(organization="ACME").pem())
        self.assertIn("no Developer ID Installer", concerns(pretended)[0])
        for_the_store = self.upload(make_installer_identity(usage=APP_STORE_INSTALLER).pem())
        self.assertIn("Mac App Store", concerns(for_the_store)[0])
        alone = self.upload(make_installer_identity().pem(with_issuer=False))
        self.assertIn("was not in the file", concerns(alone)[0])


class RemoveTest(AccountTestCase):
    def test_it_goes_once(self):
        row = make_installer_certificate(self.account)
        self.assertTrue(remove_installer_certificate(row, SYSTEM))
        self.assertFalse(InstallerCertificate.objects.exists())
        self.assertFalse(remove_installer_certificate(row, SYSTEM))
        self.assertEqual(Event.objects.filter(event_type="installer_certificate.removed").count(), 1)


class ExpiringTest(AccountTestCase):
    def test_it_is_told_once_for_each_mark(self):
        row = make_installer_certificate(self.account)
        self.assertEqual(warn_expiring(), 0)
        for days, level in ((20, Level.WARNING), (3, Level.ERROR)):
            InstallerCertificate.objects.filter(pk=row.pk).update(not_after=timezone.now() + dt.timedelta(days=days))
            self.assertEqual((warn_expiring(), warn_expiring()), (1, 0))
            event = Event.objects.filter(event_type="installer_certificate.expiring").latest("pk")
            self.assertEqual((event.level, event.metadata["name"]), (level, row.common_name))
