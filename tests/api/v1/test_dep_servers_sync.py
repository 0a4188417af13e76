from datetime import timedelta

from django.test import override_settings
from django.utils import timezone

from enrollment.models import DepServer
from enrollment.services.dep_sync import claim
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_dep_server
from tests.fakes.dep import ACCESS, CONSUMER, FakeDep


class DepServersSyncTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.server = make_dep_server(
            self.account,
            consumer_key=CONSUMER[0],
            consumer_secret=CONSUMER[1],
            access_token=ACCESS[0],
            access_secret=ACCESS[1],
            sync_due_at=timezone.now() + timedelta(hours=1),
        )
        self.url = f"/api/v1/dep_servers/{self.server.pk}/sync"

    def requests(self):
        return Event.objects.filter(event_type="dep_server.sync_requested")

    def test_a_worker_syncs_after_the_commit(self):
        with FakeDep() as dep, override_settings(DEP_URL=dep.url):
            names = dep.assign(2)
            with self.captureOnCommitCallbacks(execute=True):
                response = self.api.post(self.url)
                self.assertEqual(dep.requests, [])
        self.assertEqual((response.status_code, response.content), (202, b""))
        self.assertEqual(response["Content-Length"], "0")
        rows = self.api.get(f"/api/v1/dep_servers/{self.server.pk}/dep_devices").json()["data"]
        self.assertEqual([row["attributes"]["serial_number"] for row in rows], names)

    def test_the_log_names_the_key(self):
        self.api.post(self.url)
        event = self.requests().get()
        self.assertEqual((event.api_key, event.account), (self.api_key, self.account))
        self.assertEqual(event.metadata, {"name": self.server.name, "dep_server_id": self.server.pk})

    def test_the_server_is_due_now(self):
        self.api.post(self.url)
        self.server.refresh_from_db()
        self.assertLessEqual(self.server.sync_due_at, timezone.now())

    def test_asking_again_changes_nothing(self):
        self.api.post(self.url)
        due_at = DepServer.objects.get().sync_due_at
        self.assertEqual(self.api.post(self.url).status_code, 202)
        self.assertEqual((DepServer.objects.get().sync_due_at, self.requests().count()), (due_at, 1))

    def test_asking_during_a_sync_asks_for_another(self):
        self.api.post(self.url)
        claim()
        self.api.post(self.url)
        self.assertIsNotNone(DepServer.objects.get().sync_due_at)
        self.assertEqual(self.requests().count(), 2)

    def test_a_stranger_gets_404_and_nothing_happens(self):
        self.assertEqual(self.outsider_api.post(self.url).status_code, 404)
        self.assertEqual(DepServer.objects.get().sync_due_at, self.server.sync_due_at)
        self.assertFalse(self.requests().exists())

    def test_a_read_only_key_may_not(self):
        self.assertEqual(self.read_only_api.post(self.url).status_code, 403)
        self.assertFalse(self.requests().exists())
