"""Single sign-on with one OpenID Connect provider for the whole installation, from the settings OIDC_….

allauth speaks the protocol: authorization code with PKCE and state. What it leaves to the caller is done here: a nonce, the
signature of the ID token, and who the person is. People are matched by their verified e-mail address to a login that exists;
nobody gets one by signing in.

This is the one place where a request waits for another server, as the protocol has it: at most four answers (where things are,
the token, the keys, the person), each within OIDC_TIMEOUT_SECONDS, and only for whoever signs in.
"""

import json
import logging
from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy

from mdm.accounts.models import User
from mdm.sign_in.methods import OIDC
from mdm.sign_in.proof import prove
from mdm.sign_in.second_factor import has_second_factor

PROVIDER = "openid_connect"
OIDC_TIMEOUT_SECONDS = 10
# Signatures by a key pair of the provider; not those by a secret that both know, nor none.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 60
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
WELL_KNOWN = "/.well-known/openid-configuration"
_FIRST_PROOF = gettext_lazy(
    "This is the first time that your e-mail address is proved to be yours. The password and the second factor that this login "
    "had before let nobody in any more, and all other browsers are signed out."
)

logger = logging.getLogger("pomona.sign_in")


class Stranger(Exception):
    """The provider knows the person, but they have no login here; str(error) is their e-mail address."""


class Unverified(Exception):
    """The provider does not say that the e-mail address is the person's own."""


class ProviderTrouble(Exception):
    """What kept somebody from coming back signed in. error: allauth's word for it, "cancelled" or "unknown".

    Without a cause, the answer belongs to no sign-in that was begun in this browser within the last ten minutes.
    """

    def __init__(self, error: str, cause: BaseException | None) -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


class SocialAdapter(DefaultSocialAccountAdapter):
    """Named in SOCIALACCOUNT_ADAPTER."""

    def list_apps(
        self, request: HttpRequest | None, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The provider of the settings; the tables of allauth stay empty."""
        if not settings.OIDC_URL:
            return []
        return [
            SocialApp(
                provider=PROVIDER,
                provider_id=PROVIDER,
                name=settings.OIDC_NAME,
                client_id=settings.OIDC_CLIENT_ID,
                secret=settings.OIDC_CLIENT_SECRET,
                settings={"server_url": settings.OIDC_URL, "oauth_pkce_enabled": True},
            )
        ]

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> "OidcProvider":
        return OidcProvider(request, app=self.get_app(request, provider))

    def get_requests_session(self) -> requests.Session:
        """To the provider, as the operator trusts it, and never for long."""
        return _Session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The login that exists already. Raises Stranger, Unverified.

        Told to allauth here and not by its own matching, which would take the password away each time: only the first proof
        of an address does that, and what was chosen after it stays.
        """
        sociallogin.user = user = person(sociallogin.account.extra_data["id_token"])
        if user.is_active and user.email_proved_at is None:
            had_something = user.has_usable_password() or has_second_factor(user)
            if prove(user, request, by=OIDC) and had_something:
                messages.warning(request, _FIRST_PROOF)

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        """Past allauth's own page, to our view. Raises ProviderTrouble."""
        raise ProviderTrouble(str(error), exception)


class OidcAdapter(OpenIDConnectOAuth2Adapter):
    """One exchange with the provider. nonce: what the ID token must say; set by the view that takes the person back."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, PROVIDER)
        self.nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Raises OAuth2Error where somebody else answers than the issuer that the settings name, or leaves something out."""
        config = super().openid_config
        expected = settings.OIDC_URL.partition(WELL_KNOWN)[0].rstrip("/")
        if str(config.get("issuer")).rstrip("/") != expected:
            raise OAuth2Error(f"the provider calls itself {config.get('issuer')!r}, and OIDC_URL is {expected!r}")
        missing = [name for name in ENDPOINTS if not str(config.get(name)).startswith(("https://", "http://"))]
        if missing:
            raise OAuth2Error(f"the provider does not say its {', '.join(missing)}")
        return config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return f"{settings.BASE_URL}{reverse('openid_connect_callback')}"

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **options: Any) -> SocialLogin:
        """Raises OAuth2Error."""
        claims = read_id_token(
            options["response"].get("id_token") or "",
            keys=self._keys(),
            issuer=self.openid_config["issuer"],
            client_id=app.client_id,
            nonce=self.nonce,
        )
        if "email" not in claims and "userinfo_endpoint" in self.openid_config:
            about = self._fetch_user_info(token.token)
            if about.get("sub") != claims["sub"]:
                raise OAuth2Error("the provider told about another person than the one who signed in")
            claims = {**about, **claims}
        return self.get_provider().sociallogin_from_response(request, {"id_token": claims})

    def _keys(self) -> jwt.PyJWKSet:
        with SocialAdapter(self.request).get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        try:
            return jwt.PyJWKSet.from_dict(answer.json())
        except jwt.PyJWTError as error:
            raise OAuth2Error(f"the provider's keys cannot be read: {error}") from error


class OidcProvider(OpenIDConnectProvider):
    def get_oauth2_adapter(self, request: HttpRequest) -> OidcAdapter:
        return OidcAdapter(request)


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.verify = settings.OIDC_CA_FILE or True

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().request(*arguments, **{"timeout": OIDC_TIMEOUT_SECONDS, **options})


def read_id_token(token: str, *, keys: jwt.PyJWKSet, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """What the provider says about the person. Raises OAuth2Error for a token that is not for us, from it, and of now.

    Source: OpenID Connect Core 1.0, "ID Token Validation".
    """
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(
            token,
            key=_key(keys, header),
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, json.JSONDecodeError, TypeError) as error:
        raise OAuth2Error(f"the ID token cannot be trusted: {error}") from error
    if not nonce or not constant_time_compare(str(claims.get("nonce", "")), nonce):
        raise OAuth2Error("the ID token belongs to another sign-in: its nonce is not ours")
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != client_id:
        raise OAuth2Error("the ID token was made for another program")
    return claims


def _key(keys: jwt.PyJWKSet, header: dict[str, Any]) -> jwt.PyJWK:
    """The key that the token names; one without a name may only be meant where there is only one. Raises OAuth2Error."""
    wanted = header.get("kid")
    found = [key for key in keys.keys if key.public_key_use in (None, "sig") and wanted in (None, key.key_id)]
    found = [key for key in found if key.key_type != "oct"]
    if len(found) != 1:
        raise OAuth2Error("the ID token is signed with a key that the provider does not show")
    return found[0]


def person(claims: dict[str, Any]) -> User:
    """Raises Stranger, Unverified."""
    email = str(claims.get("email") or "").strip().lower()
    verified = claims.get("email_verified")
    if verified is None and settings.OIDC_TRUSTS_EMAIL:
        verified = True
    if not email or verified not in (True, "true"):
        raise Unverified(email)
    user = User.objects.filter(email=email).first()
    if user is None:
        raise Stranger(email)
    return user
