import hashlib
import plistlib
from typing import Any

from cryptography import x509
from django.test import override_settings
from django.utils import timezone

from devices.models import Device
from enrollment.models import IdentityCertificate, ScepChallenge
from enrollment.services.profile import enrollment_profile, renewal_profile
from mdm.channels.models import Channel
from mdm.common import certs
from mdm.common.tokens import digest
from mdm.protocol.cms import open_signed
from mdm.push.models import PushCertificate
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_device, make_enrollment


def read(signed: bytes) -> dict[str, Any]:
    content, _ = open_signed(signed)
    return plistlib.loads(content)


def part(profile: dict[str, Any], payload_type: str) -> dict[str, Any]:
    (found,) = [payload for payload in profile["PayloadContent"] if payload["PayloadType"] == payload_type]
    return found


def identifiers(profile: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p["PayloadIdentifier"], p["PayloadUUID"]) for p in (profile, *profile["PayloadContent"])]


@override_settings(BASE_URL="https://mdm.example.com")
class EnrollmentProfileTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = self.group_link()
        self.signed = enrollment_profile(self.enrollment)
        self.profile = read(self.signed)

    def test_it_is_signed_by_the_accounts_ca(self):
        _, signer = open_signed(self.signed)
        self.assertEqual(signer.certificate_der, bytes(self.authority.certificate_der))

    def test_people_read_whose_it_is(self):
        self.assertEqual(self.profile["PayloadType"], "Configuration")
        self.assertEqual(self.profile["PayloadOrganization"], "Acme")
        self.assertEqual(self.profile["PayloadDisplayName"], "Acme Device Management")
        self.assertIn("Acme", self.profile["PayloadDescription"])

    def test_the_root_certificate_is_the_accounts_ca(self):
        root = part(self.profile, "com.apple.security.root")
        self.assertEqual(root["PayloadContent"], bytes(self.authority.certificate_der))

    def test_the_scep_payload_leads_to_the_accounts_ca(self):
        content = part(self.profile, "com.apple.security.scep")["PayloadContent"]
        self.assertEqual(content["URL"], f"https://mdm.example.com/scep/{self.authority.scep_id}")
        self.assertEqual((content["Key Type"], content["Keysize"], content["Key Usage"]), ("RSA", 2048, 5))
        self.assertEqual(content["Subject"][0], [["O", "Acme"]])
        fingerprint = hashlib.sha1(bytes(self.authority.certificate_der)).digest()
        self.assertEqual(content["CAFingerprint"], fingerprint)

    def test_the_challenge_works_and_only_its_digest_is_kept(self):
        challenge = part(self.profile, "com.apple.security.scep")["PayloadContent"]["Challenge"]
        row = ScepChallenge.objects.get()
        self.assertEqual((row.digest, row.enrollment), (digest(challenge), self.enrollment))
        self.assert_success(self.scep().request(challenge))

    def test_the_mdm_payload_has_what_a_device_needs(self):
        mdm = part(self.profile, "com.apple.mdm")
        token = self.enrollment.token
        self.assertEqual(mdm["ServerURL"], f"https://mdm.example.com/mdm/connect/{token}")
        self.assertEqual(mdm["CheckInURL"], f"https://mdm.example.com/mdm/checkin/{token}")
        self.assertEqual(mdm["IdentityCertificateUUID"], part(self.profile, "com.apple.security.scep")["PayloadUUID"])
        self.assertEqual(mdm["AccessRights"], 8191)
        self.assertIs(mdm["SignMessage"], True)
        self.assertIs(mdm["CheckOutWhenRemoved"], True)
        self.assertEqual(
            set(mdm["ServerCapabilities"]),
            {"com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken", "com.apple.mdm.token"},
        )

    def test_without_a_push_certificate_the_topic_is_stable_and_well_formed(self):
        topic = part(self.profile, "com.apple.mdm")["Topic"]
        self.assertRegex(topic, r"^com\.apple\.mgmt\.External\.[0-9a-f-]{36}$")
        self.assertEqual(part(read(enrollment_profile(self.enrollment)), "com.apple.mdm")["Topic"], topic)

    def test_the_topic_is_the_push_certificates(self):
        now = timezone.now()
        PushCertificate.objects.create(
            account=self.account,
            topic="com.apple.mgmt.External.real",
            certificate_pem="",
            not_before=now,
            not_after=now,
        )
        profile = read(enrollment_profile(self.enrollment))
        self.assertEqual(part(profile, "com.apple.mdm")["Topic"], "com.apple.mgmt.External.real")

    def test_another_download_replaces_the_first_and_has_another_challenge(self):
        again = read(enrollment_profile(make_enrollment(self.account)))
        self.assertEqual(identifiers(again), identifiers(self.profile))
        challenges = {
            part(profile, "com.apple.security.scep")["PayloadContent"]["Challenge"] for profile in (again, self.profile)
        }
        self.assertEqual(len(challenges), 2)

    def test_no_identifier_is_used_twice(self):
        pairs = identifiers(self.profile)
        self.assertEqual(len({i for i, _ in pairs} | {u for _, u in pairs}), 2 * len(pairs))

    def test_another_accounts_profile_is_another_profile(self):
        other = read(enrollment_profile(make_enrollment(self.other_account)))
        self.assertFalse(set(identifiers(other)) & set(identifiers(self.profile)))

    def test_a_long_foreign_name_fits_into_the_subject(self):
        self.account.name = "株式会社" * 40
        self.account.save()
        enrollment = make_enrollment(self.account)
        content = part(read(enrollment_profile(enrollment)), "com.apple.security.scep")["PayloadContent"]
        (pair,) = content["Subject"][0]
        subject = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, pair[1])
        self.assertTrue(subject.value.startswith("株式会社"))


class RenewalProfileTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = self.group_link()
        self.device = make_device(self.account)
        self.first = read(enrollment_profile(self.enrollment))
        self.issued(self.enrollment)
        IdentityCertificate.objects.update(device=self.device)
        Channel.objects.update(topic=part(self.first, "com.apple.mdm")["Topic"])

    def renewed(self) -> dict[str, Any]:
        return read(renewal_profile(Device.objects.get()))

    def test_only_the_challenge_differs_from_the_first_profile(self):
        renewed = self.renewed()
        for profile in (renewed, self.first):
            part(profile, "com.apple.security.scep")["PayloadContent"].pop("Challenge")
        self.assertEqual(renewed, self.first)

    def test_the_challenge_is_the_devices(self):
        challenge = part(self.renewed(), "com.apple.security.scep")["PayloadContent"]["Challenge"]
        row = ScepChallenge.objects.get(digest=digest(challenge))
        self.assertEqual((row.device, row.enrollment), (self.device, None))
        answer = self.scep("renewed").request(challenge)
        self.assert_success(answer)
        identity = IdentityCertificate.objects.get(fingerprint=certs.fingerprint(answer.certificates[0]))
        self.assertEqual(identity.device, self.device)

    def test_the_topic_stays_what_the_device_enrolled_with(self):
        Channel.objects.update(topic="com.apple.mgmt.External.old")
        self.assertEqual(part(self.renewed(), "com.apple.mdm")["Topic"], "com.apple.mgmt.External.old")

    def test_without_an_enrollment_the_urls_carry_no_token(self):
        IdentityCertificate.objects.update(enrollment=None)
        self.assertRegex(part(self.renewed(), "com.apple.mdm")["ServerURL"], r"/mdm/connect$")
