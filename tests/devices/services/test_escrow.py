import plistlib
from io import StringIO

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.management import CommandError, call_command
from django.test import Client

from devices.models import DeviceSecrets, EscrowKey
from devices.services.escrow import NotReadable, escrow_key, escrow_profile, open_cms
from devices.services.sending import send
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from mdm.endpoints.tasks import apply_results
from mdm.events.models import Event
from mdm.protocol import mobileconfig
from mdm.protocol.envelope import seal_envelope
from mdm.protocol.request_types.profiles import install_profile
from mdm.virtual.device import VirtualDevice
from mdm.virtual.keys import KeyPool
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment

KEY = "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ"


def certificate_of(key: EscrowKey) -> x509.Certificate:
    return certs.load_certificate(bytes(key.certificate_der))


def sealed(text: bytes, key: EscrowKey, *, content_encryption: str = "aes256") -> bytes:
    return seal_envelope(text, recipient=certificate_of(key), content_encryption=content_encryption)


def through_djangos_client(request: httpx.Request) -> httpx.Response:
    """In the transaction of the test, as the rest of it."""
    kind = request.headers.get("Content-Type", "")
    path, headers = request.url.raw_path.decode(), dict(request.headers)
    answer = Client().generic(request.method, path, request.content, content_type=kind, headers=headers)
    return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


class EscrowKeyTest(AccountTestCase):
    def test_each_account_has_one_made_on_first_use(self):
        key = escrow_key(self.account)
        self.assertEqual(escrow_key(self.account), key)
        self.assertNotEqual(certificate_of(escrow_key(self.other_account)), certificate_of(key))
        self.assertEqual(Event.objects.filter(event_type="escrow_key.created", account=self.account).count(), 1)

    def test_it_is_an_rsa_key_with_a_certificate_of_its_own(self):
        key = escrow_key(self.account)
        certificate = certificate_of(key)
        self.assertEqual(certificate.public_key().key_size, 2048)
        self.assertTrue(certs.is_issued_by(certificate, certificate))
        self.assertTrue(certs.matches(certificate, certs.key_from_pem(key.key_pem.encode())))


class OpenCmsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.escrow = escrow_key(self.account)

    def assert_unreadable(self, data: bytes, words: str = "") -> None:
        with self.assertRaisesMessage(NotReadable, words):
            open_cms(self.account, data)

    def test_what_was_encrypted_to_it_opens(self):
        for encryption in ("aes256", "aes128", "3des"):
            self.assertEqual(
                open_cms(self.account, sealed(KEY.encode(), self.escrow, content_encryption=encryption)), KEY
            )

    def test_a_line_end_is_no_part_of_it(self):
        self.assertEqual(open_cms(self.account, sealed(f"{KEY}\n\0".encode(), self.escrow)), KEY)

    def test_what_was_encrypted_to_somebody_else_does_not(self):
        self.assert_unreadable(sealed(KEY.encode(), escrow_key(self.other_account)), "not encrypted to this account")

    def test_an_account_without_a_key_opens_nothing(self):
        EscrowKey.objects.all().delete()
        self.assert_unreadable(b"x", "no key")
        self.assertFalse(EscrowKey.objects.exists())

    def test_anything_else_is_refused(self):
        good = sealed(KEY.encode(), self.escrow)
        signed = certificate_of(self.escrow).public_bytes(Encoding.DER)
        for data in (
            b"",
            b"\x30",
            b"\x30\x80\0\0",
            b"junk" * 40,
            signed,
            good[:-1],
            good[: len(good) // 2],
            b"\x30\x80" * 3000,
        ):
            self.assert_unreadable(data)
        self.assert_unreadable(good + b"\0" * 70_000, "too large")

    def test_damage_anywhere_is_survived(self):
        good = sealed(KEY.encode(), self.escrow)
        for position in range(0, len(good), 7):
            damaged = bytearray(good)
            damaged[position] ^= 0xFF
            try:
                opened = open_cms(self.account, bytes(damaged))
            except NotReadable:
                continue
            self.assertTrue(opened.isprintable())

    def test_what_is_no_recovery_key_is_refused(self):
        for text in (b"", b"short", b"x" * 256, b"\xff" * 20, "Schlüssel-Schlüssel".encode(), b"with\x00a NUL inside"):
            self.assert_unreadable(sealed(text, self.escrow))


class EscrowProfileTest(AccountTestCase):
    def printed(self, account_id: int) -> bytes:
        out = StringIO()
        call_command("escrow_profile", account=account_id, stdout=out)
        return out.getvalue().encode()

    def test_it_is_a_profile_for_macs_that_names_our_certificate(self):
        printed = self.printed(self.account.pk)
        read = mobileconfig.read(printed)
        self.assertEqual(read.payload_types, ("com.apple.security.pkcs1", "com.apple.security.FDERecoveryKeyEscrow"))
        self.assertEqual((read.scope, read.warnings), ("System", ()))
        certificate, escrow = plistlib.loads(printed)["PayloadContent"]
        self.assertEqual(certificate["PayloadContent"], bytes(EscrowKey.objects.get().certificate_der))
        self.assertEqual(escrow["EncryptCertPayloadUUID"], certificate["PayloadUUID"])
        self.assertIn("Acme", escrow["Location"])

    def test_it_is_the_same_each_time_and_another_one_for_each_account(self):
        first = self.printed(self.account.pk)
        self.assertEqual(self.printed(self.account.pk), first)
        other = mobileconfig.read(self.printed(self.other_account.pk))
        self.assertNotEqual(other.uuid, mobileconfig.read(first).uuid)

    def test_an_account_that_does_not_exist_has_none(self):
        for pk in (10**6, 10**30):
            with self.assertRaisesMessage(CommandError, "There is no account"):
                self.printed(pk)


class VirtualMacTest(AccountTestCase):
    """A Mac that speaks to the real endpoints, from escrow to a new key."""

    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, enrolled=False)
        client = httpx.Client(transport=httpx.MockTransport(through_djangos_client))
        self.addCleanup(client.close)
        self.mac = VirtualDevice("macos", client=client, seed="escrow", model="Mac14,2", key_source=KeyPool(1))
        self.mac.enroll(make_enrollment(device=self.device).url)
        self.talk()

    def talk(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            self.mac.drain()
        apply_results()
        self.device.refresh_from_db()

    def recovery_key(self) -> str:
        return DeviceSecrets.objects.get(device=self.device).filevault_recovery_key

    def ask(self, action: str) -> None:
        """Through the API, until the Mac has answered and the answer is read."""
        response = self.api.post(f"/api/v1/devices/{self.device.pk}/{action}")
        self.assertEqual(response.status_code, 202, response.content)
        self.talk()

    def test_it_hands_over_its_key_and_then_a_new_one(self):
        self.assertFalse(DeviceSecrets.objects.exists())
        response = self.api.post(f"/api/v1/devices/{self.device.pk}/rotate_filevault_key")
        self.assertEqual(response.status_code, 422, response.content)

        send(self.device, install_profile(escrow_profile(self.account)), actor=SYSTEM)
        self.ask("refresh")
        first = self.mac.state.recovery_key
        self.assertEqual(self.recovery_key(), first)
        self.assertNotIn("FDE_PersonalRecoveryKeyCMS", self.device.security)

        self.ask("rotate_filevault_key")
        self.assertNotEqual(self.mac.state.recovery_key, first)
        self.assertEqual(self.recovery_key(), self.mac.state.recovery_key)

        # The Mac answers only to whoever knows its present key: the second one shows that it is the right one.
        self.ask("rotate_filevault_recovery_key")
        self.assertEqual(self.recovery_key(), self.mac.state.recovery_key)
        attributes = self.api.get(f"/api/v1/devices/{self.device.pk}").json()["data"]["attributes"]
        self.assertEqual(attributes["filevault_recovery_key"], self.mac.state.recovery_key)
        self.assertEqual(Event.objects.filter(event_type="device.secret_stored").count(), 3)

    def test_its_recovery_lock_is_set_changed_and_cleared(self):
        for _ in range(2):
            self.ask("rotate_recovery_lock_password")
            row = DeviceSecrets.objects.get(device=self.device)
            self.assertEqual(row.recovery_lock_password, self.mac.state.recovery_lock)
            self.assertTrue(row.recovery_lock_password)
        self.ask("clear_recovery_lock_password")
        self.assertEqual(self.mac.state.recovery_lock, "")
        self.assertEqual(DeviceSecrets.objects.get().recovery_lock_password, "")
