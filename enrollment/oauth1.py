"""Signing requests with OAuth 1.0a, HMAC-SHA1: what Apple's enrollment service asks of those who open a session.

Source: RFC 5849, sections 3.4 (signature), 3.5.1 (header) and 3.6 (percent encoding).
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

REALM = "ADM"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Credentials:
    consumer_key: str
    consumer_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    access_secret: str = field(repr=False)


def authorization_header(
    method: str, url: str, credentials: Credentials, *, nonce: str = "", timestamp: int | None = None
) -> str:
    """The Authorization header of a request whose body is no form. nonce and timestamp: only for tests."""
    parameters = [
        ("oauth_consumer_key", credentials.consumer_key),
        ("oauth_token", credentials.access_token),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", str(int(time.time()) if timestamp is None else timestamp)),
        ("oauth_nonce", nonce or secrets.token_hex(16)),
        ("oauth_version", "1.0"),
    ]
    signed = signature(method, url, parameters, credentials.consumer_secret, credentials.access_secret)
    fields = [("realm", REALM), *parameters, ("oauth_signature", signed)]
    return "OAuth " + ", ".join(f'{name}="{_encoded(value)}"' for name, value in fields)


def signature(
    method: str, url: str, parameters: Iterable[tuple[str, str]], consumer_secret: str, token_secret: str
) -> str:
    """Base64 of the HMAC-SHA1 over method, URL with its query, and the parameters of the header without the realm."""
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    base = base_string(method, url, parameters)
    return base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()


def base_string(method: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if parts.port and parts.port != _DEFAULT_PORTS.get(scheme):
        host = f"{host}:{parts.port}"
    query = parse_qsl(parts.query, keep_blank_values=True)
    # Sorted after they were encoded, by bytes.
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in [*query, *parameters])
    normal = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join(_encoded(part) for part in (method.upper(), f"{scheme}://{host}{parts.path or '/'}", normal))


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")
