"""POST, PATCH and DELETE of /api/v1/scripts."""

from django.core.files.uploadedfile import SimpleUploadedFile

from devices.models import Script, ScriptJob
from devices.services.scripts import MAX_BYTES
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_script, make_script_job

URL = "/api/v1/scripts"
CRLF = b"#!/bin/bash\r\necho hello\r\n"


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("script.sh", content, content_type="text/x-sh")


class ScriptsWriteTest(AccountTestCase):
    def refused(self, response, title: str):
        self.assertEqual(response.status_code, 422, response.content)
        self.assertEqual(response.json()["errors"], [{"title": title}])
        self.assertFalse(Event.objects.for_account(self.account).exists())


class CreateTest(ScriptsWriteTest):
    def test_a_file_is_kept_byte_by_byte(self):
        response = self.api.post(URL, {"name": "Hello", "variable_support": "1", "file": upload(CRLF)})
        self.assertEqual(response.status_code, 201, response.content)
        script = Script.objects.get()
        self.assertEqual((script.content, script.variable_support), (CRLF.decode(), True))
        self.assertEqual((script.account, script.name), (self.account, "Hello"))
        self.assertEqual(response.json()["data"]["id"], script.pk)
        self.assertEqual(response.json()["data"]["attributes"]["content"], CRLF.decode())
        event = Event.objects.for_account(self.account).get()
        self.assertEqual((event.event_type, event.actor_label), ("script.created", "Test key"))
        self.assertEqual(event.metadata, {"script_id": script.pk, "name": "Hello"})

    def test_the_script_may_come_as_text_under_either_name(self):
        for body in ({"file": CRLF.decode()}, {"content": CRLF.decode()}):
            for options in ({"json": {"name": "Text", **body}}, {"data": {"name": "Text", **body}}):
                response = self.api.post(URL, **options)
                self.assertEqual(response.status_code, 201, response.content)
                attributes = response.json()["data"]["attributes"]
                self.assertEqual((attributes["content"], attributes["variable_support"]), (CRLF.decode(), False))

    def test_the_name_may_stand_in_the_query_beside_a_file(self):
        response = self.api.post(f"{URL}?name=Query", {"file": upload(CRLF)})
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(Script.objects.get().name, "Query")

    def test_name_and_script_are_needed(self):
        self.refused(self.api.post(URL, json={"content": "#!/bin/sh"}), "name: This field is required.")
        missing = "Give the script, either as file or as content."
        self.refused(self.api.post(URL, json={"name": "Nothing"}), missing)
        both = {"name": "Both", "file": "#!/bin/sh", "content": "#!/bin/sh"}
        self.refused(self.api.post(URL, json=both), "Give either file or content, not both.")

    def test_what_is_no_script_is_refused_with_the_reason(self):
        for content, title in (
            (b"", "The script is empty."),
            (b" \n", "The script is empty."),
            (b"echo hello", "The script must begin with a shebang, for example #!/bin/sh."),
            (b"\n#!/bin/sh", "The script must begin with a shebang, for example #!/bin/sh."),
            (b"#!/bin/sh\necho \xff", "The script is not UTF-8 text (byte 16)."),
            (b"#!/bin/sh\necho \x00", "The script contains a NUL character, so it is not a text."),
            (b"#!/bin/sh\n" + b"#" * MAX_BYTES, "The script is larger than 256 KiB."),
        ):
            with self.subTest(title):
                self.refused(self.api.post(URL, {"name": "Bad", "file": upload(content)}), title)
        self.assertFalse(Script.objects.exists())

    def test_what_is_neither_file_nor_text_is_refused(self):
        self.refused(self.api.post(URL, json={"name": "Bad", "file": {"a": 1}}), "file: Send it as a file or as text.")


class UpdateTest(ScriptsWriteTest):
    def setUp(self):
        super().setUp()
        self.script = make_script(self.account, "Old", content="#!/bin/sh\nold")
        self.url = f"{URL}/{self.script.pk}"

    def test_what_is_given_changes_and_the_rest_stays(self):
        response = self.api.patch(self.url, {"name": "New", "variable_support": True})
        self.assertEqual(response.status_code, 200, response.content)
        attributes = response.json()["data"]["attributes"]
        self.assertEqual(
            (attributes["name"], attributes["variable_support"], attributes["content"]),
            ("New", True, "#!/bin/sh\nold"),
        )
        event = Event.objects.for_account(self.account).get()
        self.assertEqual((event.event_type, event.actor_label), ("script.updated", "Test key"))
        self.assertEqual(event.metadata["changed"], ["name", "variable_support"])

    def test_a_new_file_replaces_the_content(self):
        response = self.api.post(self.url, {"_method": "PATCH", "file": upload(CRLF)})
        self.assertEqual(response.status_code, 200, response.content)
        self.script.refresh_from_db()
        self.assertEqual((self.script.content, self.script.name), (CRLF.decode(), "Old"))

    def test_the_same_again_is_no_change(self):
        self.assertEqual(self.api.patch(self.url, {"name": "Old"}).status_code, 200)
        self.assertFalse(Event.objects.for_account(self.account).exists())

    def test_a_broken_one_changes_nothing(self):
        response = self.api.patch(self.url, {"name": "New", "content": "echo"})
        self.refused(response, "The script must begin with a shebang, for example #!/bin/sh.")
        self.script.refresh_from_db()
        self.assertEqual(self.script.name, "Old")

    def test_jobs_keep_what_they_were_given(self):
        job = make_script_job(script=self.script, devices=[make_device(self.account, platform="macOS")])
        self.api.patch(self.url, {"name": "New", "content": "#!/bin/sh\nnew"})
        job.refresh_from_db()
        self.assertEqual((job.script_name, job.content), ("Old", "#!/bin/sh\nold"))

    def test_a_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.patch(self.url, {"name": "Theirs"}).status_code, 404)


class DeleteTest(ScriptsWriteTest):
    def test_it_goes_and_its_jobs_stay(self):
        script = make_script(self.account, "Gone")
        job = make_script_job(script=script, devices=[make_device(self.account, platform="macOS")])
        response = self.api.delete(f"{URL}/{script.pk}")
        self.assertEqual((response.status_code, response.content), (204, b""))
        job = ScriptJob.objects.get(pk=job.pk)
        self.assertEqual((job.script, job.script_name, job.runs.count()), (None, "Gone", 1))
        event = Event.objects.for_account(self.account).get()
        self.assertEqual((event.event_type, event.actor_label), ("script.removed", "Test key"))
        self.assertEqual(self.api.delete(f"{URL}/{script.pk}").status_code, 404)

    def test_a_stranger_gets_404(self):
        script = make_script(self.account)
        self.assertEqual(self.outsider_api.delete(f"{URL}/{script.pk}").status_code, 404)
        self.assertTrue(Script.objects.filter(pk=script.pk).exists())
