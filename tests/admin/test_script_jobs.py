"""Script jobs: the list, how far one has come, what Macs printed, taking it back."""

from datetime import timedelta
from time import monotonic

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.admin.script_job_page import PAGE
from devices.models import Device, RunState, ScriptJob, ScriptRun
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_attribute,
    make_device,
    make_installer_certificate,
    make_script,
    make_script_agent,
    make_script_job,
    make_script_run,
)

NOW = timezone.now()
BEGUN = {"state": RunState.SENT, "sent_at": NOW, "began_at": NOW}
DONE = {"state": RunState.COMPLETED, "status_code": "0", "finished_at": NOW}
FAILED = {"state": RunState.ERROR, "status_code": "2", "finished_at": NOW}


class JobTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.script = make_script(self.account, "Free space")
        self.job = make_script_job(script=self.script, name="Friday", created_by="ann@example.com")
        self.page = self.url(ScriptJob, "change", self.job.pk)
        self.list_url = self.url(ScriptJob, "changelist")
        self.state_url = self.url(ScriptJob, "state", self.job.pk)
        self.output_url = self.url(ScriptJob, "output", self.job.pk)
        self.cancel_url = self.url(ScriptJob, "cancel", self.job.pk)

    def run_on_a_mac(self, job: ScriptJob | None = None, **fields: object) -> ScriptRun:
        return make_script_run(job or self.job, make_device(self.account, platform="macOS"), **fields)

    def get(self, url: str, role: str = Role.READ_ONLY) -> HttpResponse:
        response = self.people[role].get(url)
        self.assertEqual(response.status_code, 200, url)
        return response

    def statements(self, url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.get(url)
        return len(captured)


class JobListTest(JobTestCase):
    def test_each_has_its_macs_in_a_bar_and_in_words(self) -> None:
        for fields in ({}, BEGUN, DONE, DONE, FAILED):
            self.run_on_a_mac(**fields)
        response = self.get(self.list_url)
        for words in ("Friday", "Free space", "ann@example.com", "Under way", "pm-run-failed"):
            self.assertContains(response, words)
        self.assertContains(response, "2 completed · 1 failed · 1 running · 1 waiting")

    def test_the_filter_tells_what_is_over_and_what_failed_somewhere(self) -> None:
        self.run_on_a_mac()
        over = make_script_job(script=self.script)
        self.run_on_a_mac(over, **DONE)
        failed = make_script_job(script=self.script)
        self.run_on_a_mac(failed, **FAILED)
        for state, expected in (("open", {self.job}), ("over", {over, failed}), ("failed", {failed})):
            found = self.get(f"{self.list_url}?state={state}").context["cl"].result_list
            self.assertEqual(set(found), expected, state)

    def test_after_a_month_a_job_is_gone(self) -> None:
        ScriptJob.objects.update(created_at=timezone.now() - timedelta(days=31))
        self.assertContains(self.get(self.list_url), "No script was run in the last month")
        self.assertEqual(self.people[Role.OWNER].get(self.page).status_code, 404)

    def test_the_number_of_statements_does_not_grow(self) -> None:
        self.run_on_a_mac()
        few = self.statements(self.list_url)
        for _ in range(30):
            self.run_on_a_mac(make_script_job(script=self.script))
        self.assertEqual(self.statements(self.list_url), few)
        self.assertLessEqual(few, 12)


class JobPageTest(JobTestCase):
    def test_each_mac_stands_there_with_its_state_code_and_output(self) -> None:
        done = self.run_on_a_mac(**DONE, began_at=NOW - timedelta(seconds=75), response="\x1b[32m42\x1b[0m <b>GB</b>\n")
        self.run_on_a_mac(**FAILED, response="no such disk")
        self.run_on_a_mac(state=RunState.ERROR, ending="timeout", finished_at=NOW)
        response = self.get(self.page)
        for words in (
            str(done.device),
            "42 &lt;b&gt;GB&lt;/b&gt;",
            "1 min 15 s",
            "no such disk",
            "took longer than it may",
            "Completed with errors",
        ):
            self.assertContains(response, words)
        self.assertNotContains(response, "\x1b")

    def test_sent_running_and_waiting_are_told_apart_and_filtered(self) -> None:
        waiting, sent = self.run_on_a_mac(), self.run_on_a_mac(state=RunState.SENT, sent_at=NOW)
        running = self.run_on_a_mac(**BEGUN)
        for state, run in (("waiting", waiting), ("sent", sent), ("running", running)):
            response = self.get(f"{self.page}?state={state}")
            self.assertEqual([row.run.pk for row in response.context["rows"]], [run.pk], state)
        self.assertEqual(len(self.get(f"{self.page}?state=nonsense").context["rows"]), 3)
        self.assertContains(self.get(f"{self.page}?state=failed"), "No Mac is in this state.")

    def test_it_follows_while_runs_are_open_and_no_longer(self) -> None:
        run = self.run_on_a_mac()
        first = self.get(self.state_url).json()["mark"]
        self.assertContains(self.get(self.page), f'data-mark="{first}"')
        self.assertEqual(self.get(self.state_url).json()["mark"], first)
        for change in (BEGUN, DONE):
            ScriptRun.objects.filter(pk=run.pk).update(**change)
            second = self.get(self.state_url).json()["mark"]
            self.assertNotEqual(first, second)
            first = second
        self.assertNotContains(self.get(self.page), "data-watch")

    def test_macs_without_an_agent_are_told_with_the_reason(self) -> None:
        self.run_on_a_mac()
        make_script_agent(self.run_on_a_mac().device, last_seen_at=NOW)
        self.assertContains(self.get(self.page), "1 Mac of those that wait: no agent has been heard of there yet")
        self.assertContains(self.get(self.page), "There is no installer certificate")
        make_installer_certificate(self.account)
        self.assertContains(self.get(self.page), "is being built")

    def test_many_macs_take_pages_of_the_same_number_of_statements(self) -> None:
        self.run_on_a_mac()
        few = self.statements(self.page)
        device = self.job.runs.get().device
        macs = [
            Device(account=self.account, group=device.group, platform="macOS", udid=f"MANY-{n}", name=f"Mac {n}")
            for n in range(5000)
        ]
        Device.objects.bulk_create(macs, batch_size=500)
        runs = (
            ScriptRun(
                account=self.account, job=self.job, device=mac, response="x" * 2000, **(FAILED if n % 2 else DONE)
            )
            for n, mac in enumerate(macs)
        )
        ScriptRun.objects.bulk_create(runs, batch_size=500)
        began = monotonic()
        response = self.get(self.page)
        self.assertLess(monotonic() - began, 5)
        self.assertEqual(len(response.context["rows"]), PAGE)
        self.assertLess(len(response.content), 200_000)
        self.assertContains(response, "2,500 completed · 2,500 failed · 1 waiting")
        second = self.get(self.page + response.context["more"].removeprefix(self.page))
        first_pks = {row.run.pk for row in response.context["rows"]}
        self.assertFalse(first_pks & {row.run.pk for row in second.context["rows"]})
        self.assertLessEqual(self.statements(self.page), few + 1)  # whom it could be run again on
        self.assertLessEqual(few, 14)

    def test_again_is_offered_where_it_failed_and_the_script_is_still_there(self) -> None:
        self.run_on_a_mac(**FAILED)
        link = f"{self.url(type(self.script), 'run', self.script.pk)}?again={self.job.pk}"
        self.assertContains(self.get(self.page, Role.OPERATOR), link)
        self.assertNotContains(self.get(self.page), link)
        self.script.delete()
        self.assertNotContains(self.get(self.page, Role.OPERATOR), "again=")

    def test_strangers_see_nothing(self) -> None:
        self.run_on_a_mac()
        for url in (self.page, self.state_url, self.output_url, self.cancel_url):
            self.assertEqual(self.outside.get(url).status_code, 404, url)


class OutputTest(JobTestCase):
    def output(self, run: ScriptRun) -> HttpResponse:
        return self.get(f"{self.output_url}?device={run.device_id}")

    def test_the_whole_of_it_without_what_terminals_obey(self) -> None:
        run = self.run_on_a_mac(**DONE, response="\x1b[1mline\x1b[0m\n" * 500 + "<script>", output_bytes=10_000_000)
        response = self.output(run)
        self.assertContains(response, "line\n" * 500 + "&lt;script&gt;")
        self.assertContains(response, "It printed 10.0 MB; the first 7 KB of it are kept.")

    def test_what_belongs_to_a_secret_attribute_is_shown_nowhere(self) -> None:
        self.job.custom_attribute = make_attribute(self.account, "Key", secret=True)
        self.job.save()
        for fields in (DONE, FAILED, BEGUN):
            run = self.run_on_a_mac(**fields, response="top secret")
            for url in (self.page, f"{self.output_url}?device={run.device_id}"):
                self.assertNotContains(self.get(url, Role.OWNER), "top secret")
            device_page = f"/admin/devices/device/{run.device_id}/change/?tab=scripts"
            self.assertNotContains(self.get(device_page, Role.OWNER), "top secret")
        self.assertContains(self.output(run), "It belongs to the secret attribute Key")

    def test_while_it_runs_what_there_is_so_far(self) -> None:
        run = self.run_on_a_mac(**BEGUN, response="half of it", output_bytes=10)
        response = self.output(run)
        self.assertContains(response, "Output so far")
        self.assertContains(response, "half of it")
        url = f"{self.state_url}?device={run.device_id}"
        first = self.get(url).json()["mark"]
        self.assertContains(response, f'data-mark="{first}"')
        ScriptRun.objects.update(output_bytes=11)
        self.assertNotEqual(self.get(url).json()["mark"], first)

    def test_without_a_name_it_is_the_last_answer_and_of_no_mac_it_is_404(self) -> None:
        self.assertContains(self.get(self.output_url), "Its Macs have left the account.")
        self.run_on_a_mac()
        run = self.run_on_a_mac(**DONE, response="the last one")
        self.assertContains(self.get(self.output_url), "the last one")
        other = make_device(self.account, platform="macOS")
        for url in (f"{self.output_url}?device={other.pk}", f"{self.state_url}?device={other.pk}"):
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 404)
        self.assertContains(self.output(run), str(run.device))


