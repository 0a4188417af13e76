"""What most tests start from: an account with its people, another account's owner, and a client of the REST API."""

import base64
import json
from typing import Any

from django.http import HttpResponse
from django.test import Client, TestCase

from mdm.accounts.models import ApiKey, Role
from tests.factories import make_account, make_api_key, make_default_group, make_user


class ApiClient:
    """A thin wrapper over Django's client that signs in with an API key: `KEY:` as HTTP Basic."""

    def __init__(self, key: str | None, *, user: str | None = None) -> None:
        """user: given, it is the Basic user name and the key is the password, as callers of /v1 do."""
        self.http = Client(raise_request_exception=False)
        pair = f"{key}:" if user is None else f"{user}:{key}"
        self.headers = {} if key is None else {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def get(self, path: str, query: dict[str, Any] | None = None, **options: Any) -> HttpResponse:
        return self.http.get(path, query, headers=self._headers(options), **options)

    def post(self, path: str, data: Any = None, **options: Any) -> HttpResponse:
        """A dictionary goes out as multipart form, as Django's client does; use `json=` for JSON."""
        return self._send("post", path, data, options)

    def patch(self, path: str, data: Any = None, **options: Any) -> HttpResponse:
        return self._send("patch", path, data, options)

    def put(self, path: str, data: Any = None, **options: Any) -> HttpResponse:
        return self._send("put", path, data, options)

    def delete(self, path: str, data: Any = None, **options: Any) -> HttpResponse:
        return self._send("delete", path, data, options)

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "", **options: Any
    ) -> HttpResponse:
        """Any method, the body byte for byte."""
        headers = self._headers(options)
        return self.http.generic(method, path, body, content_type=content_type, headers=headers, **options)

    def _send(self, method: str, path: str, data: Any, options: dict[str, Any]) -> HttpResponse:
        headers = self._headers(options)
        if "json" in options:
            data, options["content_type"] = json.dumps(options.pop("json")), "application/json"
        elif method != "post" and data is not None and "content_type" not in options:
            data, options["content_type"] = json.dumps(data), "application/json"
        arguments = () if data is None else (data,)
        return getattr(self.http, method)(path, *arguments, headers=headers, **options)

    def _headers(self, options: dict[str, Any]) -> dict[str, str]:
        return self.headers | options.pop("headers", {})


class AccountTestCase(TestCase):
    """account: the one under test. owner, colleague (read-only): its people. outsider: owner of other_account.

    api: a client with a read-write key of the account; read_only_api, outsider_api and anonymous_api likewise.
    """

    @classmethod
    def setUpTestData(cls) -> None:
        """Once for a class; every test gets copies, and what it changes in the database is taken back after it."""
        super().setUpTestData()
        cls.account = make_account("Acme")
        cls.group = make_default_group(cls.account)
        cls.owner = make_user(cls.account, role=Role.OWNER, email="owner@example.com")
        cls.colleague = make_user(cls.account, role=Role.READ_ONLY, email="colleague@example.com")
        cls.other_account = make_account("Elsewhere")
        make_default_group(cls.other_account)
        cls.outsider = make_user(cls.other_account, role=Role.OWNER, email="outsider@example.com")
        cls.api_key, cls.key = make_api_key(cls.account, name="Test key")
        _, cls.read_only_key = make_api_key(cls.account, name="Reader", access=ApiKey.Access.READ_ONLY)
        _, cls.outsider_key = make_api_key(cls.other_account, name="Other key")

    def setUp(self) -> None:
        super().setUp()
        self.api = ApiClient(self.key)
        self.read_only_api = ApiClient(self.read_only_key)
        self.outsider_api = ApiClient(self.outsider_key)
        self.anonymous_api = ApiClient(None)
