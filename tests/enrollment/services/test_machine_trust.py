"""Who signed: only a certificate that leads to an authority for devices counts."""

import tempfile
from pathlib import Path

from cryptography import x509
from django.test import SimpleTestCase, override_settings

from enrollment.services.machine_trust import (
    APPLES_OWN,
    NotTrusted,
    device_authorities,
    load_authorities,
    require_genuine,
)
from tests.fakes.device_authority import Certified, make_certified


class MachineTrustTest(SimpleTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.root = make_certified("Root")
        self.trust(self.root)

    def trust(self, *authorities: Certified) -> None:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        path.write_bytes(b"".join(one.pem for one in authorities))
        self.enterContext(override_settings(APPLE_DEVICE_CA_FILE=str(path)))

    def refused(self, signer: Certified, *others: Certified) -> str:
        with self.assertRaises(NotTrusted) as caught:
            require_genuine(signer.der, [signer.der, *(one.der for one in others)])
        return str(caught.exception)

    def test_a_device_of_the_authority_is_genuine_although_both_ended_years_ago(self) -> None:
        device = self.root.issue("device")
        self.assertIsNone(require_genuine(device.der, []))
        self.trust(make_certified("Another"))
        self.assertIn("no authority that is trusted", self.refused(device))

    def test_signatures_with_sha_1_and_short_keys_are_verified_as_apples_authority_makes_them(self) -> None:
        old = make_certified("Old", bits=1024, sha1=True)
        device = old.issue("device", sha1=True, bits=1024)
        self.assertIn("no authority that is trusted", self.refused(device))
        self.trust(self.root, old)
        self.assertIsNone(require_genuine(device.der, []))

    def test_authorities_between_may_come_with_the_message_in_any_order(self) -> None:
        upper = self.root.issue("Upper", is_ca=True)
        lower = upper.issue("Lower", is_ca=True)
        device = lower.issue("device")
        require_genuine(device.der, [lower.der, device.der, upper.der, b"nonsense"])
        self.assertIn("no authority", self.refused(device, lower))

    def test_the_way_up_is_not_endless(self) -> None:
        chain = [self.root]
        for number in range(4):
            chain.append(chain[-1].issue(f"Step {number}", is_ca=True))
        self.assertIn("no authority", self.refused(chain[-1].issue("device"), *chain[1:]))

    def test_an_authority_that_may_not_have_others_below_it_has_none(self) -> None:
        short = self.root.issue("Short", is_ca=True, path_length=0)
        require_genuine(short.issue("device").der, [short.der])
        below = short.issue("Below", is_ca=True)
        self.assertIn("no authority", self.refused(below.issue("device"), short, below))

    def test_a_stranger_is_refused(self) -> None:
        stranger = make_certified("Strangers")
        self.assertIn("no authority", self.refused(stranger.issue("device")))
        self.assertIn("no authority", self.refused(stranger.issue("device"), stranger, self.root))

    def test_a_forged_authority_of_the_same_name_is_refused(self) -> None:
        forged = make_certified("Root")
        self.assertIn("no authority", self.refused(forged.issue("device"), forged))

    def test_a_certificate_that_signs_itself_is_refused(self) -> None:
        self.assertIn("no authority", self.refused(make_certified("device", is_ca=False)))

    def test_a_device_cannot_vouch_for_another(self) -> None:
        device = self.root.issue("device")
        self.assertIn("no authority", self.refused(device.issue("other"), device))

    def test_an_authority_is_no_device(self) -> None:
        self.assertIn("an authority", self.refused(self.root))
        self.assertIn("an authority", self.refused(self.root.issue("Between", is_ca=True)))

    def test_what_cannot_be_read_is_refused(self) -> None:
        with self.assertRaises(NotTrusted):
            require_genuine(b"nonsense", [])

    def test_without_a_setting_apples_own_authority_counts(self) -> None:
        with override_settings(APPLE_DEVICE_CA_FILE=""):
            (apple,) = device_authorities()
            self.assertEqual(apple, x509.load_pem_x509_certificate(APPLES_OWN.read_bytes()))
            self.assertIn("Apple iPhone Device CA", apple.subject.rfc4514_string())
            self.assertIn("no authority", self.refused(self.root.issue("device"), self.root))

    def test_a_file_without_authorities_is_no_use(self) -> None:
        path = self.folder / "other.pem"
        with self.assertRaises(OSError):
            load_authorities(str(path))
        for content in (b"nonsense", self.root.issue("device").pem):
            path.write_bytes(content)
            with self.assertRaises(ValueError):
                load_authorities(str(path))
