"""The page about the agent: what it is, its certificate, its package, and which Macs have it."""

from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import DeviceState, InstallerCertificate
from devices.services.agent_program import VERSION
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_agent_package, make_device, make_installer_certificate, make_script_agent
from tests.factories.agents import PACKAGE
from tests.factories.installer import make_installer_identity


class AgentPageTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.page = self.url(InstallerCertificate, "changelist")
        self.upload_url = self.url(InstallerCertificate, "upload")
        self.package_url = self.url(InstallerCertificate, "package")

    def get(self, role: str = Role.READ_ONLY) -> HttpResponse:
        response = self.people[role].get(self.page)
        self.assertEqual(response.status_code, 200)
        return response

    def upload(self, data: bytes, password: str = "", role: str = Role.ADMIN) -> HttpResponse:
        file = SimpleUploadedFile("installer.p12", data)
        return self.people[role].post(self.upload_url, {"file": file, "password": password}, follow=True)


class CertificateTest(AgentPageTestCase):
    def test_without_one_it_says_what_is_missing_and_who_can_help(self) -> None:
        response = self.get()
        self.assertContains(response, "Macs do not get the agent by themselves")
        self.assertContains(response, "There is no installer certificate")
        self.assertContains(response, "An administrator of the account can upload it here.")
        self.assertNotContains(response, self.upload_url)

    def test_a_p12_with_its_password_is_taken_and_shown(self) -> None:
        response = self.upload(make_installer_identity("Developer ID Installer: Acme").p12("apple"), "apple")
        for words in (
            "signs the agent&#x27;s package",
            "Developer ID Installer: Acme",
            "Upload another one",
            "Expires",
        ):
            self.assertContains(response, words)
        self.assertNotContains(response, "PRIVATE KEY")
        self.assertEqual(self.events("installer_certificate.uploaded")[0].actor_label, "admin@acme.example")

    def test_what_cannot_sign_is_refused_beside_its_field(self) -> None:
        identity = make_installer_identity()
        for data, password, field, words in (
            (b"rubbish", "", "file", "neither"),
            (identity.p12("apple"), "pear", "password", "pass"),
            (identity.certificate.public_bytes(Encoding.PEM), "", "file", "no private key"),
            (b"x" * 300_000, "", "file", "far too large"),
        ):
            response = self.upload(data, password)
            self.assertEqual(response.status_code, 422, words)
            self.assertIn(words, " ".join(response.context["form"].errors[field]))
            self.assertNotContains(response, "pear", status_code=422)
        self.assertFalse(InstallerCertificate.objects.exists())

    def test_what_macs_will_not_trust_is_taken_with_a_warning(self) -> None:
        response = self.upload(make_installer_identity(organization="Acme").pem())
        self.assertContains(response, "It is no Developer ID Installer certificate of Apple")

    def test_removing_asks_first(self) -> None:
        certificate = make_installer_certificate(self.account)
        url = self.url(InstallerCertificate, "remove", certificate.pk)
        self.assertContains(self.people[Role.ADMIN].get(url), "Its key is deleted.")
        self.assertTrue(InstallerCertificate.objects.exists())
        self.assertContains(self.people[Role.ADMIN].post(url, follow=True), "The certificate is removed")
        self.assertFalse(InstallerCertificate.objects.exists())

    def test_only_those_who_configure_change_it(self) -> None:
        certificate = make_installer_certificate(self.account)
        url = self.url(InstallerCertificate, "remove", certificate.pk)
        for role in (Role.READ_ONLY, Role.OPERATOR):
            self.assertEqual(self.upload(b"x", role=role).status_code, 403)
            self.assertEqual(self.people[role].post(url).status_code, 403)
            self.assertNotContains(self.get(role), url)
        self.assertEqual(self.outside.post(url).status_code, 404)
        self.assertEqual(InstallerCertificate.objects.get(), certificate)


class PackageTest(AgentPageTestCase):
    def test_it_is_downloaded_for_installing_by_hand(self) -> None:
        make_agent_package(self.account)
        self.assertContains(self.get(Role.OPERATOR), self.package_url)
        self.assertContains(self.get(Role.OPERATOR), "not signed")
        response = self.people[Role.OPERATOR].get(self.package_url)
        self.assertEqual(b"".join(response.streaming_content), PACKAGE)
        self.assertIn(f'filename="pomona-agent-{VERSION}.pkg"', response["Content-Disposition"])

    def test_readers_do_not_get_it_and_nobody_gets_another_accounts(self) -> None:
        make_agent_package(self.other_account)
        self.assertEqual(self.people[Role.OWNER].get(self.package_url).status_code, 404)
        make_agent_package(self.account)
        self.assertNotContains(self.get(), self.package_url)
        self.assertEqual(self.people[Role.READ_ONLY].get(self.package_url).status_code, 403)

    def test_when_everything_is_there_it_says_so(self) -> None:
        make_agent_package(self.account, make_installer_certificate(self.account))
        response = self.get()
        self.assertContains(response, "Macs get the agent with their first script")
        self.assertNotContains(response, "do not get the agent by themselves")


class VersionsTest(AgentPageTestCase):
    def agent(self, version: str, **fields: object) -> None:
        device = make_device(self.account, platform="macOS", **fields)
        make_script_agent(device, version=version, last_seen_at=timezone.now() - timedelta(minutes=5))

    def test_enrolled_macs_are_counted_by_version(self) -> None:
        for version in (VERSION, VERSION, "0.1"):
            self.agent(version)
        self.agent(VERSION, state=DeviceState.UNENROLLED)
        make_script_agent(make_device(self.account, platform="macOS"))
        make_device(self.account, platform="macOS")
        make_script_agent(make_device(self.other_account, platform="macOS"), version="99.88.77")
        response = self.get()
        found = {one.version: one.count for one in response.context["counts"]}
        self.assertEqual(found, {VERSION: 2, "0.1": 1, "": 1})
        self.assertContains(response, "1 Mac enrolled and without it")
        self.assertContains(response, "not heard of yet")
        self.assertNotContains(response, "99.88.77")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        self.agent("0.1")
        few = self.statements()
        for number in range(30):
            self.agent(f"0.{number}")
        self.assertEqual(self.statements(), few)
        self.assertLessEqual(few, 14)

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.get(Role.OWNER)
        return len(captured)
