from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.utils import timezone

from enrollment.models import TrustedAuthority
from enrollment.services.errors import EnrollmentError
from enrollment.services.trust import stop_trusting, trust_authority
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.mdm.protocol.scep_client import ec_key, rsa_key


def make_ca(name: str = "External", **options: object) -> x509.Certificate:
    return certs.create_ca(name, organization="Them", key=rsa_key("external"), **options)


def bare(subject: str, issuer: str = "", *, ca: bool | None = None, signs: bool | None = None) -> x509.Certificate:
    """A certificate with as few extensions as asked for."""
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
        for name in (subject, issuer or subject)
    ]
    now = timezone.now()
    builder = x509.CertificateBuilder(names[1], names[0], ec_key("bare").public_key(), 7, now, now + timedelta(days=9))
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if signs is not None:
        usage = x509.KeyUsage(True, False, False, False, False, signs, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(ec_key("bare"), hashes.SHA256())


class TrustAuthorityTest(AccountTestCase):
    def trust(self, certificate: x509.Certificate, name: str = "") -> TrustedAuthority:
        return trust_authority(self.account, certificate.public_bytes(Encoding.PEM), name, SYSTEM)

    def test_it_is_stored_and_logged(self):
        trusted = self.trust(make_ca(), "Their CA")
        self.assertEqual((trusted.name, trusted.account), ("Their CA", self.account))
        self.assertEqual(Event.objects.get().event_type, "trusted_authority.added")

    def test_without_a_name_it_is_called_by_its_subject(self):
        self.assertIn("CN=External", self.trust(make_ca()).name)

    def test_trusting_it_again_changes_nothing(self):
        certificate = make_ca()
        self.assertEqual(self.trust(certificate), self.trust(certificate, "other name"))
        self.assertEqual((TrustedAuthority.objects.count(), Event.objects.count()), (1, 1))

    def test_text_and_der_are_read_as_well(self):
        certificate = make_ca()
        der = certificate.public_bytes(Encoding.DER)
        first = trust_authority(self.account, der, "", SYSTEM)
        pem = certificate.public_bytes(Encoding.PEM).decode()
        self.assertEqual(trust_authority(self.account, "comment\n" + pem, "", SYSTEM), first)

    def test_an_old_root_without_extensions_is_a_ca_when_it_is_its_own_issuer(self):
        self.trust(bare("Old root"))
        with self.assertRaisesMessage(EnrollmentError, "not the certificate of a certificate authority"):
            self.trust(bare("Leaf", "Old root"))

    def test_what_is_no_ca_is_refused(self):
        for certificate in (
            bare("x", ca=False),
            bare("x", ca=True, signs=False),
            certs.self_signed("x", key=rsa_key("a")),
        ):
            with self.assertRaisesMessage(EnrollmentError, "not the certificate of a certificate authority"):
                self.trust(certificate)

    def test_a_ca_without_a_name_is_refused(self):
        with self.assertRaisesMessage(EnrollmentError, "no subject"):
            self.trust(bare("", ca=True))

    def test_an_expired_ca_is_refused(self):
        with self.assertRaisesMessage(EnrollmentError, "expired"):
            self.trust(make_ca(days=0))

    def test_a_bundle_is_refused(self):
        pem = make_ca("One").public_bytes(Encoding.PEM) + make_ca("Two").public_bytes(Encoding.PEM)
        with self.assertRaisesMessage(EnrollmentError, "several certificates"):
            trust_authority(self.account, pem, "", SYSTEM)

    def test_rubbish_is_refused(self):
        for data in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            with self.assertRaisesMessage(EnrollmentError, "not a readable certificate"):
                trust_authority(self.account, data, "", SYSTEM)
        with self.assertRaisesMessage(EnrollmentError, "too large"):
            trust_authority(self.account, b"x" * 100_000, "", SYSTEM)

    def test_trust_ends(self):
        stop_trusting(self.trust(make_ca()), SYSTEM)
        self.assertFalse(TrustedAuthority.objects.exists())
        self.assertTrue(Event.objects.filter(event_type="trusted_authority.removed").exists())
