from datetime import timedelta
from unittest import mock

from cryptography import x509
from django.utils import timezone

from enrollment.models import CertificateAuthority, IdentityCertificate, TrustedAuthority
from enrollment.services import ca
from enrollment.services.trust import trust_authority
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_account, make_device
from tests.mdm.protocol.scep_client import rsa_key


class AuthorityTest(EnrollmentTestCase):
    def test_it_is_made_once(self):
        self.assertEqual(ca.authority_of(self.account), self.authority)

    def test_its_certificate_and_key_belong_together_and_may_sign(self):
        opened = ca.open_authority(self.authority)
        self.assertTrue(certs.matches(opened.certificate, opened.key))
        self.assertTrue(opened.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        self.assertIn("Acme", opened.certificate.subject.rfc4514_string())

    def test_the_key_is_encrypted_at_rest_and_in_no_repr(self):
        stored = CertificateAuthority.objects.values_list("key_pem", flat=True).get()
        self.assertNotIn(b"PRIVATE KEY", bytes(stored))
        self.assertNotIn("PRIVATE", repr(self.authority) + repr(ca.open_authority(self.authority)))

    def test_a_long_name_is_cut(self):
        account = make_account("Ä" * 200)
        certificate = certs.load_certificate(bytes(ca.authority_of(account).certificate_der))
        self.assertIn("Ä" * 20, certificate.subject.rfc4514_string())

    def test_the_second_of_two_processes_takes_the_first_ones(self):
        account = make_account()
        expected = ca.authority_of(account)
        with mock.patch.object(CertificateAuthority.objects, "filter") as missed:
            missed.return_value.first.return_value = None
            self.assertEqual(ca.authority_of(account), expected)


class IssueAndRevokeTest(EnrollmentTestCase):
    def test_issue_stores_and_logs(self):
        device = make_device(self.account)
        identity = ca.issue(self.account, rsa_key("client").public_key(), device=device, actor=SYSTEM)
        self.assertEqual(IdentityCertificate.objects.get(), identity)
        self.assertEqual(self.events("certificate.issued")[0].device, device)

    def test_revoking_twice_is_once(self):
        identity = self.issued()
        self.assertTrue(ca.revoke_identity(identity, "lost", SYSTEM))
        self.assertFalse(ca.revoke_identity(identity, "lost again", SYSTEM))
        identity.refresh_from_db()
        self.assertEqual(identity.revoked_reason, "lost")
        self.assertEqual(len(self.events("certificate.revoked")), 1)


class IdentifyTest(EnrollmentTestCase):
    def identify(self, identity: IdentityCertificate, **options: object) -> ca.IdentityFound | None:
        return ca.identify_certificate(bytes(identity.certificate_der), identity.fingerprint, **options)

    def test_our_own_certificate_is_known_with_its_enrollment(self):
        identity = self.issued()
        found = self.identify(identity)
        self.assertEqual(
            (found.account_id, found.identity, found.enrollment), (self.account.pk, identity, identity.enrollment)
        )
        self.assertTrue(found.is_valid_now)
        self.assertEqual(found.why_not, "")

    def test_revoked_expired_and_early_certificates_are_known_but_not_valid(self):
        identity = self.issued()
        later, earlier = timezone.now() + timedelta(days=1), timezone.now() - timedelta(days=1)
        for fields, why in (
            ({"revoked_at": earlier}, "revoked"),
            ({"revoked_at": None, "not_after": earlier}, "expired"),
            ({"not_after": later, "not_before": later}, "not valid yet"),
        ):
            IdentityCertificate.objects.update(**fields)
            found = self.identify(identity)
            self.assertFalse(found.is_valid_now)
            self.assertIn(why, found.why_not)

    def test_another_account_does_not_know_it(self):
        self.assertIsNone(self.identify(self.issued(), account_id=self.other_account.pk))

    def test_a_strangers_certificate_and_rubbish_are_nobodys(self):
        stranger = certs.self_signed("x", key=rsa_key("thief"))
        der = stranger.public_bytes(certs.Encoding.DER)
        self.assertIsNone(ca.identify_certificate(der, certs.fingerprint(der)))
        self.assertIsNone(ca.identify_certificate(b"rubbish", "0" * 64))

    def test_a_forged_certificate_in_our_name_is_nobodys(self):
        opened = ca.open_authority(self.authority)
        forged = certs.issue_identity(
            opened.certificate, rsa_key("thief"), rsa_key("thief").public_key(), common_name="x", serial=1
        )
        self.assertIsNone(ca.identify_certificate(forged.public_bytes(certs.Encoding.DER), certs.fingerprint(forged)))


class ExternalAuthorityTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.external_key = rsa_key("external")
        self.external = certs.create_ca("External", organization="Them", key=self.external_key)
        self.pem = self.external.public_bytes(certs.Encoding.PEM)
        trust_authority(self.account, self.pem, "External", SYSTEM)

    def certificate(self, *, key=None, **options: object) -> bytes:
        issued = certs.issue_identity(
            self.external,
            key or self.external_key,
            rsa_key("client").public_key(),
            common_name="device",
            serial=certs.new_serial(),
            **options,
        )
        return issued.public_bytes(certs.Encoding.DER)

    def identify(self, der: bytes, **options: object) -> ca.IdentityFound | None:
        return ca.identify_certificate(der, certs.fingerprint(der), **options)

    def test_its_certificates_are_accepted(self):
        found = self.identify(self.certificate())
        self.assertEqual((found.account_id, found.identity, found.enrollment), (self.account.pk, None, None))
        self.assertTrue(found.is_valid_now)

    def test_a_name_without_the_signature_is_worth_nothing(self):
        self.assertIsNone(self.identify(self.certificate(key=rsa_key("thief"))))

    def test_an_expired_certificate_is_not_valid(self):
        found = self.identify(self.certificate(days=0))
        self.assertEqual((found.is_valid_now, found.why_not), (False, "it has expired"))

    def test_an_expired_authority_vouches_for_nobody(self):
        TrustedAuthority.objects.update(not_after=timezone.now() - timedelta(seconds=1))
        self.assertEqual(self.identify(self.certificate()).why_not, "its CA has expired")

    def test_the_authoritys_own_certificate_is_no_identity(self):
        self.assertIsNone(self.identify(self.external.public_bytes(certs.Encoding.DER)))

    def test_only_the_account_that_trusts_it_is_named(self):
        self.assertIsNone(self.identify(self.certificate(), account_id=self.other_account.pk))

    def test_an_authority_trusted_by_two_accounts_names_neither_by_itself(self):
        trust_authority(self.other_account, self.pem, "", SYSTEM)
        der = self.certificate()
        self.assertIsNone(self.identify(der))
        self.assertEqual(self.identify(der, account_id=self.other_account.pk).account_id, self.other_account.pk)
