"""Script jobs behind the API: lines for Macs, hand-outs, answers, outputs, and what the schedule does."""

import base64
import plistlib
from datetime import timedelta
from unittest import mock
from uuid import uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import AgentKey, Device, DeviceState, RunState, ScriptAgent, ScriptJob, ScriptRun
from devices.services import script_output
from devices.services.agent_keys import agent_key, sign
from devices.services.agent_program import launch_daemon
from devices.services.attributes import delete_attribute, values_of
from devices.services.devices import remove_device
from devices.services.errors import NotPossible, SetChanged
from devices.services.script_agent import agent_profile, find_agent, provide_agents
from devices.services.script_answers import End, take_end
from devices.services.script_jobs import start_job, start_job_for
from devices.services.script_orders import order_id
from devices.services.script_output import apply_outputs, without_matches
from devices.tasks import tend_script_jobs
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.commands.models import Command
from mdm.commands.services import clear
from mdm.commands.states import State
from mdm.endpoints.refusals import refuse
from mdm.endpoints.renderers import complete
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_attribute,
    make_device,
    make_script,
    make_script_agent,
    make_script_job,
    make_script_run,
)

CLAIM = "c" * 32
BEGUN = {"state": RunState.SENT, "claim": CLAIM}


class JobsTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.script = make_script(self.account, "Say hi")

    def start(self, *devices: Device, **options) -> ScriptJob:
        with self.captureOnCommitCallbacks(execute=True):
            return start_job(self.script, devices=devices or [self.mac], actor=SYSTEM, **options)

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.for_account(self.account).filter(event_type=event_type).order_by("pk"))


class StartTest(JobsTestCase):
    def test_people_are_named_by_their_address(self):
        job = start_job(self.script, devices=[self.mac], actor=Actor(Source.ADMIN, "owner@example.com"))
        self.assertEqual(job.created_by, "owner@example.com")

    def test_of_many_devices_the_macs_that_are_enrolled_run_it_and_stay_in_the_database(self):
        macs = [self.mac, *(make_device(self.account, platform="macOS") for _ in range(3))]
        make_device(self.account)
        make_device(self.account, platform="macOS", enrolled=False)
        make_device(self.other_account, platform="macOS")
        with self.captureOnCommitCallbacks(), CaptureQueriesContext(connection) as few:
            job = start_job_for(self.script, Device.objects.all(), expected=4, actor=SYSTEM)
        runs = list(job.runs.order_by("pk"))
        self.assertEqual([run.device_id for run in runs], [mac.pk for mac in macs])
        self.assertEqual({run.state for run in runs}, {RunState.PENDING})
        self.assertEqual(len({run.secret_id for run in runs}), 4)
        [event] = self.events("script_job.created")
        self.assertEqual(event.metadata["device_count"], 4)
        for run in runs:  # the same as those that are written one by one
            other = ScriptRun(account=self.account, job=job, device_id=run.device_id)
            for field in ScriptRun._meta.concrete_fields:
                if field.name not in ("id", "secret_id", "created_at"):
                    self.assertEqual(getattr(run, field.attname), getattr(other, field.attname), field.name)
            run.sealed_response = "hidden"
            run.save()
        self.assertEqual(ScriptRun.objects.get(pk=runs[1].pk).sealed_response, "hidden")
        for _ in range(20):
            make_device(self.account, platform="macOS")
        with self.captureOnCommitCallbacks(), CaptureQueriesContext(connection) as many:
            start_job_for(self.script, Device.objects.all(), expected=24, actor=SYSTEM)
        self.assertEqual(len(many), len(few))

    def test_another_number_of_macs_than_was_agreed_to_is_no_job(self):
        with self.assertRaisesRegex(SetChanged, "By now it would be 1 Mac."):
            start_job_for(self.script, Device.objects.all(), expected=2, actor=SYSTEM)
        for none in (Device.objects.none(), Device.objects.filter(name="no such name")):
            with self.assertRaisesRegex(NotPossible, "no enrolled Mac"):
                start_job_for(self.script, none, expected=0, actor=SYSTEM)
        with self.assertRaisesRegex(NotPossible, "timeout_seconds"):
            start_job_for(self.script, Device.objects.all(), expected=1, timeout_seconds=0, actor=SYSTEM)
        self.assertFalse(ScriptJob.objects.exists() or ScriptRun.objects.exists())

    def test_one_order_is_one_job(self):
        token = uuid4()
        first = self.start(token=token)
        self.assertEqual(self.start(token=token), first)
        self.assertEqual(start_job_for(self.script, Device.objects.all(), expected=1, actor=SYSTEM, token=token), first)
        self.assertNotEqual(self.start(token=uuid4()), first)
        self.assertEqual((ScriptJob.objects.count(), ScriptRun.objects.count()), (2, 2))


