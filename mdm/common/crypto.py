"""Secrets at rest: AES-256-GCM, bound to the place where they are stored, with several keys so that they can be rotated.

Stored form: one byte length of the key id, key id, 12 bytes nonce, ciphertext with tag.
"""

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is unknown, or the bytes were changed or moved from another row or field."""


def encrypt(plain: bytes, *, place: str) -> bytes:
    """Encrypt with the first of FIELD_ENCRYPTION_KEYS. place names model, field and row: the result opens nowhere else."""
    key_id, cipher = _current(tuple(settings.FIELD_ENCRYPTION_KEYS))
    nonce = os.urandom(NONCE_BYTES)
    return bytes([len(key_id)]) + key_id + nonce + cipher.encrypt(nonce, plain, place.encode())


def decrypt(stored: bytes, *, place: str) -> bytes:
    """Raises CannotDecrypt."""
    key_id, rest = _split(stored)
    cipher = _ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).get(key_id)
    if cipher is None:
        raise CannotDecrypt(f"no key with the id {key_id.decode(errors='replace')!r} in FIELD_ENCRYPTION_KEYS")
    try:
        return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError) as error:  # ValueError: too short to be one at all
        raise CannotDecrypt(f"the stored value of {place.split(':')[0]} does not belong to this place") from error


def is_current(stored: bytes) -> bool:
    """Whether the value was encrypted with the key in use now; False means that rotation has work to do."""
    return _split(stored)[0] == _current(tuple(settings.FIELD_ENCRYPTION_KEYS))[0]


def _split(stored: bytes) -> tuple[bytes, bytes]:
    """Key id, and nonce with ciphertext."""
    stored = bytes(stored)
    length = 1 + stored[0] if stored else 1
    return stored[1:length], stored[length:]


def _current(keys: tuple[str, ...]) -> tuple[bytes, AESGCM]:
    return next(iter(_ciphers(keys).items()))


@lru_cache(maxsize=8)
def _ciphers(keys: tuple[str, ...]) -> dict[bytes, AESGCM]:
    """Parse `id:base64` items; the id is what stored values carry, so it must never be given to another key."""
    ciphers = {}
    for item in keys:
        key_id, separator, encoded = item.partition(":")
        key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)) if separator else b""
        if len(key) != 32 or not 0 < len(key_id) < 200:
            raise ValueError("FIELD_ENCRYPTION_KEYS takes items of the form id:base64-of-32-bytes")
        ciphers[key_id.encode()] = AESGCM(key)
    return ciphers
