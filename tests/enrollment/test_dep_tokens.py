"""Server tokens: keys, files as Apple makes them, files that are something else."""

import base64
import json
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection
from django.test import TestCase

from enrollment.models import DepKey, DepServer
from enrollment.services.dep import add_server
from enrollment.services.dep_tokens import MAX_TOKEN_BYTES, make_key, read_token
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import SYSTEM
from mdm.common import certs
from mdm.events.models import Event
from mdm.protocol.envelope import seal_envelope
from tests.factories import make_account
from tests.fakes.dep import ACCESS, CONSUMER, token_message

HEAD = (
    b'Content-Type: application/pkcs7-mime; name="smime.p7m"; smime-type=enveloped-data\r\n'
    b"Content-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="smime.p7m"\r\n'
    b"Content-Description: S/MIME Encrypted Message\r\n\r\n"
)


def token_file(key: DepKey, message: bytes | None = None, *, cipher: str = "aes256") -> bytes:
    """A token as Apple hands it out."""
    certificate = certs.load_certificate(key.certificate_pem.encode())
    message = token_message() if message is None else message
    return HEAD + base64.encodebytes(seal_envelope(message, recipient=certificate, content_encryption=cipher))


class KeyTest(TestCase):
    def test_a_key_is_rsa_2048_with_a_certificate_for_it(self):
        key = make_key(make_account("Acme"), SYSTEM)
        private, certificate = (
            certs.key_from_pem(key.key_pem.encode()),
            certs.load_certificate(key.certificate_pem.encode()),
        )
        self.assertIsInstance(private, rsa.RSAPrivateKey)
        self.assertEqual(private.key_size, 2048)
        self.assertTrue(certs.matches(certificate, private))
        self.assertTrue(certs.is_issued_by(certificate, certificate))

    def test_the_private_key_is_encrypted_at_rest_and_the_log_does_not_have_it(self):
        key = make_key(make_account(), SYSTEM)
        with connection.cursor() as cursor:
            cursor.execute("SELECT key_pem FROM enrollment_depkey")
            self.assertNotIn(b"PRIVATE KEY", bytes(cursor.fetchone()[0]))
        event = Event.objects.get(event_type="dep_server.key_created")
        self.assertEqual(event.metadata, {"dep_key_id": key.pk})


class ReadTokenTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.account = make_account("Acme")
        cls.key = make_key(cls.account, SYSTEM)

    def refusal(self, data: bytes) -> str:
        with self.assertRaises(EnrollmentError) as raised:
            read_token(self.account, data)
        return str(raised.exception)

    def test_every_cipher_that_apple_may_use(self):
        for cipher in ("3des", "aes128", "aes192", "aes256"):
            token, key = read_token(self.account, token_file(self.key, cipher=cipher))
            self.assertEqual(key, self.key)
            given = token.credentials
            self.assertEqual((given.consumer_key, given.consumer_secret), CONSUMER)
            self.assertEqual((given.access_token, given.access_secret), ACCESS)

    def test_the_key_it_was_made_for_is_found_among_many(self):
        make_key(self.account, SYSTEM)
        self.assertEqual(read_token(self.account, token_file(self.key))[1], self.key)

    def test_der_without_mail_around_it_is_read_too(self):
        der = base64.b64decode(token_file(self.key).split(b"\r\n\r\n", 1)[1])
        self.assertEqual(read_token(self.account, der)[1], self.key)

    def test_the_time_is_kept_in_utc(self):
        for text in ("2031-05-06T07:08:09Z", "2031-05-06T09:08:09+02:00", "2031-05-06T07:08:09"):
            token, _ = read_token(self.account, token_file(self.key, token_message(access_token_expiry=text)))
            self.assertEqual(token.expires_at, datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC))

    def test_messages_that_openssl_makes_in_ber_and_der(self):
        if shutil.which("openssl") is None:
            self.skipTest("needs openssl")
        directory = self.enterContext(tempfile.TemporaryDirectory())
        certificate = Path(directory) / "certificate.pem"
        certificate.write_text(self.key.certificate_pem)
        for tool, cipher, stream in (
            ("smime", "-aes128", []),
            ("smime", "-des3", []),
            ("cms", "-aes256", ["-stream"]),
            ("smime", "-aes256", ["-stream", "-indef"]),
        ):
            command = ["openssl", tool, "-encrypt", cipher, *stream, str(certificate)]
            data = subprocess.run(command, input=token_message(), capture_output=True, check=True).stdout
            token, _ = read_token(self.account, data)
            self.assertEqual(token.credentials.access_secret, ACCESS[1], command)

    def test_a_token_of_another_account_is_not_opened(self):
        theirs = make_key(make_account(), SYSTEM)
        self.assertIn("No key of this account opens this token", self.refusal(token_file(theirs)))

    def test_files_that_are_no_tokens(self):
        signed = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
        for data in (b"", b"hello", b"\x30", b"\x30\x82\xff\xff", b"\x30\x80" * 5000, signed, b"\x00" * 100, HEAD):
            self.assertIn("is not a server token", self.refusal(data))
        parts = b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nhello\r\n--x--\r\n'
        self.assertIn("is not a server token", self.refusal(parts))

    def test_envelopes_with_something_else_inside(self):
        for message in (
            b"hello",
            b"-----BEGIN MESSAGE-----\r\n{\r\n-----END MESSAGE-----",
            b"-----BEGIN MESSAGE-----[]-----END MESSAGE-----",
        ):
            self.assertIn("is not a server token", self.refusal(token_file(self.key, message)))

    def test_each_value_is_needed_and_bounded(self):
        for name in ("consumer_key", "consumer_secret", "access_token", "access_secret"):
            for value in (None, "", 7, "x" * 2001, "two\nlines", "ü"):
                refusal = self.refusal(token_file(self.key, token_message(**{name: value})))
                self.assertEqual(refusal, f"The server token has no usable {name}.")

    def test_a_time_is_needed(self):
        for value in (None, "", 7, "tomorrow", "0001-01-01T00:00:00+14:00"):
            refusal = self.refusal(token_file(self.key, token_message(access_token_expiry=value)))
            self.assertEqual(refusal, "The server token does not say when it expires.")

    def test_a_file_of_any_size_is_not_read(self):
        self.assertEqual(self.refusal(b"x" * (MAX_TOKEN_BYTES + 1)), "The file is too large for a server token.")


class AddServerTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.account = make_account("Acme")
        cls.key = make_key(cls.account, SYSTEM)

    def add(self, message: bytes | None = None, name: str = "Phones", account=None) -> DepServer:
        return add_server(account or self.account, token_file(self.key, message), name=name, actor=SYSTEM)

    def test_a_new_server_is_due_and_logged(self):
        server = self.add()
        self.assertEqual((server.account, server.name, server.key), (self.account, "Phones", self.key))
        self.assertIsNotNone(server.sync_due_at)
        event = Event.objects.get(event_type="dep_server.created")
        self.assertEqual(event.metadata["dep_server_id"], server.pk)
        text = json.dumps(event.metadata)
        for secret in (CONSUMER[1], *ACCESS):
            self.assertNotIn(secret, text)

    def test_the_tokens_are_encrypted_at_rest(self):
        self.add()
        with connection.cursor() as cursor:
            cursor.execute("SELECT consumer_secret, access_token, access_secret FROM enrollment_depserver")
            for stored, secret in zip(cursor.fetchone(), (CONSUMER[1], *ACCESS), strict=True):
                self.assertNotIn(secret.encode(), bytes(stored))

    def test_the_same_consumer_key_renews_the_server_and_keeps_what_it_knows(self):
        server = self.add()
        DepServer.objects.update(cursor="00ff", sync_error="old", sync_attempts=4, sync_due_at=None)
        again = self.add(token_message(access_token="AT_new", expires_at=datetime.now(UTC) + timedelta(days=700)))
        self.assertEqual(again.pk, server.pk)
        stored = DepServer.objects.get()
        self.assertEqual((stored.cursor, stored.access_token, stored.consumer_secret), ("00ff", "AT_new", CONSUMER[1]))
        self.assertEqual((stored.sync_error, stored.sync_attempts), ("", 0))
        self.assertIsNotNone(stored.sync_due_at)
        self.assertEqual(Event.objects.filter(event_type="dep_server.renewed").count(), 1)
        self.assertEqual(Event.objects.filter(event_type="dep_server.created").count(), 1)

    def test_another_consumer_key_is_another_server(self):
        self.assertNotEqual(self.add().pk, self.add(token_message(consumer_key="CK_second")).pk)

    def test_a_renewed_token_may_be_made_for_a_newer_key(self):
        server = self.add()
        newer = make_key(self.account, SYSTEM)
        add_server(self.account, token_file(newer), name="Phones", actor=SYSTEM)
        server.refresh_from_db()
        self.assertEqual(server.key, newer)

    def test_an_expired_token_is_refused(self):
        with self.assertRaisesMessage(EnrollmentError, "The server token expired on 2024-05-06"):
            self.add(token_message(expires_at=datetime(2024, 5, 6, tzinfo=UTC)))
        self.assertFalse(DepServer.objects.exists())

    def test_a_name_is_needed(self):
        for name in ("", "x" * 201):
            with self.assertRaisesMessage(EnrollmentError, "1 to 200 characters"):
                self.add(name=name)
        self.assertFalse(DepServer.objects.exists())
