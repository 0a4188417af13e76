from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.test import override_settings
from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import Enrollment, IdentityCertificate, ScepChallenge
from enrollment.services.ca import revoke_identity
from enrollment.services.challenges import challenge_for_device, challenge_for_enrollment
from enrollment.services.links import claim, revoke
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from mdm.protocol.scep import FailInfo, PkiStatus
from tests.enrollment.base import EnrollmentTestCase, ScepDevice, header_of, status_of
from tests.factories import make_device, make_enrollment
from tests.mdm.protocol.scep_client import NONCE, rsa_key


class EnrollByChallengeTest(EnrollmentTestCase):
    def test_a_fresh_challenge_gets_a_certificate_for_the_requested_key(self):
        enrollment = self.group_link()
        answer = self.scep().request(self.challenge(enrollment), transaction_id="ABC")
        self.assert_success(answer)
        self.assertEqual(header_of(answer), ("ABC", NONCE))
        issued, ca = answer.certificates
        self.assertEqual(issued.public_key(), rsa_key("client").public_key())
        self.assertTrue(certs.is_issued_by(issued, ca))
        self.assertEqual(bytes(self.authority.certificate_der), ca.public_bytes(certs.Encoding.DER))

    def test_the_subject_is_ours_whatever_the_request_claims(self):
        issued = self.scep().request(self.challenge()).certificates[0]
        names = {a.oid: a.value for a in issued.subject}
        self.assertEqual(names[NameOID.ORGANIZATION_NAME], "Acme")
        self.assertRegex(names[NameOID.COMMON_NAME], r"^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")

    def test_the_certificate_is_for_clients_only_and_lives_as_long_as_the_setting_says(self):
        with override_settings(IDENTITY_LIFETIME_DAYS=90):
            issued = self.scep().request(self.challenge()).certificates[0]
        usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usage), [ExtendedKeyUsageOID.CLIENT_AUTH])
        days_left = (issued.not_valid_after_utc - timezone.now()).total_seconds() / 86400
        self.assertAlmostEqual(days_left, 90, delta=0.1)

    def test_it_is_recorded_with_its_enrollment_and_logged(self):
        enrollment = make_enrollment(device=make_device(self.account, enrolled=False))
        identity = self.issued(enrollment)
        self.assertEqual(identity.account, self.account)
        self.assertEqual(identity.enrollment, enrollment)
        self.assertIsNone(identity.device, "it belongs to whichever device comes with it")
        event = self.events("certificate.issued")[0]
        self.assertEqual(event.device, enrollment.device)
        self.assertEqual(event.metadata["serial_number"], identity.serial_number)
        self.assertEqual(event.source, "device")

    def test_serial_numbers_differ(self):
        serials = {self.issued(label=f"client {n}").serial_number for n in range(3)}
        self.assertEqual(len(serials), 3)

    def test_older_clients_with_3des_are_answered_in_3des(self):
        answer = self.scep().request(self.challenge(), cipher="3des")
        self.assert_success(answer)
        self.assertEqual(answer.content_encryption, "tripledes_3key")

    def test_the_same_request_again_gets_the_same_certificate(self):
        challenge = self.challenge()
        first, again = (self.scep().request(challenge).certificates[0] for _ in range(2))
        self.assertEqual(first, again)
        self.assertEqual(IdentityCertificate.objects.count(), 1)
        self.assertEqual(len(self.events("certificate.issued")), 1)

    def test_a_lost_answer_is_repeated_even_when_the_link_was_spent_meanwhile(self):
        enrollment = make_enrollment(device=make_device(self.account, enrolled=False))
        challenge = self.challenge(enrollment)
        first = self.scep().request(challenge).certificates[0]
        self.assertTrue(claim(enrollment, certs.fingerprint(first)))
        self.assertEqual(self.scep().request(challenge).certificates[0], first)

    def test_a_spent_challenge_is_refused_to_another_key(self):
        challenge = self.challenge()
        self.scep().request(challenge)
        self.assert_refused(self.scep("thief").request(challenge), "used before")
        self.assertEqual(IdentityCertificate.objects.count(), 1)

    def test_a_repeat_is_refused_once_the_certificate_is_revoked(self):
        challenge = self.challenge()
        self.scep().request(challenge)
        revoke_identity(IdentityCertificate.objects.get(), "lost", SYSTEM)
        self.assert_refused(self.scep().request(challenge), "revoked")

    def test_a_repeat_is_refused_once_the_link_is_revoked(self):
        enrollment = self.group_link()
        challenge = self.challenge(enrollment)
        self.scep().request(challenge)
        revoke(enrollment, SYSTEM)
        self.assert_refused(self.scep().request(challenge), "link was revoked")

    def test_an_unknown_challenge_is_refused(self):
        self.assert_refused(self.scep().request("made up"), "unknown challenge")

    def test_no_challenge_is_refused(self):
        self.assert_refused(self.scep().request(None), "no challenge")

    def test_the_answer_does_not_tell_why(self):
        spent = self.challenge()
        self.scep().request(spent)
        texts = {
            answer.attributes.get("1.3.6.1.5.5.7.24.1")
            for answer in (self.scep("thief").request(spent), self.scep().request("made up"))
        }
        self.assertEqual(texts, {"The request is not authorized."})

    def test_an_expired_challenge_is_refused(self):
        challenge = self.challenge()
        ScepChallenge.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        self.assert_refused(self.scep().request(challenge), "expired")
        self.assertIsNone(ScepChallenge.objects.get().used_at)

    def test_the_challenge_lives_as_long_as_the_setting_says(self):
        with override_settings(CHALLENGE_LIFETIME_SECONDS=60):
            self.challenge()
        row = ScepChallenge.objects.get()
        self.assertAlmostEqual((row.expires_at - timezone.now()).total_seconds(), 60, delta=5)

    def test_another_accounts_challenge_is_unknown(self):
        foreign = make_enrollment(self.other_account)
        self.assert_refused(self.scep().request(challenge_for_enrollment(foreign)), "unknown challenge")
        self.assertIsNone(ScepChallenge.objects.get().used_at)

    def test_closed_links_are_refused(self):
        past = timezone.now() - timedelta(minutes=1)
        device = make_device(self.account, enrolled=False)
        closed = {
            "revoked": {"revoked_at": past},
            "expired": {"expires_at": past},
            "spent": {"spent_at": past, "device": device},
        }
        for reason, fields in closed.items():
            with self.subTest(reason):
                enrollment = make_enrollment(self.account, **fields)
                self.assert_refused(self.scep().request(self.challenge(enrollment)), f"link is {reason}")

    def test_the_link_of_a_removed_device_is_refused(self):
        device = make_device(self.account, enrolled=False, removed_at=timezone.now())
        challenge = self.challenge(make_enrollment(device=device))
        self.assert_refused(self.scep().request(challenge), "link is revoked")

    def test_the_challenge_is_in_no_log_line(self):
        challenge = self.challenge()
        self.scep().request(challenge)
        self.scep("thief").request(challenge)
        for event in [*self.events("certificate.issued"), *self.events("certificate.refused")]:
            self.assertNotIn(challenge, str(event.metadata))

    def test_an_altered_message_is_refused_with_bad_message_check(self):
        device, stranger = self.scep(), self.scep("thief")
        device.signer = certs.self_signed("SCEP client", key=stranger.key)  # not the key that signs
        answer = stranger.read(device.post(device.message(self.challenge())))
        self.assertEqual(status_of(answer), PkiStatus.FAILURE)
        self.assertEqual(answer.attributes["2.16.840.1.113733.1.9.4"], str(int(FailInfo.BAD_MESSAGE_CHECK)))
        self.assertEqual(IdentityCertificate.objects.count(), 0)


class RenewalTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account)
        self.present = self.issued()
        IdentityCertificate.objects.update(device=self.device)
        self.certificate = certs.load_certificate(bytes(self.present.certificate_der))
        self.new = self.scep("renewed")

    def renew(self, **options: object):
        return self.new.renew(self.certificate, rsa_key("client"), **options)

    def test_the_present_certificate_gets_a_new_one_for_the_same_device(self):
        answer = self.renew()
        self.assert_success(answer)
        renewed = IdentityCertificate.objects.get(fingerprint=certs.fingerprint(answer.certificates[0]))
        self.assertEqual(renewed.device, self.device)
        self.assertEqual(renewed.enrollment, self.present.enrollment)
        self.assertNotEqual(renewed.serial_number, self.present.serial_number)
        event = self.events("certificate.renewed")[0]
        self.assertEqual((event.device, event.metadata["replaces"]), (self.device, self.present.serial_number))

    def test_the_old_update_request_means_the_same(self):
        self.assert_success(self.renew(message_type=18))

    def test_a_repeated_renewal_gets_the_same_certificate(self):
        first, again = (self.renew().certificates[0] for _ in range(2))
        self.assertEqual(first, again)
        self.assertEqual(IdentityCertificate.objects.count(), 2)

    def test_the_same_key_may_be_certified_again(self):
        self.new = self.scep("client")
        self.assertNotEqual(self.renew().certificates[0], self.certificate)

    def test_a_revoked_certificate_renews_nothing(self):
        revoke_identity(self.present, "stolen", SYSTEM)
        self.assert_refused(self.renew(), "revoked")

    def test_an_expired_certificate_renews_nothing(self):
        IdentityCertificate.objects.update(not_after=timezone.now() - timedelta(seconds=1))
        self.assert_refused(self.renew(), "expired")

    def test_a_certificate_that_no_device_used_renews_nothing(self):
        IdentityCertificate.objects.update(device=None)
        self.assert_refused(self.renew(), "no managed device")

    def test_a_device_that_left_renews_nothing(self):
        Device.objects.update(state=DeviceState.UNENROLLED)
        self.assert_refused(self.renew(), "no managed device")

    def test_a_removed_device_renews_nothing(self):
        Device.objects.update(removed_at=timezone.now())
        self.assert_refused(self.renew(), "no managed device")

    def test_a_self_signed_certificate_renews_nothing(self):
        answer = self.new.renew(self.new.signer, self.new.key)
        self.assert_refused(answer, "not signed with a certificate of this authority")

    def test_another_accounts_certificate_renews_nothing(self):
        IdentityCertificate.objects.update(account=self.other_account)
        self.assert_refused(self.renew(), "not signed with a certificate of this authority")

    def test_the_challenge_of_a_renewal_profile_gets_a_certificate_for_that_device(self):
        answer = self.new.request(challenge_for_device(self.device))
        self.assert_success(answer)
        renewed = IdentityCertificate.objects.get(fingerprint=certs.fingerprint(answer.certificates[0]))
        self.assertEqual((renewed.device, renewed.enrollment), (self.device, self.present.enrollment))
        self.assertEqual(len(self.events("certificate.renewed")), 1)

    def test_the_challenge_of_a_removed_device_is_refused(self):
        challenge = challenge_for_device(self.device)
        Device.objects.update(removed_at=timezone.now())
        self.assert_refused(self.new.request(challenge), "removed")


class SeveralAuthoritiesTest(EnrollmentTestCase):
    def test_a_message_for_another_accounts_ca_is_not_opened(self):
        from_other = ScepDevice(self.authority)
        enrollment = Enrollment.objects.create(account=self.account, device_group=self.group)
        other = self.scep()
        other.ca = certs.self_signed("Elsewhere", key=rsa_key("elsewhere"))
        answer = from_other.read(other.post(other.message(self.challenge(enrollment))))
        self.assert_refused(answer, "another certificate", FailInfo.BAD_MESSAGE_CHECK)
