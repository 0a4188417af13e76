"""Encrypted columns: plain on the object, ciphertext in the database, never by accident the other way round."""

import uuid

from django.db import connection, transaction

from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.common.crypto import CannotDecrypt
from mdm.common.fields import Sealed
from mdm.push.models import PushCertificate
from tests.base import AccountTestCase
from tests.factories import make_command, make_device


class FieldsTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.channel = make_device(self.account).device_channel

    def raw(self, column: str, table: str = "mdm_channels_channel") -> object:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {column} FROM {table}")
            value = cursor.fetchone()[0]
        return None if value is None else bytes(value)

    def test_bytes_go_round_and_the_database_holds_no_plain_text(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        self.assertNotIn(b"secret", self.raw("unlock_token"))
        self.assertEqual(Channel.objects.get().unlock_token, b"the secret")

    def test_empty_is_null_so_that_sql_can_ask(self) -> None:
        self.assertIsNone(self.raw("unlock_token"))
        self.assertEqual(Channel.objects.get().unlock_token, b"")
        self.assertEqual(Channel.objects.filter(unlock_token=None).count(), 1)
        self.channel.unlock_token = b"x"
        self.channel.save()
        self.assertEqual(Channel.objects.exclude(unlock_token=None).count(), 1)

    def test_json_and_text_go_round(self) -> None:
        make_command(self.channel, secrets={"/PIN": "123456", "/List/0": [1, None, "ä"]})
        self.assertEqual(Command.objects.get().secrets, {"/PIN": "123456", "/List/0": [1, None, "ä"]})
        now = self.channel.enrolled_at
        PushCertificate.objects.create(
            account=self.account, topic="t", certificate_pem="c", key_pem="schlüssel", not_before=now, not_after=now
        )
        self.assertEqual(PushCertificate.objects.get().key_pem, "schlüssel")

    def test_saving_what_was_loaded_changes_nothing(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        before = self.raw("unlock_token")
        Channel.objects.get().save()
        self.assertEqual(self.raw("unlock_token"), before)

    def test_a_field_left_out_is_read_when_it_is_used(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        with self.assertNumQueries(2):
            self.assertEqual(Channel.objects.defer("unlock_token").get().unlock_token, b"the secret")

    def test_it_is_opened_only_when_it_is_used(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        with self.settings(FIELD_ENCRYPTION_KEYS=["other:" + "A" * 43]):
            channel = Channel.objects.get()
            channel.save(update_fields=["push_magic"])
            with self.assertRaises(CannotDecrypt):
                _ = channel.unlock_token

    def test_ciphertext_moved_to_another_row_or_field_does_not_open(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        other = make_device(self.account).device_channel
        with connection.cursor() as cursor:
            moved = f"(SELECT unlock_token FROM mdm_channels_channel WHERE id = {self.channel.pk})"
            cursor.execute(f"UPDATE mdm_channels_channel SET unlock_token = {moved} WHERE id = {other.pk}")
            cursor.execute(
                f"UPDATE mdm_channels_channel SET bootstrap_token = unlock_token WHERE id = {self.channel.pk}"
            )
        with self.assertRaises(CannotDecrypt):
            _ = Channel.objects.get(pk=other.pk).unlock_token
        with self.assertRaises(CannotDecrypt):
            _ = Channel.objects.get(pk=self.channel.pk).bootstrap_token

    def test_update_cannot_store_plain_text(self) -> None:
        with self.assertRaisesMessage(TypeError, "Channel.unlock_token is encrypted"), transaction.atomic():
            Channel.objects.update(unlock_token=b"the secret")
        self.channel.unlock_token = b"the secret"
        with self.assertRaises(TypeError), transaction.atomic():
            Channel.objects.bulk_update([self.channel], ["unlock_token"])
        self.assertIsNone(self.raw("unlock_token"))

    def test_update_can_empty_a_field(self) -> None:
        self.channel.unlock_token = b"the secret"
        self.channel.save()
        Channel.objects.update(unlock_token=None)
        self.assertEqual(Channel.objects.get().unlock_token, b"")

    def test_bulk_create_encrypts(self) -> None:
        Command.objects.bulk_create(
            [Command(account=self.account, channel=self.channel, request_type="X", secrets={"/PIN": "123456"})]
        )
        self.assertNotIn(b"123456", self.raw("secrets", "mdm_commands_command"))
        self.assertEqual(Command.objects.get().secrets, {"/PIN": "123456"})

    def test_a_sealed_value_is_ciphertext(self) -> None:
        field = Channel._meta.get_field("unlock_token")
        sealed = field.seal(b"the secret", uuid.uuid4())
        self.assertIsInstance(sealed, Sealed)
        self.assertNotIn(b"secret", sealed)
        self.assertIsNone(field.seal(b"", uuid.uuid4()))
