"""/mdm/agent: a Mac fetches its scripts, tells how they ended, and gets its agent anew."""

from datetime import timedelta
from unittest import mock
from urllib.parse import urlencode

from django.test import Client, override_settings
from django.utils import timezone

from devices.models import AgentKey, Device, DeviceState, RunState, ScriptAgent, ScriptRun
from devices.services import agent_program
from devices.services.devices import remove_device
from devices.services.script_answers import MAX_OUTPUT_BYTES
from devices.services.script_orders import order_id
from mdm.accounts.actors import SYSTEM
from mdm.common.crypto import CannotDecrypt
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_script, make_script_agent, make_script_job

NEXT = "/mdm/agent/next"
CLAIM, OTHER = "c" * 32, "d" * 32


class AgentTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.agent = make_script_agent(self.mac)
        self.job = make_script_job(script=make_script(self.account), devices=[self.mac])
        self.run_row = self.job.runs.get()
        self.http = Client(enforce_csrf_checks=True)

    def post(self, path: str, body: bytes = b"", *, token: str | None = None, version: str = "", **options):
        headers = {"Authorization": f"Bearer {self.agent.token if token is None else token}"}
        headers |= {"Pomona-Agent-Version": version} if version else {}
        content_type = "application/octet-stream"
        return self.http.generic("POST", path, body, content_type=content_type, headers=headers, **options)

    def tell(self, what: str, body: bytes = b"", *, run: str | None = None, token: str | None = None, **query):
        name = order_id(self.run_row) if run is None else run
        return self.post(f"/mdm/agent/runs/{name}/{what}?{urlencode(query)}", body, token=token)

    def begin(self, claim: str = CLAIM):
        return self.tell("begin", claim=claim)

    def end(self, body: bytes = b"", **query):
        return self.tell("end", body, **({"claim": CLAIM, "why": "exited", "exit": 0} | query))

    def state(self) -> tuple[str, str, str]:
        self.run_row.refresh_from_db()
        return self.run_row.state, self.run_row.status_code, self.run_row.response


class NextTest(AgentTestCase):
    def test_it_hands_out_the_signed_script_until_it_has_begun(self):
        for _ in range(2):
            response = self.post(NEXT)
            self.assertEqual((response.status_code, response["Content-Type"]), (200, "application/octet-stream"))
            self.assertTrue(response["Pomona-Signature"])
            self.assertEqual(response.content.partition(b"\n\n")[2].decode(), self.job.content)
            self.assertIn(f"Run: {order_id(self.run_row)}\n".encode(), response.content)
        self.assertEqual(self.state()[0], RunState.SENT)
        self.begin()
        response = self.post(NEXT)
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(self.http.cookies, {})

    def test_it_tells_how_often_to_ask_and_which_program_there_is(self):
        for seconds, told in ((90, "90"), (0, "1")):
            with override_settings(AGENT_POLL_SECONDS=seconds):
                response = self.post(NEXT)
            self.assertEqual(response["Pomona-Poll-Seconds"], told)
            self.assertEqual(response["Pomona-Agent-Program"], agent_program.VERSION)

    def test_it_notes_when_the_agent_called_and_its_version(self):
        self.post(NEXT, version="1" * 100)
        agent = ScriptAgent.objects.get()
        self.assertEqual(agent.version, "1" * 40)
        self.assertLess(timezone.now() - agent.last_seen_at, timedelta(seconds=60))

    def test_a_call_that_finds_nothing_takes_few_statements(self):
        ScriptRun.objects.all().delete()
        self.post(NEXT, version="1")
        with self.assertNumQueries(2):  # whose token it is, what waits
            self.assertEqual(self.post(NEXT, version="1").status_code, 204)

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

    def test_other_methods_are_405(self):
        headers = {"Authorization": f"Bearer {self.agent.token}"}
        response = self.http.get(NEXT, headers=headers)
        self.assertEqual((response.status_code, response["Allow"]), (405, "POST"))
        response = self.post("/mdm/agent/program")
        self.assertEqual((response.status_code, response["Allow"]), (405, "GET"))

    def test_a_key_that_cannot_be_read_is_told_and_the_script_waits(self):
        with mock.patch("devices.services.script_orders.sign", side_effect=CannotDecrypt("x")):
            self.assertEqual(self.post(NEXT).status_code, 503)
        self.assertEqual(self.post(NEXT).status_code, 200)


