"""Scripts: the list, the editor, one script, and running it."""

from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from devices.admin.script_words import readable
from devices.models import DeviceState, RunState, Script, ScriptJob, ScriptRun
from devices.services.scripts import MAX_BYTES
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_agent_package,
    make_assignment_group,
    make_attribute,
    make_device,
    make_group,
    make_installer_certificate,
    make_script,
    make_script_agent,
    make_script_job,
    make_script_run,
)

TEXT = "#!/bin/sh\necho hi\n"
RUN = {"run_as": "root", "timeout": "60", "unit": "minutes"}


class ScriptTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.script = make_script(self.account, "Free space", content=TEXT)
        self.mac = make_device(self.account, platform="macOS", name="Lab Mac", serial_number="C02LABMAC")
        self.list_url = self.url(Script, "changelist")
        self.run_url = self.url(Script, "run", self.script.pk)


class ListTest(ScriptTestCase):
    def test_each_script_tells_how_often_and_when_it_was_run(self) -> None:
        make_script_job(script=self.script, devices=[self.mac])
        make_script_job(script=self.script, devices=[self.mac])
        response = self.people[Role.READ_ONLY].get(self.list_url)
        [row] = response.context["cl"].result_list
        self.assertEqual((row.job_total, row.name), (2, "Free space"))
        self.assertIsNotNone(row.last_job_at)
        self.assertNotContains(response, "echo hi")

    def test_an_empty_list_says_what_scripts_are(self) -> None:
        Script.objects.all().delete()
        for role, button in ((Role.OWNER, True), (Role.OPERATOR, False)):
            response = self.people[role].get(self.list_url)
            self.assertContains(response, "A script is a small program that Macs run for you")
            self.assertEqual(b"New script" in response.content, button, role)

    def test_the_number_of_statements_does_not_grow(self) -> None:
        few = self.statements()
        for _ in range(40):
            make_script_job(script=make_script(self.account), devices=[self.mac])
        self.assertEqual(self.statements(), few)
        self.assertLessEqual(few, 12)

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.people[Role.OWNER].get(self.list_url).status_code, 200)
        return len(captured)


