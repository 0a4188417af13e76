from cryptography.hazmat.primitives.serialization import Encoding

from devices.models import InstalledCertificate
from mdm.common import certs
from tests.devices.results.base import ResultTestCase
from tests.mdm.endpoints.base import ForeignAuthority

AUTHORITY = ForeignAuthority().certificate
DER = AUTHORITY.public_bytes(Encoding.DER)
CA = {"CommonName": "Somebody's CA", "Data": DER, "IsIdentity": False}


class CertificateListTest(ResultTestCase):
    def list_certificates(self, device, *certificates, **options):
        return self.tell(device, "CertificateList", {"CertificateList": list(certificates)}, **options)

    def stored(self, user_key=""):
        return list(InstalledCertificate.objects.filter(user_key=user_key).order_by("pk"))

    def test_the_list_becomes_rows_with_their_dates(self):
        self.assert_read(self.list_certificates(self.phone, CA))
        (row,) = self.stored()
        self.assertEqual((row.common_name, row.is_identity), ("Somebody's CA", False))
        self.assertEqual(row.fingerprint, certs.fingerprint(DER))
        self.assertEqual(row.not_after, certs.not_after(AUTHORITY))

    def test_a_repeat_is_harmless_and_the_next_list_replaces_it(self):
        for _ in range(2):
            self.list_certificates(self.phone, CA, CA)
        kept = self.stored()
        self.assertEqual(len(kept), 1)
        self.list_certificates(self.phone, {**CA, "IsIdentity": True})
        self.assertEqual([(row.pk, row.is_identity) for row in self.stored()], [(kept[0].pk, True)])
        self.list_certificates(self.phone)
        self.assertEqual(self.stored(), [])

    def test_users_have_lists_of_their_own(self):
        self.list_certificates(self.mac, CA)
        self.list_certificates(self.mac, CA, user_key="JANE")
        self.list_certificates(self.mac, user_key="JANE")
        self.assertEqual((len(self.stored()), len(self.stored("JANE"))), (1, 0))

    def test_one_that_cannot_be_read_is_listed_without_dates(self):
        wrong_version = DER.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
        command = self.list_certificates(
            self.phone, {"CommonName": "c" * 999, "Data": b"rubbish"}, {"CommonName": "v", "Data": wrong_version}
        )
        self.assert_read(command)
        self.assertEqual([row.not_after for row in self.stored()], [None, None])
        self.assertEqual(len(self.stored()[0].common_name), 255)

    def test_what_is_no_certificate_is_passed_over(self):
        self.assert_read(
            self.list_certificates(self.phone, 1, {}, {"Data": "text"}, {"Data": b"x", "IsIdentity": "yes"})
        )
        self.assertEqual([row.is_identity for row in self.stored()], [False])
        self.assert_read(self.tell(self.phone, "CertificateList", {"CertificateList": {}}))
        self.assertEqual(len(self.stored()), 1)
