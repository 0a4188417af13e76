"""The agent's package: which accounts get one, which one is the present one, and when old ones go."""

import hashlib
import io
from datetime import timedelta
from unittest import mock

from django.core.files.storage import default_storage
from django.utils import timezone

from apps_catalog.packages import pkg
from devices.models import AgentPackage, InstallerCertificate
from devices.services import agent_files, agent_package
from devices.services.agent_files import tidy_packages
from devices.services.agent_package import build_packages, current_package, why_not_ready
from devices.services.agent_program import DAEMON_PATH, PROGRAM_PATH, VERSION, launch_daemon, program
from devices.services.installer_certificate import remove_installer_certificate, signer_of, upload_installer_certificate
from mdm.accounts.actors import SYSTEM
from mdm.common.crypto import CannotDecrypt
from mdm.protocol.pkg import PackageSigner
from tests.base import AccountTestCase
from tests.factories.installer import make_installer_certificate, make_installer_identity
from tests.mdm.protocol.pkg.reader import read_cpio, read_xar


def content_of(package: AgentPackage) -> bytes:
    with default_storage.open(package.file.name) as file:
        return file.read()


def chain_length(package: AgentPackage) -> int:
    return len(read_xar(content_of(package)).signatures[0].chain)


class BuildTest(AccountTestCase):
    def test_every_account_gets_one_once(self):
        self.assertEqual(build_packages(), 2)  # ours and the outsider's
        self.assertEqual(build_packages(), 0)
        package = current_package(self.account)
        content = content_of(package)
        self.assertEqual((package.version, package.certificate_fingerprint), (VERSION, ""))
        self.assertEqual((package.size, package.sha256), (len(content), hashlib.sha256(content).hexdigest()))
        self.assertFalse(pkg.read(io.BytesIO(content)).is_signed)

    def test_it_holds_the_program_its_daemon_and_the_scripts(self):
        build_packages()
        files = read_xar(content_of(current_package(self.account))).files
        payload = read_cpio(files["agent.pkg/Payload"])
        self.assertEqual(payload[f".{PROGRAM_PATH}"].content, program())
        self.assertEqual(payload[f".{PROGRAM_PATH}"].mode & 0o777, 0o755)
        self.assertEqual(payload[f".{DAEMON_PATH}"].content, launch_daemon())
        self.assertEqual(set(read_cpio(files["agent.pkg/Scripts"])), {".", "./preinstall", "./postinstall"})

    def test_with_a_certificate_it_is_signed(self):
        build_packages()
        certificate = make_installer_certificate(self.account)
        self.assertIsNone(current_package(self.account))
        self.assertEqual(build_packages(), 1)
        package = current_package(self.account)
        self.assertEqual(package.certificate_fingerprint, certificate.fingerprint)
        self.assertTrue(pkg.read(io.BytesIO(content_of(package))).is_signed)

    def test_the_same_certificate_with_its_issuers_needs_a_new_package(self):
        identity = make_installer_identity()
        upload_installer_certificate(self.account, data=identity.pem(with_issuer=False), actor=SYSTEM)
        build_packages()
        self.assertEqual(chain_length(current_package(self.account)), 1)
        upload_installer_certificate(self.account, data=identity.pem(), actor=SYSTEM)
        build_packages()
        self.assertEqual(chain_length(current_package(self.account)), 2)

    def test_what_was_signed_with_a_certificate_that_is_replaced_meanwhile_is_not_kept(self):
        identity = make_installer_identity()
        upload_installer_certificate(self.account, data=identity.pem(with_issuer=False), actor=SYSTEM)

        def replaced(row: InstallerCertificate) -> PackageSigner:
            signer = signer_of(row)
            upload_installer_certificate(self.account, data=identity.pem(), actor=SYSTEM)
            return signer

        with mock.patch.object(agent_package, "signer_of", replaced):
            build_packages()
        self.assertIsNone(current_package(self.account))
        build_packages()
        self.assertEqual(chain_length(current_package(self.account)), 2)

    def test_an_upload_has_it_built_at_once(self):
        with self.captureOnCommitCallbacks(execute=True):
            make_installer_certificate(self.account)
        self.assertIsNotNone(current_package(self.account))

    def test_without_the_certificate_the_unsigned_one_counts_again(self):
        build_packages()
        unsigned = current_package(self.account)
        certificate = make_installer_certificate(self.account)
        build_packages()
        remove_installer_certificate(certificate, SYSTEM)
        self.assertEqual(current_package(self.account), unsigned)

    def test_a_new_program_needs_a_new_package(self):
        build_packages()
        with mock.patch.object(agent_package, "VERSION", "99"):
            self.assertIsNone(current_package(self.account))
            self.assertEqual(build_packages(), 2)
            self.assertEqual(current_package(self.account).version, "99")

    def test_two_workers_build_one(self):
        accounts = agent_package._accounts_without()
        build_packages()
        stored = default_storage.listdir(f"agents/{self.account.pk}")[1]
        with mock.patch.object(agent_package, "_accounts_without", return_value=accounts):
            self.assertEqual(build_packages(), 0)
        self.assertEqual(default_storage.listdir(f"agents/{self.account.pk}")[1], stored)

    def test_a_certificate_that_cannot_be_used_keeps_nobody_else_waiting(self):
        make_installer_certificate(self.account)
        with (
            mock.patch.object(agent_package, "signer_of", side_effect=CannotDecrypt),
            self.assertLogs("devices.services.agent_package", "ERROR"),
        ):
            self.assertEqual(build_packages(), 1)
        self.assertIsNone(current_package(self.account))