class AgentTest(JobsTestCase):
    def installs(self) -> list[Command]:
        return list(Command.objects.filter(request_type="InstallProfile").order_by("pk"))

    def test_a_mac_gets_one_profile_for_all_its_jobs(self):
        self.start()
        self.start()
        [command] = self.installs()
        agent = ScriptAgent.objects.get()
        self.assertEqual((agent.command_uuid, command.parameters), (command.command_uuid, {"Recipe": "script_agent"}))
        self.assertEqual((command.channel.device, command.channel.user_key), (self.mac, ""))
        self.assertNotIn(agent.token, str(list(Event.objects.values())))

    def test_the_profile_is_completed_at_delivery_with_address_and_token(self):
        self.start()
        [command] = self.installs()
        profile = plistlib.loads(plistlib.loads(complete(command))["Command"]["Payload"])
        payload = profile["PayloadContent"][0]
        self.assertEqual(payload["PayloadType"], "com.pomona.agent")
        self.assertTrue(payload["URL"].endswith("/mdm/agent"))
        self.assertEqual(find_agent(payload["Token"]).device, self.mac)
        self.assertEqual(payload["Device"], str(self.mac.uuid))
        key = load_der_public_key(base64.b64decode(payload["SigningKey"]))
        key.verify(base64.b64decode(sign(self.account.pk, b"order")), b"order", ec.ECDSA(hashes.SHA256()))
        self.assertEqual(profile, plistlib.loads(agent_profile(self.mac)))

    def test_where_people_can_switch_daemons_off_the_profile_keeps_the_agent_going(self):
        self.start()
        label = plistlib.loads(launch_daemon())["Label"]
        for version, expected in (("12.7.6", []), ("13.0", [label]), ("26.1", [label]), ("", [])):
            self.mac.os_version = version
            profile = plistlib.loads(agent_profile(self.mac))
            rules = [rule for one in profile["PayloadContent"] for rule in one.get("Rules", ())]
            with self.subTest(version=version):
                self.assertEqual([rule["RuleValue"] for rule in rules if rule["RuleType"] == "Label"], expected)
        self.mac.os_version, self.mac.is_user_enrollment = "14.5", True
        self.assertEqual(len(plistlib.loads(agent_profile(self.mac))["PayloadContent"]), 1)

    def test_a_mac_that_enrolled_anew_gets_another_token(self):
        self.start()
        old = ScriptAgent.objects.get()
        Device.objects.update(enrolled_at=timezone.now())
        self.assertIsNone(find_agent(old.token))
        self.start()
        self.assertEqual(len(self.installs()), 2)
        self.assertNotEqual(ScriptAgent.objects.get().token, old.token)

    def test_a_profile_that_never_got_there_is_sent_again(self):
        self.start()
        clear(self.mac.device_channel)
        self.assertEqual(provide_agents(), 1)
        self.assertEqual(provide_agents(), 0)
        self.assertEqual([command.state for command in self.installs()], [State.CANCELLED, State.QUEUED])

    def test_a_profile_that_names_no_key_or_another_one_is_replaced(self):
        agent = make_script_agent(self.mac, version="1", package_command_uuid="p", last_seen_at=timezone.now())
        make_script_job(script=self.script, devices=[self.mac])
        self.assertEqual(provide_agents(), 0)
        AgentKey.objects.all().delete()
        self.assertEqual(provide_agents(), 1)
        self.assertEqual(provide_agents(), 0)
        new = ScriptAgent.objects.get()
        self.assertNotEqual(new.token, agent.token)
        # The program is on the Mac as before.
        self.assertEqual((new.version, new.package_command_uuid), ("1", "p"))
        Device.objects.update(enrolled_at=timezone.now())
        self.assertEqual(provide_agents(), 1)
        new = ScriptAgent.objects.get()
        self.assertEqual((new.version, new.package_command_uuid, new.last_seen_at), ("", "", None))

    def test_a_refusal_ends_what_waits_with_the_reason(self):
        job = self.start()
        [command] = self.installs()
        with transaction.atomic():
            refuse(self.mac, command, "Profiles are not wanted.")
        run = job.runs.get()
        self.assertEqual(run.state, RunState.ERROR)
        self.assertIn("Profiles are not wanted.", run.response)
        self.assertFalse(ScriptAgent.objects.exists())
        [event] = self.events("script.failed")
        self.assertEqual((event.source, event.device, event.metadata["job_id"]), ("device", self.mac, job.job_id))
        self.assertEqual(provide_agents(), 0)

    def test_the_refusal_of_another_profile_ends_nothing(self):
        job = self.start()
        [command] = self.installs()
        other = Command(
            parameters={"Recipe": "profile"}, command_uuid=command.command_uuid, request_type="InstallProfile"
        )
        refuse(self.mac, other, "No.")
        self.assertEqual(job.runs.get().state, RunState.PENDING)

    def test_macs_are_provided_in_a_constant_number_of_statements(self):
        agent_key(self.account.pk)
        for count in (2, 6):
            macs = [make_device(self.account, platform="macOS") for _ in range(count)]
            make_script_job(script=self.script, devices=macs)
            with self.assertNumQueries(15):
                self.assertEqual(provide_agents(), count)

    def test_a_mac_without_an_open_channel_waits(self):
        self.mac.channels.update(state="closed")
        make_script_job(script=self.script, devices=[self.mac])
        self.assertEqual(provide_agents(), 0)
        self.assertFalse(ScriptAgent.objects.exists())

    def test_tokens_of_macs_that_left_are_nobodys(self):
        agent = make_script_agent(self.mac)
        self.assertEqual(find_agent(agent.token), agent)
        for token in ("", "unknown", agent.token + "x", "x" * 1000, "ÿ"):
            self.assertIsNone(find_agent(token))
        Device.objects.update(state=DeviceState.UNENROLLED)
        self.assertIsNone(find_agent(agent.token))


