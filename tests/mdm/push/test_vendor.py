"""Whose vendor certificate signs, and in which files people have one."""

import base64
import plistlib
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from django.db import connection
from django.test import override_settings

from mdm.accounts.actors import Actor, Source
from mdm.common import certs
from mdm.events.models import Event
from mdm.push.certificates import request_certificate
from mdm.push.csr import VendorBundleError, load_vendor_bundle
from mdm.push.models import PushRequest, VendorCertificate
from mdm.push.portal import signed_for_apple, signed_request
from mdm.push.vendor import (
    NoVendorCertificate,
    remove_vendor_certificate,
    store_vendor_certificate,
    vendor_bundle,
    vendor_of,
)
from mdm.push.vendor_files import pem_of_files
from tests.base import AccountTestCase
from tests.fakes.vendor import Vendor, certificate, key_pem
from tests.mdm.push.test_certificates import certificate_for

PERSON = Actor(Source.ADMIN, "owner@example.com")


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def p12(vendor: Vendor, passphrase: bytes | None, *more: x509.Certificate) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"vendor", vendor.key, vendor.leaf, list(more), encryption)


class TestFiles:
    """All ways lead to the same bundle."""

    def same(self, vendor: Vendor, files: list[bytes], passphrase: str = "") -> bool:
        leaf, chain, key = load_vendor_bundle(pem_of_files(files, passphrase))
        return (leaf, chain) == (vendor.leaf, [vendor.middle, vendor.root]) and certs.matches(vendor.leaf, key)

    def test_one_pem_file_or_its_parts_in_any_order(self, vendor: Vendor) -> None:
        parts = [vendor.bundle(one, keys=b"").rstrip(b"\n") for one in (vendor.root, vendor.leaf, vendor.middle)]
        assert self.same(vendor, [vendor.bundle()])
        assert self.same(vendor, [*parts, key_pem(vendor.key)])

    def test_apples_own_files_are_binary(self, vendor: Vendor) -> None:
        chain = [der(vendor.middle), der(vendor.root)]
        assert self.same(vendor, [der(vendor.leaf), key_pem(vendor.key), *chain])
        key = vendor.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert self.same(vendor, [*chain, key, der(vendor.leaf)])

    def test_what_a_keychain_exports(self, vendor: Vendor) -> None:
        chain = [der(vendor.middle), der(vendor.root)]
        assert self.same(vendor, [p12(vendor, b"secret"), *chain], "secret")
        assert self.same(vendor, [p12(vendor, None, vendor.middle, vendor.root)])

    def test_a_key_with_a_passphrase(self, vendor: Vendor) -> None:
        locked = vendor.bundle(keys=key_pem(vendor.key, b"secret"))
        traditional = vendor.key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret")
        )
        assert self.same(vendor, [locked], "secret")
        assert self.same(vendor, [vendor.bundle(keys=traditional)], "secret")
        # A passphrase that is given for nothing does no harm.
        assert self.same(vendor, [vendor.bundle()], "secret")

    def test_what_openssl_writes_around_the_blocks_does_no_harm(self, vendor: Vendor) -> None:
        noise = b"Bag Attributes\n    friendlyName: MDM Vendor\n"
        chain = vendor.bundle(vendor.middle, vendor.root, keys=b"")
        assert self.same(vendor, [noise + key_pem(vendor.key) + noise + vendor.bundle(vendor.leaf, keys=b"") + chain])

    def test_each_fault_is_named_without_the_secret(self, vendor: Vendor) -> None:
        locked = vendor.bundle(keys=key_pem(vendor.key, b"secret"))
        faults = [
            ([locked], "", "enter its passphrase"),
            ([locked], "wrong", "cannot be opened with this passphrase"),
            ([p12(vendor, b"secret")], "", "needs a passphrase"),
            ([p12(vendor, b"secret")], "wrong", "cannot be opened with this passphrase"),
            ([b"rubbish"], "", "neither a certificate nor a key"),
            ([b""], "", "neither a certificate nor a key"),
            ([der(vendor.leaf)], "", "no private key"),
        ]
        for files, passphrase, words in faults:
            with pytest.raises(VendorBundleError, match=words) as caught:
                load_vendor_bundle(pem_of_files(files, passphrase))
            assert "secret" not in str(caught.value)
            assert "wrong" not in str(caught.value)


