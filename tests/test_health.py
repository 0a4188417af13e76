"""The operations URLs."""

from unittest import mock

from django.contrib.staticfiles.finders import find
from django.test import TestCase, override_settings

from tests.factories import make_command, make_device


class HealthTest(TestCase):
    def test_the_process_answers(self):
        response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.json()), (200, {"status": "ok"}))

    def test_ready_when_every_part_answers(self):
        response = self.client.get("/readyz")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json(), {"database": "ok", "broker": "ok", "cache": "ok", "storage": "ok"})

    def test_a_part_that_fails_is_named_without_its_details(self):
        with mock.patch("mdm.health.default_storage.exists", side_effect=OSError("secret path")):
            response = self.client.get("/readyz")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json()["storage"], "OSError")
        self.assertEqual(response.json()["database"], "ok")
        self.assertNotIn("secret path", response.content.decode())


class FaviconTest(TestCase):
    def test_what_browsers_ask_for_by_themselves_is_there(self):
        response = self.client.get("/favicon.ico")
        self.assertRedirects(response, "/static/img/pomona.svg", fetch_redirect_response=False)
        self.assertIsNotNone(find("img/pomona.svg"))


class MetricsTest(TestCase):
    def test_it_counts_devices_and_what_waits(self):
        make_command(make_device(), "DeviceLock")
        make_device(enrolled=False)
        text = self.client.get("/metrics").content.decode()
        self.assertIn('pomona_devices{state="enrolled"} 1.0', text)
        self.assertIn('pomona_devices{state="awaiting_enrollment"} 1.0', text)
        self.assertIn("pomona_commands_waiting 1.0", text)
        self.assertIn("pomona_answers_unread 0.0", text)

    def test_the_number_of_statements_is_constant(self):
        for _ in range(5):
            make_device()
        with self.assertNumQueries(7):
            self.client.get("/metrics")

    def test_others_are_refused(self):
        self.assertEqual(self.client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code, 403)
        self.assertEqual(self.client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code, 403)

    @override_settings(METRICS_TOKEN="open sesame")
    def test_a_token_opens_it_from_anywhere(self):
        given = self.client.get("/metrics", REMOTE_ADDR="203.0.113.9", headers={"Authorization": "Bearer open sesame"})
        self.assertEqual(given.status_code, 200)
        self.assertEqual(self.client.get("/metrics").status_code, 403)
