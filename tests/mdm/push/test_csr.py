"""Push certificate requests and the vendor's signature on them."""

import base64
import plistlib

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from mdm.push.csr import PushRequestError, VendorBundleError, load_vendor_bundle, new_push_request, signed_push_request
from tests.fakes.vendor import Vendor, certificate, key_pem

EMPTY_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
EMPTY_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor()


class TestNewPushRequest:
    def test_it_names_the_customer_and_fits_its_key(self) -> None:
        private, der = new_push_request("Acme School", "it@acme.example", "de")
        request = x509.load_der_x509_csr(der)
        key = serialization.load_pem_private_key(private, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.key_size == 2048
        assert request.public_key() == key.public_key()
        assert request.is_signature_valid
        named = {attribute.oid: attribute.value for attribute in request.subject}
        assert named == {
            NameOID.EMAIL_ADDRESS: "it@acme.example",
            NameOID.COMMON_NAME: "Acme School",
            NameOID.COUNTRY_NAME: "DE",
        }

    def test_every_request_has_a_key_of_its_own(self) -> None:
        assert new_push_request("A", "a@b.example", "US")[0] != new_push_request("A", "a@b.example", "US")[0]

    @pytest.mark.parametrize(
        ("name", "email", "country"),
        [("A", "a@b.example", "Germany"), ("A", "a@b.example", ""), ("", "a@b.example", "US"), ("A" * 65, "a@b", "US")],
    )
    def test_a_name_that_does_not_fit_is_an_error(self, name: str, email: str, country: str) -> None:
        with pytest.raises(PushRequestError, match="does not fit"):
            new_push_request(name, email, country)


class TestSignedPushRequest:
    def test_it_is_what_the_portal_reads(self, vendor: Vendor) -> None:
        _, der = new_push_request("Acme", "it@acme.example", "US")
        answer = signed_push_request(der, vendor.leaf, [vendor.middle, vendor.root], vendor.key)
        xml = base64.b64decode(answer, validate=True)
        assert xml.startswith(b"<?xml")
        plist = plistlib.loads(xml)
        assert list(plist) == ["PushCertRequestCSR", "PushCertCertificateChain", "PushCertSignature"]
        assert base64.b64decode(plist["PushCertRequestCSR"], validate=True) == der
        chain = x509.load_pem_x509_certificates(plist["PushCertCertificateChain"].encode())
        assert chain == [vendor.leaf, vendor.middle, vendor.root]
        assert max(len(line) for line in plist["PushCertCertificateChain"].splitlines()) <= 64
        signature = base64.b64decode(plist["PushCertSignature"], validate=True)
        public = vendor.leaf.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signature, der, padding.PKCS1v15(), hashes.SHA256())
        with pytest.raises(InvalidSignature):
            public.verify(signature, der + b"x", padding.PKCS1v15(), hashes.SHA256())

    def test_a_request_that_is_not_one_is_refused(self, vendor: Vendor) -> None:
        with pytest.raises(PushRequestError, match="not readable"):
            signed_push_request(b"nonsense", vendor.leaf, [vendor.middle, vendor.root], vendor.key)

    def test_a_tampered_request_is_refused(self, vendor: Vendor) -> None:
        _, der = new_push_request("Acme", "it@acme.example", "US")
        with pytest.raises(PushRequestError, match="not signed by its own key"):
            signed_push_request(der.replace(b"Acme", b"Evil"), vendor.leaf, [vendor.root], vendor.key)


class TestVendorBundle:
    def test_parts_may_come_in_any_order(self, vendor: Vendor) -> None:
        stranger = certificate("Other", vendor.root_key, "Other", vendor.root_key, is_ca=True)
        mixed = vendor.bundle(vendor.root, stranger, vendor.leaf, vendor.middle)
        for pem in (vendor.bundle(), key_pem(vendor.key) + vendor.bundle(keys=b""), mixed):
            leaf, chain, key = load_vendor_bundle(pem)
            assert leaf == vendor.leaf
            assert chain == [vendor.middle, vendor.root]
            assert key.public_key() == vendor.key.public_key()

    def test_of_two_intermediates_with_one_key_the_longer_lived_is_taken(self, vendor: Vendor) -> None:
        old = certificate("WWDR", vendor.middle_key, "Root", vendor.root_key, is_ca=True, days=-1)
        _, chain, _ = load_vendor_bundle(vendor.bundle(vendor.leaf, old, vendor.middle, vendor.root))
        assert chain == [vendor.middle, vendor.root]

    def test_each_fault_is_named(self, vendor: Vendor) -> None:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        expired = certificate("MDM Vendor", vendor.key, "WWDR", vendor.middle_key, is_ca=False, days=-1)
        own = certificate("Own", vendor.key, "Own", vendor.key, is_ca=True)
        faults = [
            (b"", "no private key"),
            (b"\x00\xff", "no private key"),
            (vendor.bundle(keys=b""), "no private key"),
            (vendor.bundle(keys=key_pem(vendor.key) + key_pem(other)), "2 private keys"),
            (vendor.bundle(keys=key_pem(vendor.key, b"secret")), "encrypted"),
            (
                vendor.bundle(keys=b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                "key is not readable",
            ),
            (vendor.bundle(keys=key_pem(vendor.root_key)), "not an RSA key"),
            (vendor.bundle(keys=key_pem(other)), "belongs to its private key"),
            (key_pem(vendor.key), "no certificate"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + key_pem(vendor.key),
                "is not readable",
            ),
            (vendor.bundle(vendor.leaf, vendor.root), "lacks the certificate of WWDR"),
            (vendor.bundle(vendor.leaf, vendor.middle), "lacks the certificate of Root"),
            (vendor.bundle(expired, vendor.middle, vendor.root), "expired on"),
            (vendor.bundle(own), "self-signed"),
        ]
        for pem, message in faults:
            with pytest.raises(VendorBundleError, match=message) as caught:
                load_vendor_bundle(pem)
            assert "PRIVATE KEY" not in str(caught.value)