class EditorTest(ScriptTestCase):
    def post(self, data: dict, *, script: Script | None = None, role: str = Role.ADMIN) -> HttpResponse:
        url = self.url(Script, "edit", script.pk) if script else self.url(Script, "add")
        return self.people[role].post(url, data)

    def test_what_browsers_send_becomes_line_ends_that_a_shell_takes(self) -> None:
        response = self.post({"name": "Say hi", "content": "#!/bin/sh\r\necho hi\r\n", "variable_support": "on"})
        script = Script.objects.get(name="Say hi")
        self.assertRedirects(response, self.url(Script, "change", script.pk))
        self.assertEqual((script.content, script.variable_support, script.account), (TEXT, True, self.account))
        self.assertEqual(self.events("script.created")[0].actor_label, "admin@acme.example")

    def test_a_file_takes_the_place_of_the_text(self) -> None:
        file = SimpleUploadedFile("hi.sh", b"#!/bin/zsh\r\necho from a file\r\n")
        self.post({"name": "Say hi", "content": TEXT, "file": file})
        self.assertEqual(Script.objects.get(name="Say hi").content, "#!/bin/zsh\necho from a file\n")

    def test_what_is_no_script_is_refused_beside_its_field(self) -> None:
        big = b"#!/bin/sh\n" + b"#" * MAX_BYTES
        for data, field, words in (
            ({"content": "echo hi"}, "content", "must begin with a shebang"),
            ({"content": "  "}, "content", "The script is empty."),
            ({"content": big.decode()}, "content", "larger than 256 KiB"),
            ({"content": TEXT, "file": SimpleUploadedFile("a", big)}, "file", "larger than 256 KiB"),
            ({"content": TEXT, "file": SimpleUploadedFile("a", b"#" * MAX_BYTES * 3)}, "file", "far too large"),
            ({"content": TEXT, "file": SimpleUploadedFile("a", b"#!/bin/sh\n\xff")}, "file", "not UTF-8 text"),
            ({"content": TEXT, "name": ""}, "name", "required"),
        ):
            response = self.post({"name": "Say hi", **data})
            self.assertEqual(response.status_code, 422, words)
            self.assertIn(words, " ".join(response.context["form"].errors[field]))
        self.assertEqual(Script.objects.get(), self.script)

    def test_what_was_typed_is_not_lost_by_a_refusal(self) -> None:
        response = self.post({"name": "Say hi", "content": "echo <b>hi</b>"})
        self.assertContains(response, "echo &lt;b&gt;hi&lt;/b&gt;", status_code=422)

    def test_editing_and_going_on_to_run_it(self) -> None:
        response = self.post({"name": "Space", "content": "#!/bin/sh\ndf", "run": "yes"}, script=self.script)
        self.assertRedirects(response, self.run_url)
        self.script.refresh_from_db()
        self.assertEqual((self.script.name, self.script.content), ("Space", "#!/bin/sh\ndf"))

    def test_the_variables_that_exist_are_listed(self) -> None:
        make_attribute(self.account, "Cost center")
        make_attribute(self.other_account, "Not mine")
        response = self.people[Role.ADMIN].get(self.url(Script, "add"))
        for words in ("{{serial_number}}", "{{Cost center}}", "data-code", "js/code_editor.js"):
            self.assertContains(response, words)
        self.assertNotContains(response, "Not mine")

    def test_an_operator_runs_scripts_and_writes_none(self) -> None:
        self.assertEqual(self.post({"name": "x", "content": TEXT}, role=Role.OPERATOR).status_code, 403)
        for view in ("edit", "remove"):
            url = self.url(Script, view, self.script.pk)
            self.assertEqual(self.people[Role.OPERATOR].post(url, {"name": "x"}).status_code, 403)
        page = self.people[Role.OPERATOR].get(self.url(Script, "change", self.script.pk))
        self.assertContains(page, self.run_url)
        self.assertNotContains(page, "edit/")

    def test_deleting_leaves_the_jobs(self) -> None:
        job = make_script_job(script=self.script, devices=[self.mac])
        url = self.url(Script, "remove", self.script.pk)
        self.assertContains(self.people[Role.ADMIN].get(url), "1 job of the last month stays")
        self.people[Role.ADMIN].post(url)
        self.assertFalse(Script.objects.exists())
        job.refresh_from_db()
        self.assertIsNone(job.script)
        self.assertContains(self.people[Role.ADMIN].get(self.url(ScriptJob, "change", job.pk)), "deleted since")


class ScriptPageTest(ScriptTestCase):
    def test_it_shows_the_text_with_line_numbers_and_the_last_jobs(self) -> None:
        job = make_script_job(script=self.script, devices=[self.mac], name="Friday")
        response = self.people[Role.READ_ONLY].get(self.url(Script, "change", self.script.pk))
        for words in ("echo hi", ">1\n2</pre>", "2 lines", "Friday", self.url(ScriptJob, "change", job.pk)):
            self.assertContains(response, words)
        self.assertNotContains(response, self.run_url)

    def test_variables_that_nobody_fills_in_are_told(self) -> None:
        Script.objects.update(content="#!/bin/sh\necho {{serial_number}} {{nonsense}}\n", variable_support=True)
        page = self.url(Script, "change", self.script.pk)
        self.assertContains(self.people[Role.OWNER].get(page), "Unknown variable: <code>{{nonsense}}</code>")
        Script.objects.update(variable_support=False)
        self.assertContains(self.people[Role.OWNER].get(page), "The script contains <code>{{serial_number}}</code>")


