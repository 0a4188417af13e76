"""Random tokens that can stand in URLs, and digests to recognise them by without keeping them."""

import hashlib
import secrets


def new_token(byte_count: int = 24) -> str:
    """URL-safe text of byte_count random bytes."""
    return secrets.token_urlsafe(byte_count)


def digest(token: str) -> str:
    """SHA-256 in hex. Enough for tokens of 128 random bits and more; never for passwords that people choose."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_job_id() -> str:
    """Ten hexadecimal digits: short enough for people to read out."""
    return secrets.token_hex(5)