class CancelTest(JobTestCase):
    def test_it_asks_first_and_takes_back_what_no_mac_has_received(self) -> None:
        waiting, running = self.run_on_a_mac(), self.run_on_a_mac(**BEGUN)
        response = self.get(self.cancel_url, Role.OPERATOR)
        self.assertContains(response, "1 Mac has not fetched it and will not run it. 1 Mac received it already")
        self.assertEqual(self.job.runs.filter(state=RunState.CANCELLED).count(), 0)
        response = self.people[Role.OPERATOR].post(self.cancel_url, follow=True)
        self.assertContains(response, "Taken back from 1 Mac.")
        self.assertEqual(
            dict(self.job.runs.values_list("pk", "state")),
            {waiting.pk: RunState.CANCELLED, running.pk: RunState.SENT},
        )
        self.assertEqual(self.events("script_job.cancelled")[0].actor_label, "operator@acme.example")
        self.assertNotContains(self.get(self.page, Role.OPERATOR), self.cancel_url)

    def test_when_it_is_too_late_it_says_so(self) -> None:
        self.run_on_a_mac(**DONE)
        response = self.people[Role.OPERATOR].post(self.cancel_url, follow=True)
        self.assertContains(response, "There is nothing left to cancel")

    def test_readers_are_not_offered_it_and_refused(self) -> None:
        run = self.run_on_a_mac()
        self.assertNotContains(self.get(self.page), self.cancel_url)
        self.assertEqual(self.people[Role.READ_ONLY].post(self.cancel_url).status_code, 403)
        self.assertEqual(self.outside.post(self.cancel_url).status_code, 404)
        run.refresh_from_db()
        self.assertEqual(run.state, RunState.PENDING)
