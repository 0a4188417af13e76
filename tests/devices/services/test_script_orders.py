"""What Macs are handed to run, and who may begin it."""

import base64
from datetime import timedelta
from unittest import mock

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.utils import timezone

from devices.models import AgentKey, Device, RunAs, RunState, ScriptJob, ScriptRun
from devices.services.script_jobs import cancel_job, start_job
from devices.services.script_orders import Heard, Order, begin, find_run, next_order, order_id, refuse
from devices.services.script_runs import ENDING_WORDS, REFUSALS
from devices.tasks import tend_script_jobs
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_attribute, make_attribute_value, make_device, make_script

CLAIM, OTHER = "c" * 32, "d" * 32


def read(order: Order) -> tuple[dict[str, str], bytes]:
    """The lines of its head, and the script."""
    head, _, script = order.body.partition(b"\n\n")
    return dict(line.split(": ", 1) for line in head.decode().splitlines()), script


class OrdersTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.script = make_script(self.account, "Say hi")

    def start(self, *devices: Device, **options) -> ScriptJob:
        with self.captureOnCommitCallbacks(execute=True):
            return start_job(self.script, devices=devices or [self.mac], actor=SYSTEM, **options)

    def failures(self) -> list[Event]:
        return list(Event.objects.filter(event_type="script.failed").order_by("pk"))


class HandOutTest(OrdersTestCase):
    def test_it_says_what_to_run_how_and_for_whom(self):
        job = self.start(run_as=RunAs.CONSOLE_USER, timeout_seconds=60)
        head, script = read(next_order(self.mac))
        run = job.runs.get()
        self.assertLess(abs(timezone.now().timestamp() - int(head.pop("Issued"))), 60)
        self.assertEqual(
            head,
            {
                "Pomona-Order": "1",
                "Run": f"{run.pk}-{run.secret_id.hex}",
                "Device": str(self.mac.uuid),
                "Run-As": "console_user",
                "Timeout": "60",
                "Live": "yes",
                "Script-Length": str(len(script)),
            },
        )
        self.assertEqual(script.decode(), job.content)

    def test_it_is_signed_with_the_key_of_the_account(self):
        self.start()
        order = next_order(self.mac)
        key = load_pem_public_key(AgentKey.objects.get(account=self.account).public_key.encode())
        signature = base64.b64decode(order.signature)
        key.verify(signature, order.body, ec.ECDSA(hashes.SHA256()))
        with self.assertRaises(InvalidSignature):
            key.verify(signature, order.body + b"x", ec.ECDSA(hashes.SHA256()))

    def test_the_oldest_comes_until_it_has_begun(self):
        first, second = self.start(), self.start()
        for _ in range(2):
            self.assertEqual(next_order(self.mac).run_id, first.runs.get().pk)
        run = first.runs.get()
        self.assertEqual(run.state, RunState.SENT)
        self.assertIsNotNone(run.sent_at)
        begin(self.mac, order_id(run), CLAIM)
        self.assertEqual(next_order(self.mac).run_id, second.runs.get().pk)
        begin(self.mac, order_id(second.runs.get()), CLAIM)
        self.assertIsNone(next_order(self.mac))

    def test_two_calls_at_once_get_the_same(self):
        job = self.start()
        run = job.runs.get()

        def taken_by_the_other(*_):
            ScriptRun.objects.filter(pk=run.pk).update(state=RunState.SENT, sent_at=timezone.now())
            return job.content

        with mock.patch("devices.services.script_orders._content", taken_by_the_other):
            self.assertEqual(next_order(self.mac).run_id, run.pk)

    def test_what_is_begun_or_cancelled_meanwhile_is_not_handed_out(self):
        job = self.start()
        for meanwhile in ({"state": RunState.SENT, "claim": CLAIM}, {"state": RunState.CANCELLED}):
            ScriptRun.objects.update(state=RunState.PENDING, claim="")

            def changed(*_, change=meanwhile):
                ScriptRun.objects.update(**change)
                return job.content

            with mock.patch("devices.services.script_orders._content", changed):
                self.assertIsNone(next_order(self.mac))

    def test_output_for_a_secret_attribute_is_not_to_be_shown_meanwhile(self):
        self.start(custom_attribute=make_attribute(self.account, "password", secret=True))
        self.assertEqual(read(next_order(self.mac))[0]["Live"], "no")

    def test_a_script_with_the_line_ends_of_windows_comes_with_those_of_a_shell(self):
        self.script = make_script(self.account, "From Windows", content="#!/bin/bash \r\n\r\necho hi\r\n")
        job = self.start()
        head, script = read(next_order(self.mac))
        self.assertEqual(script, b"#!/bin/bash \n\necho hi\n")
        self.assertEqual(head["Script-Length"], str(len(script)))
        self.assertEqual(job.content, "#!/bin/bash \r\n\r\necho hi\r\n")

    def test_what_a_script_for_shells_says_with_line_ends_of_windows_stays(self):
        self.script = make_script(self.account, "Sends mail", content="#!/bin/sh\nprintf 'HELO x\r\n'\n")
        self.start()
        self.assertEqual(read(next_order(self.mac))[1], b"#!/bin/sh\nprintf 'HELO x\r\n'\n")

    def test_variables_are_filled_in_where_the_script_wants_it(self):
        room = make_attribute(self.account, "room", default="lobby")
        make_attribute_value(self.mac, room, "cellar ä")
        text = "#!/bin/sh\necho {{room}} {{serial_number}} {{unknown}}"
        for wants, expected in (
            (True, f"#!/bin/sh\necho cellar ä {self.mac.serial_number} {{{{unknown}}}}"),
            (False, text),
        ):
            self.script = make_script(self.account, content=text, variable_support=wants)
            job = self.start()
            head, script = read(next_order(self.mac))
            self.assertEqual((script.decode(), head["Script-Length"]), (expected, str(len(expected.encode()))))
            begin(self.mac, order_id(job.runs.get()), CLAIM)

    def test_a_script_that_cannot_be_filled_in_fails_and_the_next_follows(self):
        long, after = self.start(), self.start()
        ScriptJob.objects.filter(pk=long.pk).update(variable_support=True, content="#!{{serial_number}}")
        with mock.patch("devices.services.variables.MAX_FILLED_LENGTH", 20):
            self.assertEqual(next_order(self.mac).run_id, after.runs.get().pk)
        run = long.runs.get()
        self.assertEqual((run.state, run.status_code), (RunState.ERROR, ""))
        self.assertIn("longer than 20 bytes", run.response)
        self.assertEqual(len(self.failures()), 1)


