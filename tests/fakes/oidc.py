"""An OpenID Connect provider, played by a real HTTP server on 127.0.0.1: discovery, authorization, token, keys, person.

In a test: `with FakeOidc() as provider: ...`, with OIDC_URL at `provider.url`. It does what a provider must: a code works
once, for the client and the address that it was made for, and only with the verifier of its challenge.
"""

import base64
import hashlib
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.http import Handler, LocalService

CLIENT_ID, CLIENT_SECRET = "pomona", "provider-and-pomona-know-this"


class FakeOidc(LocalService):
    """Settings are plain attributes and may change while it runs.

    person: the claims about whoever signs in. in_token: which of them stand in the ID token; userinfo has all.
    claims: other values in the ID token, None leaves one out. key: what signs; shown_key: what the key set holds.
    broken: paths that answer 500. silent: paths that answer after `delay` seconds. asked: path and parameters of each request.
    """

    def __init__(self) -> None:
        self.key = self.shown_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.algorithm = "RS256"
        self.person: dict[str, Any] = {"sub": "8c1f", "email": "", "email_verified": True, "name": "Ada"}
        self.in_token = ("email", "email_verified")
        self.claims: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.userinfo_sub = ""
        self.broken: set[str] = set()
        self.garbled: set[str] = set()
        self.delay = 0.0
        self.refuses = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()

    def answer(self, handler: Handler) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(handler.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if handler.command == "POST":
            given |= {name: values[0] for name, values in parse_qs(handler.body().decode()).items()}
        self.asked.append((parts.path, given))
        time.sleep(self.delay)
        if parts.path in self.broken:
            return 500, {}, b"out of order"
        if parts.path in self.garbled:
            return 200, {"Content-Type": "application/json"}, b"{]"
        pages = {
            "/.well-known/openid-configuration": self._configuration,
            "/authorize": self._authorize,
            "/token": self._token,
            "/keys": self._keys,
            "/userinfo": self._userinfo,
        }
        if parts.path not in pages:
            return 404, {}, b""
        return pages[parts.path](given, handler)

    def asked_for(self, path: str) -> list[dict[str, str]]:
        return [given for asked, given in self.asked if asked == path]

    def _configuration(self, given: dict[str, str], handler: Handler) -> tuple[int, dict[str, str], bytes]:
        return _json(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "id_token_signing_alg_values_supported": [self.algorithm],
            }
            | self.config
        )

    def _authorize(self, given: dict[str, str], handler: Handler) -> tuple[int, dict[str, str], bytes]:
        """The person is signed in there already, so that they are sent back at once."""
        if given.get("client_id") != CLIENT_ID or "openid" not in given.get("scope", "").split():
            return 400, {}, b"unknown client"
        answer = {"state": given["state"]}
        if self.refuses:
            answer["error"] = self.refuses
        else:
            answer["code"] = secrets.token_urlsafe(12)
            self._codes[answer["code"]] = given
        return 302, {"Location": f"{given['redirect_uri']}?{urlencode(answer)}"}, b""

    def _token(self, given: dict[str, str], handler: Handler) -> tuple[int, dict[str, str], bytes]:
        asked = self._codes.pop(given.get("code", ""), None)
        is_client = (given.get("client_id"), given.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if asked is None or not is_client or given.get("redirect_uri") != asked["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        if challenge_of(given.get("code_verifier", "")) != asked.get("code_challenge"):
            return _json({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        access = secrets.token_urlsafe(12)
        self._tokens.add(access)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": self.person["sub"],
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
            **{name: self.person[name] for name in self.in_token if name in self.person},
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": "one"})
        return _json({"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def _keys(self, given: dict[str, str], handler: Handler) -> tuple[int, dict[str, str], bytes]:
        shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.shown_key.public_key()))
        return _json({"keys": [shown | {"kid": "one", "use": "sig", "alg": "RS256"}]})

    def _userinfo(self, given: dict[str, str], handler: Handler) -> tuple[int, dict[str, str], bytes]:
        if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            return 401, {}, b""
        return _json(self.person | ({"sub": self.userinfo_sub} if self.userinfo_sub else {}))


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _json(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


class _Pages(Handler):
    service: FakeOidc

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        status, headers, body = self.service.answer(self)
        self.respond(status, body, headers)


FakeOidc.handler = _Pages