class AccountsVendorTest(AccountTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.vendor, cls.installation = Vendor("Our vendor"), Vendor("The server's vendor")

    def installation_signs(self) -> None:
        path = Path(self.enterContext(tempfile.TemporaryDirectory()), "vendor.pem")
        path.write_bytes(self.installation.bundle())
        self.enterContext(override_settings(PUSH_VENDOR_CERTIFICATE=str(path)))

    def leaf_of(self, signed: bytes) -> x509.Certificate:
        found = plistlib.loads(base64.b64decode(signed, validate=True))
        return x509.load_pem_x509_certificates(found["PushCertCertificateChain"].encode())[0]

    def test_it_is_stored_encrypted_with_subject_and_end(self) -> None:
        row = store_vendor_certificate(self.account, [self.vendor.bundle()], actor=PERSON)
        self.assertEqual((row.subject, row.not_after), ("Our vendor", self.vendor.leaf.not_valid_after_utc))
        with connection.cursor() as cursor:
            cursor.execute("SELECT bundle_pem FROM mdm_push_vendorcertificate")
            self.assertNotIn(b"PRIVATE KEY", bytes(cursor.fetchone()[0]))
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.actor_label), ("vendor_certificate.uploaded", PERSON.label))
        self.assertEqual(set(event.metadata), {"subject", "expires"})

    def test_only_what_is_needed_is_kept(self) -> None:
        stranger = self.installation.root
        given = self.vendor.bundle(stranger, self.vendor.root, self.vendor.leaf, self.vendor.middle)
        row = store_vendor_certificate(self.account, [given])
        self.assertEqual(len(x509.load_pem_x509_certificates(row.bundle_pem.encode())), 3)

    def test_the_accounts_own_comes_before_the_installations(self) -> None:
        request = request_certificate(self.account, email="push@example.com")
        with self.assertRaisesMessage(NoVendorCertificate, "Neither this account nor this server"):
            signed_for_apple(request)
        self.installation_signs()
        self.assertEqual(self.leaf_of(signed_for_apple(request)), self.installation.leaf)
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        self.assertEqual(self.leaf_of(signed_for_apple(request)), self.vendor.leaf)
        signed = signed_request(self.account, email="push@example.com", actor=PERSON)
        self.assertEqual(self.leaf_of(signed), self.vendor.leaf)
        elsewhere = request_certificate(self.other_account, email="push@example.com")
        self.assertEqual(self.leaf_of(signed_for_apple(elsewhere)), self.installation.leaf)
        self.assertTrue(remove_vendor_certificate(self.account, actor=PERSON))
        self.assertEqual(self.leaf_of(signed_for_apple(request)), self.installation.leaf)

    def test_removing_it_twice_is_no_error_and_one_event(self) -> None:
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        removed = [remove_vendor_certificate(self.account, actor=PERSON) for _ in range(2)]
        self.assertEqual(removed, [True, False])
        self.assertEqual(Event.objects.filter(event_type="vendor_certificate.removed").count(), 1)

    def test_a_new_one_takes_the_place_of_the_former(self) -> None:
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        store_vendor_certificate(self.account, [self.installation.bundle()])
        self.assertEqual(VendorCertificate.objects.get().subject, "The server's vendor")

    def test_what_cannot_sign_is_refused_and_the_former_stays(self) -> None:
        store_vendor_certificate(self.account, [self.vendor.bundle()])
        key = certs.new_rsa_key()
        push = certificate_for(key)
        for files, words in (
            ([Vendor(days=-1).bundle()], "expired on"),
            ([self.vendor.bundle(self.vendor.leaf)], "chain is not complete"),
            ([push, certs.key_to_pem(key)], "chain is not complete"),
            ([b"rubbish"], "neither a certificate nor a key"),
        ):
            with self.assertRaisesMessage(VendorBundleError, words):
                store_vendor_certificate(self.account, files)
        self.assertEqual(VendorCertificate.objects.get().subject, "Our vendor")
        self.assertEqual(Event.objects.count(), 1)

    def test_one_that_expired_meanwhile_is_not_passed_over_in_silence(self) -> None:
        self.installation_signs()
        short = Vendor(days=-1)
        pem = short.bundle().decode()
        VendorCertificate.objects.create(
            account=self.account, subject="Old", bundle_pem=pem, not_after=short.leaf.not_valid_after_utc
        )
        with self.assertRaisesMessage(VendorBundleError, "expired on"):
            vendor_bundle(self.account)
        found = vendor_of(self.account)
        self.assertTrue(found.is_own)
        self.assertIn("expired on", found.problem)

    def test_nothing_is_made_when_nobody_can_sign(self) -> None:
        with self.assertRaises(NoVendorCertificate):
            signed_request(self.account, email="push@example.com", actor=PERSON)
        self.assertFalse(PushRequest.objects.exists())

    def test_the_end_is_that_of_the_part_that_ends_first(self) -> None:
        vendor = Vendor(days=300)
        vendor.middle = certificate("WWDR", vendor.middle_key, "Root", vendor.root_key, is_ca=True, days=5)
        row = store_vendor_certificate(self.account, [vendor.bundle()])
        self.assertEqual(row.not_after, vendor.middle.not_valid_after_utc)
