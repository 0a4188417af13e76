"""A script job is finished once: when the last of its Macs is done with it, however that came."""

import json
import threading
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from devices.models import Device, RunState, ScriptJob, ScriptRun
from devices.services import script_answers
from devices.services.script_answers import EXITED, End, take_end
from devices.services.script_jobs import cancel_job
from devices.services.script_orders import Heard, order_id
from devices.services.script_runs import SILENCE, cancel_runs_of_removed_devices, fail_runs
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event, WebhookDelivery
from tests.base import AccountTestCase
from tests.factories import make_account, make_device, make_script_job, make_script_run, make_webhook

CLAIM = "the-claim"


def begun_job(devices: list[Device]) -> ScriptJob:
    job = make_script_job(devices[0].account, name="Tidy up")
    for device in devices:
        make_script_run(job, device, state=RunState.SENT, sent_at=timezone.now(), began_at=timezone.now(), claim=CLAIM)
    return job


def answer(job: ScriptJob, device: Device, exit_code: int = 0) -> Heard:
    run = ScriptRun.objects.get(job=job, device=device)
    return take_end(device, order_id(run), CLAIM, End(EXITED, exit_code, b"done\n", 5))


def finished() -> list[Event]:
    return list(Event.objects.filter(event_type="script_job.finished").order_by("pk"))


class FinishedTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.macs = [make_device(self.account, platform="macOS") for _ in range(3)]

    def test_the_last_answer_finishes_it_and_a_webhook_hears_of_it(self):
        make_webhook(self.account, events=["script_job.finished"])
        job = begun_job(self.macs)
        answer(job, self.macs[0])
        answer(job, self.macs[1], exit_code=3)
        self.assertEqual(finished(), [])
        answer(job, self.macs[2])
        (line,) = finished()
        facts = {
            "job_id": job.job_id,
            "job_name": "Tidy up",
            "script_name": job.script_name,
            "device_count": 3,
            "success_count": 2,
            "errored_count": 1,
            "cancelled_count": 0,
        }
        self.assertEqual((line.account, line.metadata), (self.account, facts))
        self.assertEqual(json.loads(WebhookDelivery.objects.get().body)["data"], {"script_job": facts})
        job.refresh_from_db()
        self.assertIsNotNone(job.finished_at)

    def test_a_repeated_answer_tells_nothing_again(self):
        job = begun_job(self.macs[:1])
        for _ in range(2):
            self.assertEqual(answer(job, self.macs[0]), Heard.YES)
        self.assertEqual(len(finished()), 1)

    def test_an_answer_that_comes_when_the_wait_was_over_tells_nothing_again(self):
        job = begun_job(self.macs[:1])
        fail_runs(job.runs.all(), "It was silent.", ending=SILENCE)
        (line,) = finished()
        self.assertEqual((line.metadata["errored_count"], line.metadata["success_count"]), (1, 0))
        answer(job, self.macs[0])
        self.assertEqual(job.runs.get().state, RunState.COMPLETED)
        self.assertEqual(len(finished()), 1)

    def test_cancelling_finishes_it_when_no_mac_has_it(self):
        job = make_script_job(self.account, devices=self.macs)
        cancel_job(job, SYSTEM)
        (line,) = finished()
        self.assertEqual((line.metadata["cancelled_count"], line.metadata["device_count"]), (3, 3))

    def test_cancelling_what_is_left_waits_for_the_mac_that_has_it(self):
        job = begun_job(self.macs[:1])
        make_script_run(job, self.macs[1])
        cancel_job(job, SYSTEM)
        self.assertEqual(finished(), [])
        answer(job, self.macs[0])
        (line,) = finished()
        self.assertEqual((line.metadata["success_count"], line.metadata["cancelled_count"]), (1, 1))

    def test_removed_macs_finish_theirs(self):
        jobs = [make_script_job(self.account, devices=self.macs) for _ in range(2)]
        Device.objects.filter(pk__in=[mac.pk for mac in self.macs]).update(removed_at=timezone.now())
        cancel_runs_of_removed_devices()
        self.assertEqual([line.metadata["job_id"] for line in finished()], [job.job_id for job in jobs])
        cancel_runs_of_removed_devices()
        self.assertEqual(len(finished()), 2)


class AtTheSameTimeTest(TransactionTestCase):
    def test_of_two_last_answers_at_once_one_finishes_it(self) -> None:
        account = make_account()
        macs = [make_device(account, platform="macOS") for _ in range(2)]
        job = begun_job(macs)
        both_stored = threading.Barrier(2)
        store = script_answers._store

        def stored(*arguments: object) -> bool:
            done = store(*arguments)
            if connection.vendor == "postgresql":  # elsewhere one writer waits for the other anyway
                both_stored.wait(20)  # neither sees what the other has not committed yet
            return done

        faults: list[BaseException] = []

        def run(mac: Device) -> None:
            try:
                answer(job, mac)
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        with patch.object(script_answers, "_store", stored):
            threads = [threading.Thread(target=run, args=(mac,)) for mac in macs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        self.assertEqual(faults, [])
        (line,) = finished()
        self.assertEqual(line.metadata["success_count"], 2)
