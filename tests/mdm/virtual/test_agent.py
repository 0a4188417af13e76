"""The agent of a virtual Mac, against the real endpoints."""

import httpx
from django.test import Client, override_settings

from devices.services.script_agent import PROFILE_IDENTIFIER, agent_profile
from devices.services.script_orders import order_id
from mdm.virtual import agent
from mdm.virtual.answers_profiles import installed_row
from mdm.virtual.device import VirtualDevice
from mdm.virtual.enrollment_profile import parse_profile
from mdm.virtual.errors import DeviceError, ServerRefused
from mdm.virtual.state import DEVICE_SCOPE
from tests.base import AccountTestCase
from tests.factories import make_device, make_script, make_script_agent, make_script_job


def through_django(request: httpx.Request) -> httpx.Response:
    """As a server would: Django's client keeps the connection of the test."""
    answer = Client().generic(
        request.method, str(request.url), request.content, request.headers["content-type"], headers=request.headers
    )
    return httpx.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))


@override_settings(BASE_URL="http://testserver")
class AgentTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        make_script_agent(self.mac)
        self.client_of_mac = httpx.Client(transport=httpx.MockTransport(through_django))
        self.device = VirtualDevice("macos", client=self.client_of_mac, seed="agent")

    def install_profile(self):
        profile = parse_profile(agent_profile(self.mac))
        self.device.state.profiles_of(DEVICE_SCOPE)[PROFILE_IDENTIFIER] = installed_row(profile)

    def make_job(self):
        return make_script_job(script=make_script(self.account), devices=[self.mac])

    def test_it_fetches_and_answers_without_running_anything(self):
        self.install_profile()
        job = self.make_job()
        ran = agent.poll(self.device)
        run = job.runs.get()
        self.assertEqual((ran.run, ran.script), (order_id(run), job.content))
        self.assertEqual(
            (run.state, run.status_code, run.response), ("completed", "0", f"Hello from {self.device.serial}\n")
        )
        self.assertIsNone(agent.poll(self.device))

    def test_a_callable_says_how_the_script_ended(self):
        self.install_profile()
        job = self.make_job()
        agent.poll(self.device, self.client_of_mac, run=lambda script: (3, script.upper()))
        run = job.runs.get()
        self.assertEqual((run.state, run.status_code, run.response), ("error", "3", job.content.upper()))

    def test_it_goes_on_until_nothing_waits(self):
        self.install_profile()
        for _ in range(3):
            self.make_job()
        self.assertEqual(len(agent.poll_all(self.device, limit=2)), 2)
        self.assertEqual(len(agent.poll_all(self.device)), 1)

    def test_without_the_profile_it_asks_nobody(self):
        self.make_job()
        self.assertIsNone(agent.poll(self.device, httpx.Client(transport=httpx.MockTransport(self.fail))))

    def test_a_refusal_is_an_error(self):
        self.install_profile()
        self.mac.script_agent.delete()
        with self.assertRaisesMessage(ServerRefused, "next script: HTTP 401"):
            agent.poll(self.device)

    def test_nonsense_is_an_error(self):
        self.install_profile()
        for content in (b"no order", b"Pomona-Order: 2\nRun: 1\n\n", b"Pomona-Order: 1\n\n", b"\xff\n\n"):
            client = httpx.Client(transport=httpx.MockTransport(lambda _, c=content: httpx.Response(200, content=c)))
            with self.assertRaisesMessage(DeviceError, "no order"):
                agent.poll(self.device, client)

    def changed(self, **change) -> httpx.Client:
        """A line on which the answer to `next` becomes another one."""

        def answer(request: httpx.Request) -> httpx.Response:
            real = through_django(request)
            given = {"content": real.content, "headers": dict(real.headers)} | change
            return httpx.Response(200, **given) if request.url.path.endswith("/next") else real

        return httpx.Client(transport=httpx.MockTransport(answer))

    def test_an_order_that_the_server_did_not_sign_is_not_begun(self):
        self.install_profile()
        job = self.make_job()
        for change in (
            {"headers": {}},
            {"headers": {"Pomona-Signature": "no base64"}},
            {"headers": {"Pomona-Signature": "AAAA"}},
            {"content": b"Pomona-Order: 1\nRun: 1-2\n\n#!/bin/sh\n"},
        ):
            with self.assertRaisesMessage(DeviceError, "sign"):
                agent.poll(self.device, self.changed(**change))
        self.assertEqual(job.runs.get().claim, "")

    def test_the_order_of_another_mac_is_not_begun(self):
        self.install_profile()
        self.device.state.payloads(agent.DOMAIN)[0]["Device"] = "another"
        job = self.make_job()
        with self.assertRaisesMessage(DeviceError, "another Mac"):
            agent.poll(self.device)
        self.assertEqual(job.runs.get().claim, "")
