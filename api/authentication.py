"""HTTP Basic with an API key: as the user name without a password, or as the password of the user `micromdm`."""

import base64
import binascii

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import ApiKey
from mdm.accounts.services import find_api_key

RAW_USER = "micromdm"


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.api_key`, `request.account` and `request.actor`. There is no `request.user`: keys are not people."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        key = find_api_key(_secret(credentials.strip()))
        if key is None:
            raise AuthenticationFailed
        request.api_key = key
        request.account = key.account
        request.actor = Actor(Source.API, label=key.name, api_key_id=key.pk)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return 'Basic realm="API key", charset="UTF-8"'


def _secret(credentials: str) -> str:
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise AuthenticationFailed from error
    return password if user in ("", RAW_USER) else user
