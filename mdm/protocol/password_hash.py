"""The form in which macOS takes the password of a local account. Source: Apple, "passwordHash"."""

import hashlib
import plistlib
import secrets

ITERATIONS = 40_000
SALT_BYTES = 32
ENTROPY_BYTES = 128


def password_hash(password: str) -> bytes:
    """A binary property list with a salted SHA-512 PBKDF2 of the password. Takes some 50 ms of CPU."""
    salt = secrets.token_bytes(SALT_BYTES)
    entropy = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, ENTROPY_BYTES)
    value = {"SALTED-SHA512-PBKDF2": {"entropy": entropy, "salt": salt, "iterations": ITERATIONS}}
    return plistlib.dumps(value, fmt=plistlib.FMT_BINARY)
