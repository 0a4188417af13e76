import time
from unittest.mock import patch

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
        reset = int(response["X-RateLimit-Reset"])
        self.assertTrue(time.time() < reset <= time.time() + 61, reset)

    def test_reads_are_not_counted(self):
        for _ in range(5):
            self.assertEqual(self.api.get("/api/v1/account").status_code, 200)

    @override_settings(API_READ_RATE_PER_MINUTE=2)
    def test_reads_have_a_count_of_their_own_where_there_is_one(self):
        with patch("api.throttling.time.time", return_value=1_800_000_000.0):
            reads = [self.api.get("/api/v1/account") for _ in range(4)]
            changes = [self.change() for _ in range(3)]
        self.assertEqual([response.status_code for response in reads], [200, 200, 429, 429])
        self.assertEqual([response.status_code for response in changes], [200, 200, 429])
        self.assertEqual(reads[-1].json(), {"errors": [{"title": "More than 2 reads in a minute."}]})
        self.assertEqual(changes[-1].json(), {"errors": [{"title": "More than 2 changes in a minute."}]})

    def test_the_count_begins_anew_with_each_minute_of_the_clock(self):
        with patch("api.throttling.time.time", return_value=1_800_000_000.0) as clock:
            self.assertEqual([self.change().status_code for _ in range(3)], [200, 200, 429])
            clock.return_value += 60
            self.assertEqual(self.change().status_code, 200)

    def test_a_get_that_changes_something_is_counted_as_a_change(self):
        with patch("api.throttling.time.time", return_value=1_800_000_000.0):
            statuses = [self.api.get("/push/NO-SUCH-DEVICE").status_code for _ in range(3)]
        self.assertEqual(statuses, [404, 404, 429])

    def test_a_cache_that_does_not_answer_limits_nobody(self):
        with patch("api.throttling.cache.add", side_effect=OSError("no cache")), self.assertLogs("api.throttling"):
            self.assertEqual({self.change().status_code for _ in range(4)}, {200})

    def test_each_key_has_its_own_count(self):
        for _ in range(5):
            self.change()
        _, other = make_api_key(self.account)
        self.assertEqual(self.change(ApiClient(other)).status_code, 200)

    @override_settings(API_RATE_PER_MINUTE=0)
    def test_zero_is_no_limit(self):
        self.assertEqual({self.change().status_code for _ in range(5)}, {200})