class OutputTest(JobsTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "battery")

    def ran(
        self, output: str, *, regex: str = "", status_code: int = 0, attribute=None, applied: bool = True
    ) -> ScriptRun:
        job = make_script_job(
            script=self.script, custom_attribute=attribute or self.attribute, custom_attribute_regex=regex
        )
        run = make_script_run(job, self.mac, **BEGUN, sent_at=timezone.now(), began_at=timezone.now())
        with self.captureOnCommitCallbacks(execute=applied):
            take_end(self.mac, order_id(run), CLAIM, End("exited", status_code, output.encode()))
        return ScriptRun.objects.get(pk=run.pk)

    def value(self, name: str = "battery") -> str:
        return values_of(self.mac)[name].value

    def test_the_output_becomes_the_value_of_the_mac(self):
        run = self.ran("80%\n")
        self.assertEqual((self.value(), run.is_output_due), ("80%\n", False))
        [event] = self.events("custom_attribute.value_set")
        self.assertEqual((event.source, event.device), ("device", self.mac))

    def test_what_the_regex_matches_is_taken_out_first(self):
        self.ran("80 %\n", regex=r"[\s%]")
        self.assertEqual(self.value(), "80")

    def test_a_script_that_failed_sets_nothing(self):
        self.ran("oh", status_code=1)
        self.assertEqual(self.value(), "")

    def test_a_regex_that_takes_too_long_is_stopped_and_the_others_are_set(self):
        other = make_attribute(self.account, "disk")
        with mock.patch.object(script_output, "REGEX_SECONDS", 0.5), mock.patch.object(script_output, "AT_ONCE", 2):
            slow = make_script_job(script=self.script, custom_attribute=self.attribute, custom_attribute_regex="(a+)+$")
            make_script_run(slow, self.mac, is_output_due=True, response="a" * 60 + "b", finished_at=timezone.now())
            fine = make_script_job(script=self.script, custom_attribute=other)
            make_script_run(fine, self.mac, is_output_due=True, response="ok", finished_at=timezone.now())
            self.assertEqual(apply_outputs(), 2)
        self.assertEqual((self.value(), self.value("disk")), ("", "ok"))
        [event] = self.events("script.output_dropped")
        self.assertEqual(event.metadata["why"], script_output.TOO_SLOW)
        self.assertFalse(ScriptRun.objects.filter(is_output_due=True).exists())

    def test_of_two_outputs_the_later_one_stays(self):
        now = timezone.now()
        for at, output in ((now, "later"), (now - timedelta(minutes=1), "earlier")):
            job = make_script_job(script=self.script, custom_attribute=self.attribute)
            make_script_run(job, self.mac, is_output_due=True, response=output, finished_at=at)
        apply_outputs()
        self.assertEqual(self.value(), "later")

    def test_a_deleted_attribute_is_passed_over(self):
        job = make_script_job(script=self.script, custom_attribute=self.attribute)
        make_script_run(job, self.mac, is_output_due=True, response="80", finished_at=timezone.now())
        self.attribute.delete()
        self.assertEqual(apply_outputs(), 1)
        self.assertFalse(ScriptRun.objects.filter(is_output_due=True).exists())

    def test_output_for_a_secret_attribute_is_kept_there_alone(self):
        secret = make_attribute(self.account, "password", secret=True)
        run = self.ran("s3cret", attribute=secret)
        self.assertEqual((self.value("password"), run.response), ("s3cret", ""))
        failed = self.ran("s3cret", attribute=secret, status_code=1)
        self.assertEqual(failed.response, "")
        self.assertNotIn("s3cret", str(list(Event.objects.values())))

    def test_output_for_a_secret_attribute_waits_encrypted(self):
        secret = make_attribute(self.account, "password", secret=True)
        run = self.ran("s3cret", attribute=secret, applied=False)
        self.assertEqual((run.is_output_due, run.response, run.sealed_response), (True, "", "s3cret"))
        [stored] = ScriptRun.objects.filter(pk=run.pk).values()
        self.assertNotIn("s3cret", str(stored))
        apply_outputs()
        run = ScriptRun.objects.get(pk=run.pk)
        self.assertEqual((self.value("password"), run.sealed_response), ("s3cret", ""))

    def test_output_for_a_secret_attribute_goes_with_the_attribute(self):
        secret = make_attribute(self.account, "password", secret=True)
        run = self.ran("s3cret", attribute=secret, applied=False)
        delete_attribute(secret, SYSTEM)
        self.assertEqual(apply_outputs(), 1)
        run = ScriptRun.objects.get(pk=run.pk)
        self.assertEqual((run.is_output_due, run.response, run.sealed_response), (False, "", ""))

    def test_output_that_cannot_be_decrypted_any_more_stops_no_other(self):
        secret = make_attribute(self.account, "password", secret=True)
        lost = self.ran("s3cret", attribute=secret, applied=False)
        ScriptRun.objects.filter(pk=lost.pk).update(secret_id=uuid4())
        self.ran("house 4")
        self.assertEqual(self.value("battery"), "house 4")
        self.assertFalse(ScriptRun.objects.filter(is_output_due=True).exists())
        self.assertEqual(Event.objects.filter(event_type="script.output_dropped").count(), 1)

    def test_the_regex_sees_the_text_as_it_is(self):
        self.assertEqual(without_matches("", "a\nb"), "a\nb")
        self.assertEqual(without_matches(r"\n", "ä\nb\u2028\U0001f34e"), "äb\u2028\U0001f34e")


class ScheduleTest(JobsTestCase):
    def test_jobs_of_more_than_a_month_ago_go_with_their_runs(self):
        old = make_script_job(script=self.script, devices=[self.mac])
        ScriptJob.objects.update(created_at=timezone.now() - timedelta(days=31))
        new = make_script_job(script=self.script, devices=[self.mac])
        self.assertEqual(tend_script_jobs(), 1)
        self.assertEqual(ScriptJob.objects.get(), new)
        self.assertFalse(ScriptRun.objects.filter(job=old.pk).exists())

    def test_runs_of_a_removed_mac_are_cancelled(self):
        job = self.start()
        remove_device(self.mac, SYSTEM)
        self.assertEqual(tend_script_jobs(), 1)
        self.assertEqual(job.runs.get().state, RunState.CANCELLED)
