"""POST and DELETE of /api/v1/script_jobs."""

from unittest import mock

from rest_framework.fields import empty

from api.errors import MAX_TITLES
from api.v1.script_jobs import MAX_DEVICES
from devices.models import DeviceState, RunState, ScriptAgent, ScriptJob, ScriptRun
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_device,
    make_group,
    make_script,
    make_script_job,
    make_script_run,
)

URL = "/api/v1/script_jobs"


class JobsTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.script = make_script(self.account, "Say hi", content="#!/bin/sh\necho hi", variable_support=True)
        self.mac = make_device(self.account, platform="macOS")

    def create(self, **parameters):
        return self.api.post(URL, json={"script_id": self.script.pk} | parameters)

    def refused(self, response, title: str):
        self.assertEqual(response.status_code, 422, response.content)
        self.assertEqual(response.json()["errors"], [{"title": title}])
        self.assertFalse(ScriptJob.objects.exists())
        self.assertFalse(Event.objects.for_account(self.account).exists())


class CreateTest(JobsTestCase):
    def test_it_copies_the_script_and_waits_for_the_mac(self):
        response = self.create(device_ids=str(self.mac.pk), name="Friday")
        self.assertEqual(response.status_code, 201, response.content)
        job = ScriptJob.objects.get()
        self.assertEqual(
            (job.account, job.script, job.script_name, job.content, job.variable_support, job.name),
            (self.account, self.script, "Say hi", "#!/bin/sh\necho hi", True, "Friday"),
        )
        self.assertEqual(job.created_by, "API (Test key)")
        run = ScriptRun.objects.get()
        self.assertEqual((run.job, run.device, run.state), (job, self.mac, RunState.PENDING))
        data = response.json()["data"]
        self.assertEqual((data["id"], data["attributes"]["status"]), (job.pk, "pending"))
        [item] = data["relationships"]["device"]["data"]
        self.assertEqual((item["id"], item["status"], item["status_code"]), (self.mac.pk, "pending", None))
        event = Event.objects.for_account(self.account).get()
        self.assertEqual((event.event_type, event.actor_label), ("script_job.created", "Test key"))
        self.assertEqual(event.metadata, {"job_id": job.job_id, "script_name": "Say hi", "device_count": 1})

    def test_the_mac_is_given_a_line_by_a_profile_after_the_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            self.create(device_ids=[self.mac.pk])
        self.assertEqual(ScriptAgent.objects.get().device, self.mac)
        self.assertEqual(Command.objects.get().parameters, {"Recipe": "script_agent"})

    def test_too_many_ids_are_refused_before_any_is_looked_at(self):
        title = f"device_ids: Ensure this field has no more than {MAX_DEVICES} elements."
        for ids in ([""] * (MAX_DEVICES + 1), "x," * (MAX_DEVICES + 1), [{}] * (MAX_DEVICES + 1)):
            with mock.patch("rest_framework.fields.IntegerField.run_validation") as looked_at:
                looked_at.side_effect = lambda data: data
                response = self.api.post(URL, json={"script_id": self.script.pk, "device_ids": ids})
            numbers = [call.args[0] for call in looked_at.mock_calls if call.args[0] is not empty]
            self.assertEqual([str(one) for one in numbers], [str(self.script.pk)])
            self.refused(response, title)

    def test_of_many_wrong_ids_some_are_told(self):
        response = self.create(device_ids=["x"] * MAX_DEVICES)
        self.assertEqual(response.status_code, 422)
        self.assertEqual(len(response.json()["errors"]), MAX_TITLES)

    def test_ids_come_as_comma_list_as_array_and_repeated(self):
        other = make_device(self.account, platform="macOS")
        for parameters in (
            {"data": {"script_id": self.script.pk, "device_ids": f"{self.mac.pk}, {other.pk}"}},
            {"data": {"script_id": self.script.pk, "device_ids[]": [self.mac.pk, other.pk]}},
            {"json": {"script_id": self.script.pk, "device_ids": [str(self.mac.pk), other.pk, other.pk]}},
        ):
            response = self.api.post(URL, **parameters)
            self.assertEqual(response.status_code, 201, response.content)
            ids = [row["id"] for row in response.json()["data"]["relationships"]["device"]["data"]]
            self.assertEqual(ids, [self.mac.pk, other.pk])

    def test_of_groups_it_takes_the_enrolled_macs_each_once(self):
        group = make_group(self.account)
        in_group = make_device(self.account, group=group, platform="macOS")
        make_device(self.account, group=group)
        make_device(self.account, group=group, platform="macOS", state=DeviceState.UNENROLLED)
        removed = make_device(self.account, group=group, platform="macOS")
        remove_device(removed, SYSTEM)
        Event.objects.all().delete()
        mine = make_device(self.account, platform="macOS")
        assignment_group = make_assignment_group(self.account, members=[group, mine, make_device(self.account)])
        response = self.create(
            device_ids=[self.mac.pk], group_ids=[group.pk], assignment_group_ids=[assignment_group.pk]
        )
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(set(ScriptRun.objects.values_list("device", flat=True)), {self.mac.pk, in_group.pk, mine.pk})
        response = self.create(assignment_group_ids=str(assignment_group.pk), device_ids="", group_ids="")
        self.assertEqual(response.json()["data"]["attributes"]["pending_count"], 2)

    def test_the_output_may_go_to_a_custom_attribute(self):
        attribute = make_attribute(self.account, "Battery")
        response = self.create(device_ids=[self.mac.pk], custom_attribute="battery", custom_attribute_regex=r"\s")
        self.assertEqual(response.status_code, 201, response.content)
        job = ScriptJob.objects.get()
        self.assertEqual((job.custom_attribute, job.custom_attribute_regex), (attribute, r"\s"))
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((attributes["custom_attribute"], attributes["custom_attribute_regex"]), ("Battery", r"\s"))

    def test_a_regex_that_is_none_is_refused(self):
        make_attribute(self.account, "battery")
        where = {"device_ids": [self.mac.pk], "custom_attribute": "battery"}
        response = self.create(**where, custom_attribute_regex="(")
        self.assertEqual(response.status_code, 422)
        self.assertIn(
            "custom_attribute_regex is not a regular expression: missing )", response.json()["errors"][0]["title"]
        )
        for broken in ("(" * 500, "a{99999999999999999999}", "x" * 501):
            self.assertEqual(self.create(**where, custom_attribute_regex=broken).status_code, 422)

    def test_a_regex_without_an_attribute_has_no_meaning(self):
        """There are clients that send one with every job."""
        response = self.create(device_ids=[self.mac.pk], custom_attribute_regex=r"\n")
        self.assertEqual(response.status_code, 201, response.content)
        self.assertIsNone(response.json()["data"]["attributes"]["custom_attribute_regex"])
        self.assertEqual(ScriptJob.objects.get().custom_attribute_regex, "")

    def test_somewhere_to_run_must_be_given(self):
        title = "Give at least one of device_ids, group_ids, assignment_group_ids."
        self.refused(self.create(), title)
        self.refused(self.create(device_ids="", group_ids=[]), title)

    def test_groups_without_an_enrolled_mac_are_refused(self):
        group = make_group(self.account)
        make_device(self.account, group=group)
        self.refused(self.create(group_ids=[group.pk]), "There is no enrolled Mac among these devices and groups.")

    def test_a_named_device_must_be_an_enrolled_mac(self):
        phone = make_device(self.account)
        gone = make_device(self.account, platform="macOS", state=DeviceState.UNENROLLED)
        self.refused(
            self.create(device_ids=[self.mac.pk, phone.pk, gone.pk]),
            f"Scripts run on enrolled Macs only; these devices are none: {phone.pk}, {gone.pk}.",
        )

    def test_what_the_account_does_not_have_is_404(self):
        theirs = make_device(self.other_account, platform="macOS")
        for parameters in (
            {"device_ids": [self.mac.pk, theirs.pk]},
            {"device_ids": [self.mac.pk], "group_ids": [theirs.group_id]},
            {"device_ids": [self.mac.pk], "assignment_group_ids": [make_assignment_group(self.other_account).pk]},
            {"device_ids": [self.mac.pk], "script_id": make_script(self.other_account).pk},
            {"device_ids": [self.mac.pk], "custom_attribute": make_attribute(self.other_account).name},
            {"device_ids": [10**18]},
        ):
            self.assertEqual(self.create(**parameters).status_code, 404, parameters)
        self.assertFalse(ScriptJob.objects.exists())

    def test_how_long_it_may_take_and_who_runs_it(self):
        self.assertEqual(self.create(device_ids=[self.mac.pk]).status_code, 201)
        job = ScriptJob.objects.get()
        self.assertEqual((job.timeout_seconds, job.run_as), (3600, "root"))
        response = self.create(device_ids=[self.mac.pk], timeout_seconds=86_400, run_as="console_user")
        self.assertEqual(response.status_code, 201, response.content)
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((attributes["timeout_seconds"], attributes["run_as"]), (86_400, "console_user"))
        job = ScriptJob.objects.latest("pk")
        self.assertEqual((job.timeout_seconds, job.run_as), (86_400, "console_user"))

    def test_what_is_no_time_and_nobody_is_refused(self):
        for wrong, title in (
            ({"timeout_seconds": 0}, "timeout_seconds: Ensure this value is greater than or equal to 1."),
            ({"timeout_seconds": 86_401}, "timeout_seconds: Ensure this value is less than or equal to 86400."),
            ({"timeout_seconds": "soon"}, "timeout_seconds: A valid integer is required."),
            ({"run_as": "somebody"}, 'run_as: "somebody" is not a valid choice.'),
        ):
            self.refused(self.create(device_ids=[self.mac.pk], **wrong), title)

    def test_more_macs_take_no_more_statements(self):
        group = make_group(self.account)
        self.create(device_ids=[self.mac.pk])
        for count in (1, 5):
            for _ in range(count):
                make_device(self.account, group=group, platform="macOS")
            with self.assertNumQueries(10):
                response = self.create(group_ids=[group.pk])
            self.assertEqual(response.status_code, 201)