class ReadyTest(AccountTestCase):
    def test_why_macs_cannot_get_it(self):
        build_packages()
        self.assertIn("no installer certificate", why_not_ready(self.account))
        make_installer_certificate(self.account)
        self.assertIn("being built", why_not_ready(self.account))
        build_packages()
        self.assertEqual(why_not_ready(self.account), "")
        InstallerCertificate.objects.update(not_after=timezone.now() - timedelta(days=1))
        self.assertIn("expired on", why_not_ready(self.account))


class TidyTest(AccountTestCase):
    def age(self, **what):
        AgentPackage.objects.filter(**what).update(created_at=timezone.now() - timedelta(days=3))

    def test_what_another_has_replaced_for_days_goes_with_its_file(self):
        build_packages()
        old = current_package(self.account)
        make_installer_certificate(self.account)
        build_packages()
        self.assertEqual(tidy_packages(), 0)
        self.age(account=self.account, certificate_fingerprint="")
        self.assertEqual(tidy_packages(), 0, "a Mac may just have been told of it")
        self.age()
        self.assertEqual(tidy_packages(), 1)
        self.assertFalse(default_storage.exists(old.file.name))
        self.assertTrue(default_storage.exists(current_package(self.account).file.name))

    def test_files_without_a_row_go_when_they_are_old(self):
        build_packages()
        package = current_package(self.account)
        AgentPackage.objects.filter(pk=package.pk).delete()
        self.assertEqual(tidy_packages(), 0)
        with mock.patch.object(agent_files, "KEPT_FOR", timedelta(seconds=-60)):
            self.assertGreaterEqual(agent_files.drop_left_behind(), 1)  # those of other tests go too
        self.assertFalse(default_storage.exists(package.file.name))

    def test_a_package_whose_file_was_lost_is_built_anew(self):
        build_packages()
        default_storage.delete(current_package(self.account).file.name)
        self.assertEqual(tidy_packages(), 1)
        self.assertEqual(build_packages(), 1)
        self.assertTrue(default_storage.exists(current_package(self.account).file.name))

    def test_nothing_was_ever_built(self):
        with mock.patch.object(agent_files, "STORED_AGENTS", "nowhere"):
            self.assertEqual(tidy_packages(), 0)
