import time

from django.core.cache import cache
from django.test import override_settings

from tests.base import AccountTestCase, ApiClient
from tests.factories import make_api_key


@override_settings(API_RATE_PER_MINUTE=2)
class ThrottlingTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        cache.clear()
        self.addCleanup(cache.clear)

    def change(self, client: ApiClient | None = None):
        return (client or self.api).patch("/api/v1/account", {"name": "Acme"})

    def test_too_many_changes_are_429_and_say_when_to_come_back(self):
        statuses = [self.change().status_code for _ in range(5)]
        self.assertEqual(statuses.count(200), 2 if statuses[2] == 429 else 4)  # a minute may end meanwhile
        self.assertEqual(statuses[-1], 429)
        response = self.change()
        self.assertIn("title", response.json()["errors"][0])
        self.assertTrue(1 <= int(response["Retry-After"]) <= 60)
        self.assertGreater(int(response["X-RateLimit-Reset"]), time.time())

    def test_reads_are_not_counted(self):
        for _ in range(5):
            self.assertEqual(self.api.get("/api/v1/account").status_code, 200)

    def test_each_key_has_its_own_count(self):
        for _ in range(5):
            self.change()
        _, other = make_api_key(self.account)
        self.assertEqual(self.change(ApiClient(other)).status_code, 200)

    @override_settings(API_RATE_PER_MINUTE=0)
    def test_zero_is_no_limit(self):
        self.assertEqual({self.change().status_code for _ in range(5)}, {200})
