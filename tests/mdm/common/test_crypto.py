"""Secrets at rest: readable only at their place, with a key that is still there."""

import base64

import pytest
from django.test import SimpleTestCase, override_settings

from mdm.common import crypto
from mdm.common.crypto import CannotDecrypt


def key(key_id: str, byte: int) -> str:
    return f"{key_id}:{base64.urlsafe_b64encode(bytes([byte]) * 32).decode()}"


OLD, NEW = key("2024", 1), key("2025", 2)


@override_settings(FIELD_ENCRYPTION_KEYS=[OLD])
class CryptoTest(SimpleTestCase):
    def test_what_was_encrypted_is_read_again(self) -> None:
        for plain in (b"", b"secret", bytes(range(256)) * 1000):
            self.assertEqual(crypto.decrypt(crypto.encrypt(plain, place="a.b:1"), place="a.b:1"), plain)

    def test_the_stored_form_shows_nothing_and_is_never_the_same(self) -> None:
        first, second = crypto.encrypt(b"secret", place="p"), crypto.encrypt(b"secret", place="p")
        self.assertNotEqual(first, second)
        self.assertNotIn(b"secret", first)

    def test_moved_to_another_place_it_does_not_open(self) -> None:
        stored = crypto.encrypt(b"secret", place="channels.channel.unlock_token:1")
        for place in ("channels.channel.unlock_token:2", "channels.channel.bootstrap_token:1", ""):
            with self.assertRaises(CannotDecrypt) as caught:
                crypto.decrypt(stored, place=place)
            self.assertNotIn("secret", str(caught.exception))

    def test_a_changed_byte_anywhere_does_not_open(self) -> None:
        stored = crypto.encrypt(b"secret", place="p")
        for index in range(len(stored)):
            with self.assertRaises(CannotDecrypt):
                crypto.decrypt(stored[:index] + bytes([stored[index] ^ 1]) + stored[index + 1 :], place="p")

    def test_what_is_cut_off_does_not_open(self) -> None:
        stored = crypto.encrypt(b"secret", place="p")
        for length in range(len(stored)):
            with self.assertRaises(CannotDecrypt):
                crypto.decrypt(stored[:length], place="p")

    def test_after_a_rotation_old_values_are_read_and_new_ones_use_the_new_key(self) -> None:
        old = crypto.encrypt(b"secret", place="p")
        with override_settings(FIELD_ENCRYPTION_KEYS=[NEW, OLD]):
            self.assertEqual(crypto.decrypt(old, place="p"), b"secret")
            self.assertFalse(crypto.is_current(old))
            new = crypto.encrypt(b"secret", place="p")
            self.assertTrue(crypto.is_current(new))
        with override_settings(FIELD_ENCRYPTION_KEYS=[NEW]):
            self.assertEqual(crypto.decrypt(new, place="p"), b"secret")
            with self.assertRaisesMessage(CannotDecrypt, "2024"):
                crypto.decrypt(old, place="p")

    def test_the_same_id_with_another_key_does_not_open(self) -> None:
        stored = crypto.encrypt(b"secret", place="p")
        with override_settings(FIELD_ENCRYPTION_KEYS=[key("2024", 9)]), self.assertRaises(CannotDecrypt):
            crypto.decrypt(stored, place="p")

    def test_keys_without_padding_are_taken(self) -> None:
        with override_settings(FIELD_ENCRYPTION_KEYS=[OLD.rstrip("=")]):
            self.assertEqual(crypto.decrypt(crypto.encrypt(b"x", place="p"), place="p"), b"x")


@pytest.mark.parametrize("item", ["", "no-colon", "id:", ":" + "A" * 43, "id:QUJD", "x" * 300 + ":" + "A" * 43])
def test_a_key_of_another_form_is_refused(item: str) -> None:
    with override_settings(FIELD_ENCRYPTION_KEYS=[item]), pytest.raises(ValueError, match="FIELD_ENCRYPTION_KEYS"):
        crypto.encrypt(b"x", place="p")