class CancelTest(JobsTestCase):
    def test_it_takes_back_what_no_mac_has_received(self):
        job = make_script_job(script=self.script, devices=[self.mac])
        sent = make_script_run(job, make_device(self.account, platform="macOS"), state=RunState.SENT)
        response = self.api.delete(f"{URL}/{job.pk}")
        self.assertEqual((response.status_code, response.content), (204, b""))
        states = dict(job.runs.values_list("device", "state"))
        self.assertEqual(states, {self.mac.pk: RunState.CANCELLED, sent.device_id: RunState.SENT})
        event = Event.objects.for_account(self.account).get()
        self.assertEqual((event.event_type, event.actor_label), ("script_job.cancelled", "Test key"))
        self.assertEqual(event.metadata["device_count"], 1)

    def test_it_refuses_when_every_mac_has_it(self):
        title = "There is nothing left to cancel: every Mac has received the script, or is done with it."
        for state in (RunState.SENT, RunState.COMPLETED, RunState.ERROR, RunState.CANCELLED):
            job = make_script_job(script=self.script, devices=[self.mac], state=state)
            response = self.api.delete(f"{URL}/{job.pk}")
            self.assertEqual((response.status_code, response.json()["errors"]), (422, [{"title": title}]))
            self.assertEqual(job.runs.get().state, state)
        self.assertFalse(Event.objects.for_account(self.account).exists())

    def test_a_stranger_gets_404(self):
        job = make_script_job(script=self.script, devices=[self.mac])
        self.assertEqual(self.outsider_api.delete(f"{URL}/{job.pk}").status_code, 404)
        self.assertEqual(job.runs.get().state, RunState.PENDING)