class BeginTest(OrdersTestCase):
    def setUp(self):
        super().setUp()
        self.job = self.start()
        next_order(self.mac)
        self.name = order_id(self.job.runs.get())

    def test_the_first_claim_has_it_and_may_ask_again(self):
        for _ in range(2):
            self.assertEqual(begin(self.mac, self.name, CLAIM), Heard.YES)
        self.assertEqual(begin(self.mac, self.name, OTHER), Heard.NOT_YOURS)
        run = self.job.runs.get()
        self.assertEqual((run.state, run.claim), (RunState.SENT, CLAIM))
        self.assertIsNotNone(run.began_at)

    def test_what_has_ended_is_not_begun_again(self):
        begin(self.mac, self.name, CLAIM)
        for state in (RunState.COMPLETED, RunState.ERROR, RunState.CANCELLED):
            ScriptRun.objects.update(state=state)
            self.assertEqual(begin(self.mac, self.name, CLAIM), Heard.NOT_YOURS)

    def test_what_was_never_handed_out_cannot_be_begun(self):
        ScriptRun.objects.update(state=RunState.PENDING, sent_at=None)
        self.assertEqual(begin(self.mac, self.name, CLAIM), Heard.NOT_YOURS)

    def test_it_is_known_by_its_whole_name_and_on_its_mac_alone(self):
        number, _, secret = self.name.partition("-")
        other = make_device(self.account, platform="macOS")
        self.assertEqual(begin(other, self.name, CLAIM), Heard.NO_SUCH_RUN)
        for name in (
            number,
            f"{number}-",
            f"{number}-{'0' * 32}",
            f"x-{secret}",
            f"{'9' * 40}-{secret}",
            f"²-{secret}",
        ):
            self.assertEqual(begin(self.mac, name, CLAIM), Heard.NO_SUCH_RUN, name)
        self.assertEqual(find_run(self.mac, self.name), self.job.runs.get())

    def test_after_a_day_it_waits_again_and_can_be_cancelled(self):
        ScriptRun.objects.update(sent_at=timezone.now() - timedelta(hours=25))
        self.assertEqual(tend_script_jobs(), 1)
        self.assertEqual(self.job.runs.get().state, RunState.PENDING)
        # The Mac may have the order still.
        self.assertEqual(begin(self.mac, self.name, CLAIM), Heard.YES)
        ScriptRun.objects.update(state=RunState.PENDING, claim="", began_at=None)
        cancel_job(self.job, SYSTEM)
        self.assertEqual(begin(self.mac, self.name, CLAIM), Heard.NOT_YOURS)


class RefuseTest(OrdersTestCase):
    def setUp(self):
        super().setUp()
        self.job = self.start()
        next_order(self.mac)
        self.name = order_id(self.job.runs.get())

    def test_the_mac_says_why_it_does_not_run_it(self):
        for why in sorted(REFUSALS):
            job = self.start()
            run = job.runs.get()
            ScriptRun.objects.filter(pk=run.pk).update(state=RunState.SENT, sent_at=timezone.now())
            self.assertEqual(refuse(self.mac, order_id(run), why), Heard.YES)
            run.refresh_from_db()
            self.assertEqual((run.state, run.ending, run.response), (RunState.ERROR, why, ENDING_WORDS[why]))
            event = self.failures()[-1]
            self.assertEqual((event.source, event.metadata["why"]), ("device", ENDING_WORDS[why]))

    def test_it_changes_nothing_of_a_run_that_has_begun(self):
        begin(self.mac, self.name, CLAIM)
        self.assertEqual(refuse(self.mac, self.name, "repeat"), Heard.YES)
        self.assertEqual(self.job.runs.get().state, RunState.SENT)
        self.assertEqual(refuse(self.mac, "1-2", "repeat"), Heard.NO_SUCH_RUN)
