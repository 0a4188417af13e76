"""Enrollment links, identity certificates and CAs."""

from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate, TrustedAuthority
from enrollment.services.ca import authority_of, issue
from mdm.accounts.models import Role
from mdm.common import certs
from tests.admin.base import AdminTestCase
from tests.factories import make_device, make_enrollment, make_group


def make_ca_pem(name: str = "Partner CA") -> bytes:
    return certs.create_ca(name, organization="Partner", key=certs.new_rsa_key()).public_bytes(certs.Encoding.PEM)


class EnrollmentTest(AdminTestCase):
    def test_a_group_link_is_created_and_shown_with_its_code(self) -> None:
        group = make_group(self.account, "Library")
        data = {"group": group.pk, "name": "Poster in the hall", "expires_at": "2099-01-01T10:00"}
        response = self.people[Role.OPERATOR].post(self.url(Enrollment, "add"), data, follow=True)
        enrollment = Enrollment.objects.get()
        self.assertEqual((enrollment.device_group, enrollment.name), (group, "Poster in the hall"))
        self.assertEqual(enrollment.expires_at.isoformat(), "2099-01-01T10:00:00+00:00")
        self.assertEqual(enrollment.created_by, self.users[Role.OPERATOR])
        self.assertContains(response, enrollment.url)
        self.assertContains(response, "<svg")
        self.assertEqual(len(self.events("enrollment.created")), 1)

    def test_a_link_for_another_accounts_group_or_the_past_is_refused(self) -> None:
        theirs = make_group(self.other_account)
        for data in ({"group": theirs.pk}, {"group": self.group.pk, "expires_at": "2001-01-01T10:00"}, {}):
            response = self.people[Role.OPERATOR].post(self.url(Enrollment, "add"), data)
            self.assertTrue(response.context["form"].errors, data)
        self.assertFalse(Enrollment.objects.exists())

    def test_the_states_are_told_apart_in_list_and_filter(self) -> None:
        now = timezone.now()
        by_state = {
            "open": make_enrollment(self.account),
            "spent": make_enrollment(device=make_device(self.account), spent_at=now),
            "revoked": make_enrollment(self.account, revoked_at=now),
            "expired": make_enrollment(self.account, expires_at=now - timedelta(days=1)),
        }
        removed = make_enrollment(device=make_device(self.account, removed_at=now))
        client = self.people[Role.READ_ONLY]
        for state, enrollment in by_state.items():
            response = client.get(self.url(Enrollment, "changelist") + f"?state={state}")
            expected = {enrollment} | ({removed} if state == "revoked" else set())
            self.assertEqual(set(response.context["cl"].result_list), expected, state)
        for kind, number in (("device", 2), ("group", 3), ("nonsense", 5)):
            response = client.get(self.url(Enrollment, "changelist") + f"?for={kind}")
            self.assertEqual(len(response.context["cl"].result_list), number, kind)

    def test_only_open_links_can_be_copied(self) -> None:
        closed = make_enrollment(self.account, revoked_at=timezone.now())
        opened = make_enrollment(self.account)
        for url in (self.url(Enrollment, "changelist"), self.url(Enrollment, "change", closed.pk)):
            self.assertNotContains(self.people[Role.OWNER].get(url), closed.code)
        self.assertContains(self.people[Role.OWNER].get(self.url(Enrollment, "changelist")), opened.code)

    def test_a_link_is_revoked_after_a_question(self) -> None:
        enrollment = make_enrollment(self.account)
        url = self.url(Enrollment, "revoke", enrollment.pk)
        client = self.people[Role.OPERATOR]
        self.assertContains(client.get(url), "Nobody can enroll with it")
        enrollment.refresh_from_db()
        self.assertIsNone(enrollment.revoked_at)
        self.assertContains(client.post(url, follow=True), "no longer works")
        client.post(url)
        enrollment.refresh_from_db()
        self.assertIsNotNone(enrollment.revoked_at)
        self.assertEqual(len(self.events("enrollment.revoked")), 1)


class IdentityCertificateTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Lab Mac")
        self.identity = issue(self.account, certs.new_rsa_key().public_key(), device=self.device)

    def test_a_certificate_is_revoked_with_a_reason(self) -> None:
        url = self.url(IdentityCertificate, "revoke", self.identity.pk)
        self.people[Role.ADMIN].post(url, {"reason": "device lost"})
        self.identity.refresh_from_db()
        self.assertEqual(self.identity.revoked_reason, "device lost")
        event = self.events("certificate.revoked")[0]
        self.assertEqual((event.device, event.actor_label), (self.device, "admin@acme.example"))

    def test_the_filter_tells_the_states_apart(self) -> None:
        old = issue(self.account, certs.new_rsa_key().public_key())
        IdentityCertificate.objects.filter(pk=old.pk).update(not_after=timezone.now() - timedelta(days=1))
        gone = issue(self.account, certs.new_rsa_key().public_key())
        IdentityCertificate.objects.filter(pk=gone.pk).update(revoked_at=timezone.now())
        for state, expected in (("valid", self.identity), ("expired", old), ("revoked", gone)):
            response = self.people[Role.READ_ONLY].get(self.url(IdentityCertificate, "changelist") + f"?state={state}")
            self.assertEqual(list(response.context["cl"].result_list), [expected], state)


class AuthorityTest(AdminTestCase):
    def test_a_ca_is_trusted_by_upload_or_paste(self) -> None:
        client = self.people[Role.ADMIN]
        url = self.url(TrustedAuthority, "add")
        client.post(url, {"name": "Partner", "file": SimpleUploadedFile("ca.pem", make_ca_pem())})
        client.post(url, {"pem": make_ca_pem("Second CA").decode()})
        names = set(TrustedAuthority.objects.for_account(self.account).values_list("name", flat=True))
        self.assertEqual(len(names), 2)
        self.assertIn("Partner", names)
        self.assertEqual(len(self.events("trusted_authority.added")), 2)

    def test_what_is_no_ca_is_refused_at_its_field(self) -> None:
        client = self.people[Role.ADMIN]
        for data, field in (
            ({"pem": "no certificate"}, "pem"),
            ({"file": SimpleUploadedFile("ca.pem", b"no certificate")}, "file"),
            ({"file": SimpleUploadedFile("ca.pem", b"x" * 70_000)}, "file"),
            ({}, "file"),
        ):
            response = client.post(self.url(TrustedAuthority, "add"), data)
            self.assertIn(field, response.context["form"].errors)
        self.assertFalse(TrustedAuthority.objects.exists())

    def test_a_ca_is_no_longer_trusted_after_a_question(self) -> None:
        client = self.people[Role.ADMIN]
        client.post(self.url(TrustedAuthority, "add"), {"pem": make_ca_pem().decode()})
        trusted = TrustedAuthority.objects.get()
        url = self.url(TrustedAuthority, "remove", trusted.pk)
        self.assertContains(client.get(url), "Devices that are enrolled stay")
        client.post(url)
        self.assertFalse(TrustedAuthority.objects.exists())
        self.assertEqual(len(self.events("trusted_authority.removed")), 1)

    def test_the_own_ca_shows_its_certificate_and_never_its_key(self) -> None:
        client = self.people[Role.OWNER]
        url = self.url(CertificateAuthority, "changelist")
        self.assertContains(client.get(url), "Made with the first enrollment")
        authority_of(self.account)
        response = client.get(url)
        self.assertContains(response, "BEGIN CERTIFICATE")
        self.assertNotContains(response, "PRIVATE KEY")
