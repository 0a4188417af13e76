import base64

from mdm.accounts.models import ApiKey
from mdm.accounts.services import revoke_api_key
from tests.base import AccountTestCase, ApiClient


class AuthenticationTest(AccountTestCase):
    def status(self, client: ApiClient) -> int:
        return client.get("/api/v1/account").status_code

    def header(self, value: str) -> int:
        return self.anonymous_api.get("/api/v1/account", headers={"Authorization": value}).status_code

    def test_the_key_is_the_user_name(self):
        self.assertEqual(self.status(self.api), 200)

    def test_the_key_is_the_password_of_the_user_micromdm(self):
        self.assertEqual(self.status(ApiClient(self.key, user="micromdm")), 200)

    def test_the_key_is_the_password_of_nobody(self):
        self.assertEqual(self.status(ApiClient(self.key, user="")), 200)

    def test_without_a_key_it_asks_for_one(self):
        response = self.anonymous_api.get("/api/v1/account")
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json(), {"errors": [{"title": "Unauthorized"}]})
        self.assertTrue(response["WWW-Authenticate"].startswith("Basic "))

    def test_a_wrong_key_is_refused_in_the_same_words(self):
        response = ApiClient("no-such-key").get("/api/v1/account")
        self.assertEqual((response.status_code, response.json()), (401, {"errors": [{"title": "Unauthorized"}]}))

    def test_a_revoked_key_is_refused(self):
        revoke_api_key(self.api_key)
        self.assertEqual(self.status(self.api), 401)

    def test_broken_headers_are_refused(self):
        latin = base64.b64encode(b"\xff\xfe:").decode()
        for value in ("Basic", "Basic !!!", "Basic " + latin, f"Bearer {self.key}", "basic Og=="):
            self.assertEqual(self.header(value), 401, value)

    def test_the_use_of_a_key_is_noted(self):
        self.status(self.api)
        self.assertIsNotNone(ApiKey.objects.get(pk=self.api_key.pk).last_used_at)

    def test_a_read_only_key_reads(self):
        self.assertEqual(self.status(self.read_only_api), 200)

    def test_a_read_only_key_does_not_write(self):
        response = self.read_only_api.patch("/api/v1/account", {"name": "Changed"})
        self.assertEqual(response.status_code, 403)
        self.assertIn("read-only", response.json()["errors"][0]["title"])

    def test_a_read_only_key_does_not_write_under_the_name_of_another_method(self):
        response = self.read_only_api.post("/api/v1/account?_method=PATCH", {"name": "Changed"})
        self.assertEqual(response.status_code, 403)
        self.account.refresh_from_db()
        self.assertEqual(self.account.name, "Acme")