class RunTest(AgentTestCase):
    def setUp(self):
        super().setUp()
        self.post(NEXT)

    def test_from_the_beginning_to_the_end(self):
        self.assertEqual((self.begin().status_code, self.begin().status_code), (204, 204))
        response = self.tell("output", b"Hel", claim=CLAIM, offset=0)
        self.assertEqual((response.status_code, response["Pomona-Output-Bytes"]), (204, "3"))
        self.assertEqual(self.state(), (RunState.SENT, "", "Hel"))
        response = self.end(b"Hello\n", bytes=6)
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(self.state(), (RunState.COMPLETED, "0", "Hello\n"))
        data = self.api.get(f"/api/v1/script_jobs/{self.job.pk}").json()["data"]
        self.assertEqual(data["attributes"]["status"], "completed")
        self.assertEqual(data["relationships"]["device"]["data"][0]["response"], "Hello\n")

    def test_another_claim_is_409(self):
        self.begin()
        self.assertEqual(self.begin(OTHER).status_code, 409)
        self.assertEqual(self.tell("output", b"x", claim=OTHER, offset=0).status_code, 409)
        self.assertEqual(self.end(claim=OTHER).status_code, 409)
        self.assertEqual(self.state()[0], RunState.SENT)

    def test_what_has_not_begun_cannot_end(self):
        self.assertEqual(self.end().status_code, 409)
        self.assertEqual(self.state()[0], RunState.SENT)

    def test_a_mac_may_refuse_it(self):
        self.assertEqual(self.tell("end", why="signature").status_code, 204)
        state, code, response = self.state()
        self.assertEqual((state, code), (RunState.ERROR, ""))
        self.assertIn("was not signed", response)

    def test_an_end_without_an_exit_code(self):
        self.begin()
        self.assertEqual(self.end(b"so far", why="reboot", exit="-").status_code, 204)
        self.assertEqual(self.state(), (RunState.ERROR, "", "so far"))

    def test_a_repeat_is_204_and_changes_nothing(self):
        self.begin()
        self.end(b"first")
        self.assertEqual(self.end(b"second", exit=1).status_code, 204)
        self.assertEqual(self.state(), (RunState.COMPLETED, "0", "first"))
        self.assertEqual(Event.objects.filter(event_type="script.ran").count(), 1)

    def test_output_may_be_any_bytes(self):
        self.begin()
        self.end(b"a\0b\xed\xa0\x80c\xffd\ne")
        self.assertEqual(self.state()[2], "ab���c�d\ne")

    def test_what_makes_no_sense_is_400(self):
        self.begin()
        for what, query in (
            ("begin", {}),
            ("begin", {"claim": "short"}),
            ("begin", {"claim": "x" * 65}),
            ("begin", {"claim": "' OR 1=1 --      "}),
            ("output", {"claim": CLAIM}),
            ("output", {"claim": CLAIM, "offset": -1}),
            ("output", {"claim": CLAIM, "offset": 2**62}),
            ("output", {"claim": CLAIM, "offset": "²"}),
            ("end", {"claim": CLAIM}),
            ("end", {"claim": CLAIM, "why": "boredom", "exit": 0}),
            ("end", {"claim": CLAIM, "why": "exited"}),
            ("end", {"claim": CLAIM, "why": "exited", "exit": "zero"}),
            ("end", {"claim": CLAIM, "why": "exited", "exit": 2**40}),
            ("end", {"claim": CLAIM, "why": "exited", "exit": "9" * 5000}),
            ("end", {"claim": CLAIM, "why": "exited", "exit": 0, "bytes": "many"}),
        ):
            self.assertEqual(self.tell(what, **query).status_code, 400, (what, query))
        self.assertEqual(self.state()[0], RunState.SENT)

    def test_a_body_that_is_too_large_is_413(self):
        self.begin()
        self.assertEqual(self.end(b"x" * (2 * MAX_OUTPUT_BYTES + 1)).status_code, 413)
        self.assertEqual(self.end(b"x", exit=0).status_code, 204)
        with mock.patch("mdm.endpoints.agent.MAX_BODY_BYTES", 10):
            self.assertEqual(self.end(b"x" * 11).status_code, 413)

    def test_a_body_whose_length_is_not_told_is_411_and_ends_nothing(self):
        self.begin()
        path = f"/mdm/agent/runs/{order_id(self.run_row)}/end?{urlencode({'claim': CLAIM, 'why': 'exited', 'exit': 0})}"
        self.assertEqual(self.post(path, HTTP_TRANSFER_ENCODING="chunked").status_code, 411)
        self.assertEqual(self.state()[0], RunState.SENT)

    def test_unknown_runs_and_those_of_other_macs_are_404(self):
        other = make_script_agent(make_device(self.account, platform="macOS"))
        foreign = make_script_agent(make_device(self.other_account, platform="macOS"))
        query = {"begin": {"claim": CLAIM}, "output": {"claim": CLAIM, "offset": 0}, "end": {"why": "device"}}
        for what, given in query.items():
            for agent in (other, foreign):
                self.assertEqual(self.tell(what, token=agent.token, **given).status_code, 404)
            for run in ("0", "x", "-1", "9" * 40, f"{self.run_row.pk}-{'0' * 32}", f"{2**70}-{'0' * 32}"):
                self.assertEqual(self.tell(what, run=run, **given).status_code, 404)
        self.assertEqual(self.state()[0], RunState.SENT)

    def test_without_a_known_token_it_is_401(self):
        self.assertEqual(self.tell("begin", token="wrong", claim=CLAIM).status_code, 401)
        self.assertEqual(self.tell("end", token="wrong", why="device").status_code, 401)
        self.assertEqual(self.state()[0], RunState.SENT)


class ProgramTest(AgentTestCase):
    def test_the_agent_gets_its_program_signed(self):
        headers = {"Authorization": f"Bearer {self.agent.token}"}
        response = self.http.get("/mdm/agent/program", headers=headers)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.content, agent_program.program())
        self.assertEqual(response["Pomona-Agent-Program"], agent_program.VERSION)
        self.assertTrue(response["Pomona-Signature"])
        self.assertEqual(AgentKey.objects.get().account, self.account)

    def test_strangers_do_not(self):
        self.assertEqual(self.http.get("/mdm/agent/program").status_code, 401)
