from datetime import UTC, datetime

from tests.base import AccountTestCase
from tests.factories import make_dep_server

URL = "/api/v1/dep_servers"


class DepServersListTest(AccountTestCase):
    def test_servers_as_apple_calls_them(self):
        first = make_dep_server(
            self.account,
            "Ours",
            server_name="My MDM server",
            organization_name="Example Inc",
            token_expires_at=datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC),
            last_synced_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        second = make_dep_server(self.account, "Not synced yet")
        make_dep_server(self.other_account)
        body = self.api.get(URL).json()
        self.assertEqual([row["id"] for row in body["data"]], [first.pk, second.pk])
        self.assertFalse(body["has_more"])
        self.assertEqual(
            body["data"][0],
            {
                "type": "dep_server",
                "id": first.pk,
                "attributes": {
                    "server_name": "My MDM server",
                    "organization_name": "Example Inc",
                    "token_expires_at": "2031-05-06T07:08:09.000Z",
                    "last_synced_at": "2030-01-02T03:04:05.000Z",
                },
            },
        )
        known = body["data"][1]["attributes"]
        self.assertEqual(
            (known["server_name"], known["organization_name"], known["last_synced_at"]), ("Not synced yet", "", None)
        )

    def test_no_secret_is_in_it(self):
        server = make_dep_server(self.account)
        text = self.api.get(URL).content.decode()
        for secret in (server.consumer_key, server.consumer_secret, server.access_token, server.access_secret):
            self.assertNotIn(secret, text)

    def test_pages(self):
        servers = [make_dep_server(self.account) for _ in range(3)]
        first = self.api.get(URL, {"limit": 2}).json()
        self.assertEqual((len(first["data"]), first["has_more"]), (2, True))
        rest = self.api.get(URL, {"limit": 2, "starting_after": first["data"][-1]["id"]}).json()
        self.assertEqual([row["id"] for row in rest["data"]], [servers[2].pk])

    def test_a_page_takes_the_same_number_of_statements_whatever_it_holds(self):
        self.api.get(URL)  # a key's first use is noted
        for number in (1, 9):
            for _ in range(number):
                make_dep_server(self.account)
            with self.assertNumQueries(2):  # the key, the servers
                self.api.get(URL, {"limit": 100})


class DepServersRetrieveTest(AccountTestCase):
    def test_one(self):
        server = make_dep_server(self.account)
        body = self.api.get(f"{URL}/{server.pk}").json()
        self.assertEqual(body["data"], self.api.get(URL).json()["data"][0])

    def test_that_of_another_account_is_404(self):
        server = make_dep_server(self.other_account)
        response = self.api.get(f"{URL}/{server.pk}")
        self.assertEqual((response.status_code, response.json()["errors"]), (404, [{"title": "object not found"}]))

    def test_a_key_for_something_else_may_not_look(self):
        self.api_key.access, self.api_key.scopes = "limited", {"devices": "write"}
        self.api_key.save()
        self.assertEqual(self.api.get(URL).status_code, 403)
        self.api_key.scopes = {"dep_servers": "read"}
        self.api_key.save()
        self.assertEqual(self.api.get(URL).status_code, 200)
