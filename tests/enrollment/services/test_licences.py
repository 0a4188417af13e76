"""CertPoll, and the one reason to have to poll: the last device licences are being taken at this moment."""

from datetime import timedelta

from django.utils import timezone

from enrollment.models import IdentityCertificate, ScepChallenge
from enrollment.services.ca import revoke_identity
from enrollment.services.challenges import challenge_for_device
from enrollment.services.licences import RESERVATION
from enrollment.services.links import revoke
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.protocol.scep import FailInfo, PkiStatus
from tests.enrollment.base import EnrollmentTestCase, status_of
from tests.factories import make_device, make_enrollment
from tests.mdm.protocol.scep_client import rsa_key


class PollTest(EnrollmentTestCase):
    def test_a_finished_transaction_is_answered_with_its_certificate(self):
        issued = self.scep().request(self.challenge(), transaction_id="done").certificates[0]
        answer = self.scep().poll("done")
        self.assert_success(answer)
        self.assertEqual(answer.certificates[0], issued)

    def test_an_unknown_transaction_is_answered_with_bad_cert_id(self):
        self.assert_refused(self.scep().poll("never"), "not known", FailInfo.BAD_CERT_ID)

    def test_a_revoked_certificate_is_not_handed_out(self):
        revoke_identity(self.issued(), "lost", SYSTEM)
        self.assert_refused(self.scep().poll("x"), "not known", FailInfo.BAD_CERT_ID)

    def test_a_key_with_several_certificates_says_nothing_about_the_transaction(self):
        self.issued()
        self.issued()
        self.assert_refused(self.scep().poll("x"), "not known", FailInfo.BAD_CERT_ID)


class LicenceTest(EnrollmentTestCase):
    """Two licences: one device is enrolled, another one enrolls just now."""

    def setUp(self) -> None:
        super().setUp()
        self.enrolled = make_device(self.account)
        Account.objects.filter(pk=self.account.pk).update(license_total=2)
        self.account.refresh_from_db()
        self.enrollment = self.group_link()
        self.quick = self.issued(self.enrollment, "quick")
        self.slow = self.scep("slow")
        self.slow_challenge = self.challenge(self.enrollment)

    def ask(self, transaction_id: str = "slow"):
        return self.slow.request(self.slow_challenge, transaction_id=transaction_id)

    def assert_pending(self, answer) -> None:
        self.assertEqual(status_of(answer), PkiStatus.PENDING)
        self.assertEqual(answer.certificates, [])

    def finish(self, identity: IdentityCertificate) -> None:
        IdentityCertificate.objects.filter(pk=identity.pk).update(device=make_device(self.account))

    def give_up(self, identity: IdentityCertificate) -> None:
        created_at = timezone.now() - RESERVATION - timedelta(seconds=1)
        IdentityCertificate.objects.filter(pk=identity.pk).update(created_at=created_at)

    def test_whoever_asks_for_the_last_licence_has_to_wait_while_another_enrolls(self):
        self.assert_pending(self.ask())
        self.assertEqual(len(self.events("certificate.issued")), 1)
        self.assertEqual(self.events("certificate.refused"), [])

    def test_the_poll_goes_on_waiting(self):
        self.ask()
        self.assert_pending(self.slow.poll("slow"))

    def test_the_poll_gets_the_certificate_when_the_other_gave_up(self):
        self.ask()
        self.give_up(self.quick)
        answer = self.slow.poll("slow")
        self.assert_success(answer)
        self.assertEqual(answer.certificates[0].public_key(), rsa_key("slow").public_key())
        self.assertEqual(len(self.events("certificate.issued")), 2)
        self.assertEqual(self.slow.poll("slow").certificates[0], answer.certificates[0])

    def test_the_poll_is_refused_when_the_other_took_the_licence(self):
        self.ask()
        self.finish(self.quick)
        self.assert_refused(self.slow.poll("slow"), "licences")

    def test_the_poll_is_refused_when_the_link_was_closed(self):
        self.ask()
        revoke(self.enrollment, SYSTEM)
        self.assert_refused(self.slow.poll("slow"), "link is revoked")

    def test_whoever_is_released_holds_the_licence_next(self):
        self.ask()
        self.give_up(self.quick)
        self.assert_success(self.slow.poll("slow"))
        late = self.scep("late").request(self.challenge(self.enrollment))
        self.assert_pending(late)

    def test_the_request_itself_may_be_repeated_under_another_transaction(self):
        self.ask("first")
        self.assert_pending(self.ask("second"))
        self.give_up(self.quick)
        self.assert_success(self.slow.poll("second"))

    def test_a_certificate_on_hold_opens_nothing(self):
        self.ask()
        held = IdentityCertificate.objects.order_by("-pk").first()
        self.assertIsNotNone(held.revoked_at)
        self.assertIn("on hold", held.revoked_reason)

    def test_without_a_free_licence_a_request_is_refused(self):
        make_device(self.account)
        self.assert_refused(self.ask(), "licences")
        self.assertIsNone(ScepChallenge.objects.order_by("-pk").first().used_at)

    def test_a_removed_limit_lets_the_waiting_in(self):
        self.ask()
        Account.objects.update(license_total=None)
        self.assert_success(self.slow.poll("slow"))

    def test_an_enrolled_device_needs_no_further_licence(self):
        make_device(self.account)
        link = make_enrollment(device=self.enrolled)
        self.assert_success(self.scep("again").request(self.challenge(link)))

    def test_a_one_time_link_tried_again_does_not_wait_for_itself(self):
        self.give_up(self.quick)
        link = make_enrollment(device=make_device(self.account, enrolled=False))
        self.assert_success(self.scep("one").request(self.challenge(link)))
        self.assert_success(self.scep("two").request(self.challenge(link)))

    def test_a_renewal_needs_no_licence(self):
        make_device(self.account)
        self.assert_success(self.scep("renewing").request(challenge_for_device(self.enrolled)))