class RunTest(ScriptTestCase):
    def post(self, query: str = "", role: str = Role.OPERATOR, **data: object) -> HttpResponse:
        return self.people[role].post(self.run_url + query, RUN | {"order": str(uuid4())} | data)

    def test_it_says_how_many_macs_it_reaches_and_starts_only_then(self) -> None:
        group = make_group(self.account, "Lab")
        for _ in range(2):
            make_device(self.account, platform="macOS", group=group)
        make_device(self.account, platform="iOS", group=group)
        make_device(self.account, platform="macOS", group=group, state=DeviceState.UNENROLLED)
        assigned = make_assignment_group(self.account, members=[self.mac, group])
        data = {"device_groups": [group.pk], "assignment_groups": [assigned.pk], "devices": "c02labmac\nLab Mac"}
        response = self.post(**data)
        self.assertContains(response, "Run on 3 Macs")
        self.assertContains(response, "Lab Mac")
        self.assertFalse(ScriptJob.objects.exists())
        with self.captureOnCommitCallbacks(execute=False):
            response = self.post(**data, confirmed="3", name="Friday")
        job = ScriptJob.objects.get()
        self.assertRedirects(response, self.url(ScriptJob, "change", job.pk))
        self.assertEqual((job.runs.count(), job.name, job.created_by), (3, "Friday", "operator@acme.example"))
        self.assertEqual((job.run_as, job.timeout_seconds), ("root", 3600))

    def test_when_the_number_changes_meanwhile_it_asks_again(self) -> None:
        response = self.post(devices="Lab Mac", confirmed="5")
        self.assertContains(response, "The number of Macs has changed")
        self.assertFalse(ScriptJob.objects.exists())

    def test_a_form_that_is_sent_twice_starts_one_job_and_leads_to_it(self) -> None:
        order = dict(self.post(devices="Lab Mac").context["hidden"])["order"]
        addresses = {self.post(devices="Lab Mac", confirmed="1", order=order).url for _ in range(2)}
        self.assertEqual((len(addresses), ScriptJob.objects.count()), (1, 1))
        self.post(devices="Lab Mac", confirmed="1", order="")
        self.assertEqual(ScriptJob.objects.count(), 1)

    def test_what_was_chosen_comes_along_and_can_be_changed(self) -> None:
        response = self.post(devices="Lab Mac", name="Friday", timeout="90", unit="seconds")
        self.assertContains(response, '<input type="hidden" name="name" value="Friday">')
        self.assertContains(response, "1 min 30 s")
        response = self.post(devices="Lab Mac", name="Friday", change="yes")
        self.assertContains(response, 'value="Friday"')
        self.assertContains(response, "Continue")

    def test_user_time_and_attribute_are_kept_with_the_job(self) -> None:
        attribute = make_attribute(self.account, "Free")
        self.post(
            devices="Lab Mac",
            run_as="console_user",
            timeout="24",
            unit="hours",
            custom_attribute=str(attribute.pk),
            custom_attribute_regex=r"\s+",
            confirmed="1",
        )
        job = ScriptJob.objects.get()
        self.assertEqual((job.run_as, job.timeout_seconds), ("console_user", 86_400))
        self.assertEqual((job.custom_attribute, job.custom_attribute_regex), (attribute, r"\s+"))

    def test_each_fault_is_told_beside_its_field(self) -> None:
        make_attribute(self.account, "Free")
        make_device(self.account, platform="iOS", name="Library iPad")
        foreign = make_group(self.other_account)
        for data, field, words in (
            ({}, "__all__", "Choose a group, or name a Mac."),
            ({"devices": "Nobody"}, "devices", "“Nobody” is no device."),
            ({"devices": "Library iPad"}, "devices", "“Library iPad” is no enrolled Mac."),
            ({"devices": "Lab Mac", "timeout": "0"}, "timeout", "greater than or equal to 1"),
            ({"devices": "Lab Mac", "timeout": "25", "unit": "hours"}, "timeout", "longer than a day"),
            ({"devices": "Lab Mac", "unit": "years"}, "unit", "valid choice"),
            ({"devices": "Lab Mac", "run_as": "me"}, "run_as", "valid choice"),
            (
                {"devices": "Lab Mac", "custom_attribute_regex": "("},
                "custom_attribute_regex",
                "not a regular expression",
            ),
            ({"device_groups": [foreign.pk]}, "device_groups", "valid choice"),
            ({"device_groups": [make_group(self.account).pk]}, "__all__", "no enrolled Mac among these"),
        ):
            response = self.post(**data)
            self.assertEqual(response.status_code, 422, words)
            self.assertIn(words, " ".join(response.context["form"].errors[field]))
        self.assertFalse(ScriptJob.objects.exists())

    def test_again_on_those_that_failed_with_what_was_chosen_then(self) -> None:
        macs = [make_device(self.account, platform="macOS") for _ in range(3)]
        job = make_script_job(script=self.script, name="Friday", run_as="console_user", timeout_seconds=90)
        for mac, state in zip(macs, (RunState.ERROR, RunState.COMPLETED, RunState.ERROR), strict=True):
            make_script_run(job, mac, state=state)
        query = f"?again={job.pk}"
        response = self.people[Role.OPERATOR].get(self.run_url + query)
        self.assertContains(response, f"Those on which job {job.job_id} failed (2)")
        form = response.context["form"]
        first = [form[name].value() for name in ("failed", "run_as", "timeout", "unit", "name")]
        self.assertEqual(first, [True, "console_user", 90, "seconds", "Friday"])
        self.post(query, failed="on", confirmed="2")
        again = ScriptJob.objects.latest("pk")
        self.assertEqual(set(again.runs.values_list("device", flat=True)), {macs[0].pk, macs[2].pk})

    def test_a_mac_that_is_named_in_the_address_is_filled_in(self) -> None:
        theirs = make_device(self.other_account, platform="macOS", serial_number="NOTMINE1")
        response = self.people[Role.OPERATOR].get(f"{self.run_url}?device={self.mac.pk}")
        self.assertContains(response, "C02LABMAC")
        self.assertNotContains(self.people[Role.OPERATOR].get(f"{self.run_url}?device={theirs.pk}"), "NOTMINE1")

    def test_choosing_a_script_for_a_mac(self) -> None:
        make_script(self.other_account, "Not mine")
        url = f"{self.url(Script, 'choose')}?device={self.mac.pk}"
        response = self.people[Role.OPERATOR].get(url)
        self.assertContains(response, f"{self.run_url}?device={self.mac.pk}")
        self.assertNotContains(response, "Not mine")
        self.assertEqual(self.people[Role.READ_ONLY].get(url).status_code, 403)

    def test_readers_and_strangers_run_nothing(self) -> None:
        self.assertEqual(self.post(role=Role.READ_ONLY, devices="Lab Mac", confirmed="1").status_code, 403)
        self.assertEqual(self.outside.post(self.run_url, RUN | {"devices": "Lab Mac"}).status_code, 404)
        self.assertFalse(ScriptRun.objects.exists())

    def test_it_says_when_macs_cannot_get_the_agent(self) -> None:
        response = self.people[Role.OPERATOR].get(self.run_url)
        self.assertContains(response, "There is no installer certificate")


