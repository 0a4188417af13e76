"""What Macs tell of scripts: output while they run, and how they ended."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from devices.models import RunState, ScriptRun
from devices.services.attributes import delete_attribute
from devices.services.script_answers import (
    ENDINGS,
    HIDDEN,
    MAX_OUTPUT_BYTES,
    End,
    add_output,
    readable_output,
    take_end,
)
from devices.services.script_jobs import start_job
from devices.services.script_orders import Heard, begin, next_order, order_id
from devices.services.script_runs import ENDING_WORDS, NO_ANSWER, REFUSALS
from devices.tasks import tend_script_jobs
from mdm.accounts.actors import SYSTEM, Actor, Source
from mdm.events.models import Event, Level
from tests.base import AccountTestCase
from tests.factories import make_api_key, make_attribute, make_device, make_script, make_script_job, make_script_run

CLAIM, OTHER = "c" * 32, "d" * 32


class AnswersTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.begin_run()

    def begin_run(self, **options):
        now = timezone.now()
        self.job = make_script_job(script=make_script(self.account, "Say hi"), **options)
        self.run_row = make_script_run(self.job, self.mac, state=RunState.SENT, sent_at=now, began_at=now, claim=CLAIM)

    def end(self, why: str = "exited", code: int | None = 0, output: bytes = b"hi\n", *, claim=CLAIM, **more) -> Heard:
        heard = take_end(self.mac, order_id(self.run_row), claim, End(why, code, output, **more))
        self.run_row.refresh_from_db()
        return heard

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.filter(event_type=event_type).order_by("pk"))


class EndTest(AnswersTestCase):
    def test_it_ends_the_run_and_stands_in_the_log(self):
        before = self.job.updated_at
        self.assertEqual(self.end(total=3), Heard.YES)
        self.job.refresh_from_db()
        run = self.run_row
        self.assertEqual((run.state, run.status_code, run.ending), (RunState.COMPLETED, "0", ""))
        self.assertEqual((run.response, run.output_bytes), ("hi\n", 3))
        self.assertGreater(self.job.updated_at, before)
        [event] = self.events("script.ran")
        self.assertEqual((event.source, event.namespace, event.device), ("device", "device", self.mac))
        self.assertEqual(event.metadata, {"name": "Say hi", "job_status": "0", "job_response": "hi\n"})
        self.assertEqual(len(self.events("script_job.finished")), 1)

    def test_the_log_names_the_api_key_that_ran_it(self):
        key, _ = make_api_key(self.account, name="Nightly")
        self.run_row.delete()
        job = start_job(self.job.script, devices=[self.mac], actor=Actor(Source.API, key.name, api_key_id=key.pk))
        self.run_row = job.runs.get()
        next_order(self.mac)
        begin(self.mac, order_id(self.run_row), CLAIM)
        self.end()
        [event] = self.events("script.ran")
        self.assertEqual((event.source, event.api_key), ("device", key))

    def test_another_exit_code_is_an_error(self):
        self.end(code=2, output=b"oh")
        self.assertEqual((self.run_row.state, self.run_row.status_code), (RunState.ERROR, "2"))
        self.assertEqual(self.events("script.ran")[0].level, Level.WARNING)

    def test_one_that_took_too_long_ran_even_if_it_says_that_all_is_well(self):
        self.end("timeout", 0, b"so far")
        run = self.run_row
        self.assertEqual((run.state, run.status_code, run.ending), (RunState.ERROR, "0", "timeout"))
        self.assertEqual(run.response, "so far")
        [event] = self.events("script.ran")
        self.assertEqual((event.level, event.metadata["ending"]), (Level.WARNING, "timeout"))

    def test_one_that_was_cut_off_keeps_what_it_printed(self):
        self.end("reboot", None, b"so far")
        run = self.run_row
        self.assertEqual((run.state, run.status_code, run.ending, run.response), ("error", "", "reboot", "so far"))
        [event] = self.events("script.failed")
        self.assertEqual(event.metadata["why"], ENDING_WORDS["reboot"])
        self.assertEqual(self.events("script.ran"), [])

    def test_without_output_there_are_words(self):
        self.end("no_user", None, b"")
        self.assertEqual((self.run_row.ending, self.run_row.response), ("no_user", ENDING_WORDS["no_user"]))

    def test_there_are_words_for_whatever_the_agent_may_say(self):
        self.assertEqual((ENDINGS | REFUSALS) - set(ENDING_WORDS), {"exited"})

    def test_a_repeat_changes_nothing(self):
        self.end()
        self.assertEqual(self.end(code=7, output=b"other"), Heard.YES)
        self.assertEqual((self.run_row.status_code, self.run_row.response), ("0", "hi\n"))
        self.assertEqual(len(self.events("script.ran")), 1)

    def test_another_claim_ends_nothing(self):
        for claim in (OTHER, ""):
            self.assertEqual(self.end(claim=claim), Heard.NOT_YOURS)
        self.assertEqual(self.run_row.state, RunState.SENT)

    def test_what_was_not_begun_cannot_end(self):
        ScriptRun.objects.update(claim="")
        for claim in (CLAIM, ""):
            self.assertEqual(self.end(claim=claim), Heard.NOT_YOURS)

    def test_the_run_of_another_mac_is_unknown(self):
        other = make_device(self.account, platform="macOS")
        end = End("exited", 0, b"")
        self.assertEqual(take_end(other, order_id(self.run_row), CLAIM, end), Heard.NO_SUCH_RUN)
        self.assertEqual(ScriptRun.objects.get().state, RunState.SENT)

    def test_without_an_answer_it_is_an_error_a_day_after_its_time_until_one_comes(self):
        began = timezone.now() - timedelta(days=1, seconds=60)
        ScriptRun.objects.update(sent_at=began, began_at=began)
        self.assertEqual(tend_script_jobs(), 0)
        self.job.timeout_seconds = 59
        self.job.save()
        self.assertEqual(tend_script_jobs(), 1)
        run = ScriptRun.objects.get()
        self.assertEqual((run.state, run.ending, run.response), (RunState.ERROR, "silence", NO_ANSWER))
        self.assertEqual(self.events("script.failed")[0].metadata["why"], NO_ANSWER)
        self.assertIsNone(next_order(self.mac))
        self.assertEqual(begin(self.mac, order_id(run), CLAIM), Heard.NOT_YOURS)
        self.end()
        self.assertEqual((self.run_row.state, self.run_row.ending), (RunState.COMPLETED, ""))


class SecretAttributeTest(AnswersTestCase):
    def begin_run(self, **options):
        self.attribute = make_attribute(self.account, "vault_code", secret=True)
        script = make_script(self.account, "Rotate")
        self.job = start_job(script, devices=[self.mac], custom_attribute=self.attribute, actor=SYSTEM)
        self.run_row = self.job.runs.get()

    def test_its_output_stays_secret_when_the_attribute_is_deleted_before_it_comes(self):
        delete_attribute(self.attribute, SYSTEM)
        self.assertIn(b"\nLive: no\n", next_order(self.mac).body)
        begin(self.mac, order_id(self.run_row), CLAIM)
        add_output(self.mac, order_id(self.run_row), CLAIM, offset=0, data=b"open se")
        self.end(output=b"open sesame")
        run = self.run_row
        self.assertEqual((run.state, run.response, run.sealed_response), (RunState.COMPLETED, "", ""))
        self.assertFalse(run.is_output_due)
        [event] = self.events("script.ran")
        self.assertEqual(event.metadata["job_response"], HIDDEN)


class ReadableTest(AnswersTestCase):
    def test_long_output_is_cut_and_counted(self):
        self.end(output="ü".encode() * MAX_OUTPUT_BYTES, total=10**10)
        self.assertEqual(self.run_row.response, "ü" * (MAX_OUTPUT_BYTES // 2))
        self.assertEqual(self.run_row.output_bytes, 10**10)

    def test_what_no_database_could_keep_is_left_out_and_what_is_no_text_replaced(self):
        self.assertEqual(readable_output(b"a\0b\xff\xfec\xed\xa0\x80\nd"), "ab��c���\nd")
        self.assertLessEqual(len(readable_output(b"\xff" * 100_000).encode()), MAX_OUTPUT_BYTES)

    def test_a_character_that_the_cut_divides_is_no_trouble(self):
        text = readable_output(b"x" + "ü".encode() * MAX_OUTPUT_BYTES)
        self.assertLessEqual(len(text.encode()), MAX_OUTPUT_BYTES)


class WhileItRunsTest(AnswersTestCase):
    def add(self, data: bytes, offset: int = 0, claim: str = CLAIM) -> tuple[Heard, int]:
        answer = add_output(self.mac, order_id(self.run_row), claim, offset=offset, data=data)
        self.run_row.refresh_from_db()
        return answer

    def test_pieces_come_one_behind_the_other(self):
        self.assertEqual(self.add(b"one "), (Heard.YES, 4))
        self.assertEqual(self.add(b"two\0", 4), (Heard.YES, 8))
        self.assertEqual((self.run_row.response, self.run_row.state), ("one two", RunState.SENT))

    def test_repeats_and_gaps_add_nothing(self):
        self.add(b"one ")
        self.assertEqual(self.add(b"one "), (Heard.YES, 4))
        self.assertEqual(self.add(b"three", 8), (Heard.YES, 4))
        self.assertEqual(self.run_row.response, "one ")

    def test_of_two_at_once_one_is_taken(self):
        found = ScriptRun.objects.select_related("job__custom_attribute").get()
        self.add(b"one ")
        with mock.patch("devices.services.script_answers.find_run", return_value=found):
            self.assertEqual(self.add(b"one "), (Heard.YES, 0))
        self.assertEqual(self.run_row.response, "one ")

    def test_half_a_character_waits_for_its_other_half(self):
        whole = "aä🍎".encode()
        self.assertEqual(self.add(whole[:2]), (Heard.YES, 1))
        self.assertEqual(self.add(whole[1:5], 1), (Heard.YES, 3))
        self.assertEqual(self.add(whole[3:], 3), (Heard.YES, 7))
        self.assertEqual(self.run_row.response, "aä🍎")

    def test_it_does_not_grow_beyond_what_is_kept(self):
        self.assertEqual(self.add(b"x" * MAX_OUTPUT_BYTES * 2), (Heard.YES, MAX_OUTPUT_BYTES))
        self.assertEqual(self.add(b"more", MAX_OUTPUT_BYTES), (Heard.YES, MAX_OUTPUT_BYTES))
        self.assertEqual(len(self.run_row.response), MAX_OUTPUT_BYTES)

    def test_nothing_is_kept_of_what_belongs_to_a_secret_attribute(self):
        self.run_row.delete()
        self.begin_run(custom_attribute=make_attribute(self.account, "password", secret=True))
        self.assertEqual(self.add(b"s3cret"), (Heard.YES, 6))
        self.assertEqual((self.run_row.response, self.run_row.output_bytes), ("", 0))

    def test_only_whoever_began_it_and_only_until_it_ends(self):
        self.assertEqual(self.add(b"x", claim=OTHER), (Heard.NOT_YOURS, 0))
        self.end(output=b"all of it")
        self.assertEqual(self.add(b"late", 9), (Heard.NOT_YOURS, 0))
        self.assertEqual(self.run_row.response, "all of it")

    def test_the_end_says_it_all_again(self):
        self.add(b"one ")
        self.end(output=b"one two")
        self.assertEqual(self.run_row.response, "one two")

    def test_people_see_nothing_of_another_account(self):
        other = make_device(self.other_account, platform="macOS")
        self.assertEqual(add_output(other, order_id(self.run_row), CLAIM, offset=0, data=b"x"), (Heard.NO_SUCH_RUN, 0))
