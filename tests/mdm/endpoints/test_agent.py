"""/mdm/agent: a Mac fetches its scripts and tells how they ended."""

import json
from datetime import timedelta
from unittest import mock

from django.test import Client
from django.utils import timezone

from devices.models import Device, DeviceState, RunState, ScriptAgent, ScriptRun
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_script, make_script_agent, make_script_job

NEXT = "/mdm/agent/next"


class AgentTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.agent = make_script_agent(self.mac)
        self.job = make_script_job(script=make_script(self.account), devices=[self.mac])
        self.run_row = self.job.runs.get()
        self.http = Client(enforce_csrf_checks=True)

    def post(self, path: str, body: object = b"", *, token: str | None = None, **options):
        headers = {"Authorization": f"Bearer {self.agent.token if token is None else token}"}
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.generic("POST", path, body, content_type="application/json", headers=headers, **options)

    def answer(self, body: object, run_id: object = None, **options):
        return self.post(f"/mdm/agent/runs/{self.run_row.pk if run_id is None else run_id}", body, **options)


class NextTest(AgentTestCase):
    def test_it_hands_out_the_script_once(self):
        response = self.post(NEXT, {"version": "1"})
        self.assertEqual((response.status_code, response["Content-Type"]), (200, "application/json"))
        self.assertEqual(
            response.json(),
            {"run": str(self.run_row.pk), "script": self.job.content, "timeout_seconds": 3600},
        )
        self.run_row.refresh_from_db()
        self.assertEqual(self.run_row.state, RunState.SENT)
        response = self.post(NEXT)
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(self.http.cookies, {})

    def test_it_notes_when_the_agent_called_and_its_version(self):
        self.post(NEXT, {"version": "1" * 100})
        agent = ScriptAgent.objects.get()
        self.assertEqual(agent.version, "1" * 40)
        self.assertLess(timezone.now() - agent.last_seen_at, timedelta(seconds=60))

    def test_a_call_that_finds_nothing_takes_few_statements(self):
        ScriptRun.objects.all().delete()
        self.post(NEXT, {"version": "1"})
        with self.assertNumQueries(2):  # whose token it is, what waits
            self.assertEqual(self.post(NEXT, {"version": "1"}).status_code, 204)

    def test_without_a_known_token_it_is_401(self):
        for options in ({"token": "wrong"}, {"token": ""}, {"token": "\xff" * 10}, {"token": "x" * 5000}):
            response = self.post(NEXT, **options)
            self.assertEqual((response.status_code, response["WWW-Authenticate"]), (401, "Bearer"))
        for headers in ({}, {"Authorization": f"Basic {self.agent.token}"}, {"Authorization": self.agent.token}):
            self.assertEqual(self.http.post(NEXT, headers=headers).status_code, 401)
        self.assertEqual(ScriptRun.objects.get().state, RunState.PENDING)

    def test_a_mac_that_left_is_401(self):
        Device.objects.update(state=DeviceState.UNENROLLED)
        self.assertEqual(self.post(NEXT).status_code, 401)
        Device.objects.update(state=DeviceState.ENROLLED)
        remove_device(self.mac, SYSTEM)
        self.assertEqual(self.post(NEXT).status_code, 401)

    def test_the_token_of_a_former_enrollment_is_401(self):
        Device.objects.update(enrolled_at=timezone.now())
        self.assertEqual(self.post(NEXT).status_code, 401)

    def test_other_methods_are_405_and_other_bodies_400(self):
        response = self.http.get(NEXT, headers={"Authorization": f"Bearer {self.agent.token}"})
        self.assertEqual((response.status_code, response["Allow"]), (405, "POST"))
        for body in (b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"1" * 5000):
            self.assertEqual(self.post(NEXT, body).status_code, 400, body[:10])
        self.assertEqual(ScriptRun.objects.get().state, RunState.PENDING)


class AnswerTest(AgentTestCase):
    def setUp(self):
        super().setUp()
        self.post(NEXT)

    def ended(self) -> tuple[str, str, str]:
        self.run_row.refresh_from_db()
        return self.run_row.state, self.run_row.status_code, self.run_row.response

    def test_it_ends_the_run(self):
        response = self.answer({"status_code": 0, "output": "Hello\n"})
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(self.ended(), (RunState.COMPLETED, "0", "Hello\n"))
        data = self.api.get(f"/api/v1/script_jobs/{self.job.pk}").json()["data"]
        self.assertEqual(data["attributes"]["status"], "completed")
        self.assertEqual(data["relationships"]["device"]["data"][0]["response"], "Hello\n")

    def test_the_exit_code_may_be_text_and_the_output_missing(self):
        self.assertEqual(self.answer({"status_code": "-9"}).status_code, 204)
        self.assertEqual(self.ended(), (RunState.ERROR, "-9", ""))

    def test_a_repeat_is_204_and_changes_nothing(self):
        self.answer({"status_code": 0, "output": "first"})
        self.assertEqual(self.answer({"status_code": 1, "output": "second"}).status_code, 204)
        self.assertEqual(self.ended(), (RunState.COMPLETED, "0", "first"))
        self.assertEqual(Event.objects.filter(event_type="script.ran").count(), 1)

    def test_output_that_no_database_could_keep_is_cleaned(self):
        self.answer(b'{"status_code": 0, "output": "a\\u0000b\\ud800c\xffd\ne"}')
        self.assertEqual(self.ended()[2], "ab?c\ufffdd\ne")

    def test_what_makes_no_sense_is_400(self):
        for body in (
            {},
            {"status_code": None},
            {"status_code": True},
            {"status_code": 0.5},
            {"status_code": "zero"},
            {"status_code": "²"},
            {"status_code": 2**40},
            {"status_code": 0, "output": ["a"]},
        ):
            self.assertEqual(self.answer(body).status_code, 400, body)
        self.assertEqual(self.ended()[0], RunState.SENT)

    def test_a_body_of_more_than_a_megabyte_is_413(self):
        response = self.answer({"status_code": 0, "output": "x" * 1024 * 1024})
        self.assertEqual(response.status_code, 413)
        with mock.patch("mdm.endpoints.agent.MAX_BODY_BYTES", 10):
            self.assertEqual(self.answer({"status_code": 0}).status_code, 413)
        self.assertEqual(self.ended()[0], RunState.SENT)

    def test_unknown_runs_and_those_of_other_macs_are_404(self):
        other = make_script_agent(make_device(self.account, platform="macOS"))
        self.assertEqual(self.answer({"status_code": 0}, token=other.token).status_code, 404)
        for run_id in (0, 10**18, 10**30, "x", "-1"):
            self.assertEqual(self.answer({"status_code": 0}, run_id=run_id).status_code, 404)
        self.assertEqual(self.ended()[0], RunState.SENT)

    def test_without_a_known_token_it_is_401(self):
        self.assertEqual(self.answer({"status_code": 0}, token="wrong").status_code, 401)
        self.assertEqual(self.ended()[0], RunState.SENT)