class DeviceTabTest(ScriptTestCase):
    def tab(self, role: str = Role.OPERATOR) -> HttpResponse:
        return self.people[role].get(f"/admin/devices/device/{self.mac.pk}/change/?tab=scripts")

    def test_a_mac_shows_its_agent_and_its_last_runs(self) -> None:
        make_script_agent(self.mac, version="7.1")
        job = make_script_job(script=self.script)
        make_script_run(job, self.mac, state=RunState.ERROR, status_code="3", response="no space")
        response = self.tab()
        for words in (
            "7.1",
            "Free space",
            "no space",
            "Failed",
            "Run a script…",
            self.url(ScriptJob, "change", job.pk),
        ):
            self.assertContains(response, words)
        self.assertNotContains(self.tab(Role.READ_ONLY), "Run a script…")

    def test_a_mac_that_never_ran_one_says_so_and_is_sent_the_agent_by_hand(self) -> None:
        response = self.tab()
        for words in ("not there", "never", "No script was run here", "Send the agent"):
            self.assertContains(response, words)
        url = f"/admin/devices/device/{self.mac.pk}/send-agent/"
        self.assertContains(self.people[Role.OPERATOR].post(url, follow=True), "There is no installer certificate")
        certificate = make_installer_certificate(self.account)
        make_agent_package(self.account, certificate)
        self.assertContains(self.people[Role.OPERATOR].post(url, follow=True), "The Mac is told to install the agent.")
        self.assertTrue(Command.objects.filter(request_type="InstallEnterpriseApplication").exists())
        self.assertEqual(self.people[Role.READ_ONLY].post(url).status_code, 403)

    def test_what_is_no_mac_has_no_such_tab(self) -> None:
        phone = make_device(self.account, platform="iOS")
        self.assertNotContains(self.people[Role.OWNER].get(f"/admin/devices/device/{phone.pk}/change/"), "?tab=scripts")


class ReadableTest(AdminTestCase):
    def test_what_terminals_obey_goes_and_what_people_read_stays(self) -> None:
        for text, expected in (
            ("\x1b[1;31mred\x1b[0m plain", "red plain"),
            ("\x1b]0;a title\x07text", "text"),
            ("10%\r20%\r\n30%", "10%\n20%\n30%"),
            ("bell\x07 null\x00 tab\t ünï", "bell null tab\t ünï"),
            ("\x1b[", ""),
            ("a\u202eb", "ab"),
        ):
            self.assertEqual(readable(text), expected)
