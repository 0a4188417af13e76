"""GET /api/v1/script_jobs and /api/v1/script_jobs/{id}."""

from datetime import timedelta

from django.utils import timezone

from devices.models import RunState, ScriptJob
from tests.base import AccountTestCase
from tests.factories import make_attribute, make_device, make_script, make_script_job, make_script_run

URL = "/api/v1/script_jobs"
ENDED = {"finished_at": timezone.now()}


class ReadTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.macs = [make_device(self.account, platform="macOS") for _ in range(4)]
        self.script = make_script(self.account, "Say hi")

    def get(self, job: ScriptJob) -> dict:
        response = self.api.get(f"{URL}/{job.pk}")
        self.assertEqual(response.status_code, 200, response.content)
        return response.json()["data"]

    def job(self, *states: str, **fields) -> ScriptJob:
        job = make_script_job(script=self.script, **fields)
        for mac, state in zip(self.macs, states, strict=False):
            make_script_run(job, mac, state=state)
        return job


class RetrieveTest(ReadTestCase):
    def test_a_new_job_has_everything_that_clients_read(self):
        job = self.job(RunState.PENDING, name="Friday", created_by="API (Test key)")
        data = self.get(job)
        self.assertEqual((data["type"], data["id"]), ("script_job", job.pk))
        attributes = data["attributes"]
        self.assertRegex(attributes.pop("created_at"), r"^\d{4}-\d\d-\d\dT")
        self.assertRegex(attributes.pop("updated_at"), r"^\d{4}-\d\d-\d\dT")
        self.assertEqual(
            attributes,
            {
                "script_name": "Say hi",
                "job_name": "Friday",
                "content": self.script.content,
                "job_id": job.job_id,
                "variable_support": False,
                "custom_attribute": None,
                "custom_attribute_regex": None,
                "timeout_seconds": 3600,
                "run_as": "root",
                "status": "pending",
                "pending_count": 1,
                "success_count": 0,
                "errored_count": 0,
                "created_by": "API (Test key)",
            },
        )
        self.assertEqual(
            data["relationships"],
            {
                "device": {
                    "data": [
                        {
                            "type": "device",
                            "id": self.macs[0].pk,
                            "status": "pending",
                            "status_code": None,
                            "response": None,
                        }
                    ]
                },
            },
        )

    def test_each_device_shows_how_the_script_ended_there(self):
        job = self.job()
        make_script_run(job, self.macs[0], state=RunState.SENT)
        make_script_run(job, self.macs[1], state=RunState.COMPLETED, status_code="0", response="hi\n")
        make_script_run(job, self.macs[2], state=RunState.ERROR, status_code="2", response="")
        make_script_run(job, self.macs[3], state=RunState.CANCELLED)
        data = self.get(job)
        found = [
            (row["status"], row["status_code"], row["response"]) for row in data["relationships"]["device"]["data"]
        ]
        self.assertEqual(
            found,
            [("pending", None, None), ("completed", "0", "hi\n"), ("error", "2", ""), ("cancelled", None, None)],
        )
        attributes = data["attributes"]
        counts = [attributes[f"{name}_count"] for name in ("pending", "success", "errored")]
        self.assertEqual((counts, attributes["status"]), ([1, 1, 1], "pending"))

    def test_the_status_says_how_the_whole_job_ended(self):
        done, failed, cancelled = RunState.COMPLETED, RunState.ERROR, RunState.CANCELLED
        for states, fields, status in (
            ([done, done], {}, "completed"),
            ([done, failed], {}, "completed-with-errors"),
            ([failed], {}, "completed-with-errors"),
            ([cancelled, cancelled], {"cancelled_at": timezone.now()}, "cancelled"),
            ([done, cancelled], {"cancelled_at": timezone.now()}, "cancelled"),
            ([RunState.SENT, cancelled], {"cancelled_at": timezone.now()}, "pending"),
        ):
            with self.subTest(states):
                self.assertEqual(self.get(self.job(*states, **fields))["attributes"]["status"], status)

    def test_output_for_a_secret_attribute_is_not_shown_but_a_failure_is(self):
        attribute = make_attribute(self.account, "password", secret=True)
        job = self.job(custom_attribute=attribute, custom_attribute_regex=r"\n")
        make_script_run(job, self.macs[0], state=RunState.COMPLETED, status_code="0", response="s3cret")
        make_script_run(job, self.macs[1], state=RunState.ERROR, response="no answer")
        data = self.get(job)
        self.assertEqual([row["response"] for row in data["relationships"]["device"]["data"]], [None, "no answer"])
        self.assertEqual(
            data["relationships"]["custom_attribute"], {"data": {"type": "custom_attribute", "id": "password"}}
        )
        self.assertEqual(data["attributes"]["custom_attribute_regex"], r"\n")

    def test_a_stranger_gets_404(self):
        job = self.job(RunState.PENDING)
        self.assertEqual(self.outsider_api.get(f"{URL}/{job.pk}").status_code, 404)

    def test_after_a_month_it_is_gone(self):
        job = self.job(RunState.COMPLETED)
        ScriptJob.objects.update(created_at=timezone.now() - timedelta(days=30, minutes=1))
        self.assertEqual(self.api.get(f"{URL}/{job.pk}").status_code, 404)
        self.assertEqual(self.api.get(URL).json()["data"], [])


class ListTest(ReadTestCase):
    def test_lists_have_pages_and_a_constant_number_of_statements(self):
        jobs = [self.job(*[RunState.PENDING] * count) for count in (1, 4, 2, 3)]
        make_script_job(self.other_account, devices=[make_device(self.other_account, platform="macOS")])
        self.api.get(URL)  # notes when the key was last used
        for limit in (1, 4):
            with self.assertNumQueries(3):  # the key, the page, the runs
                answer = self.api.get(URL, {"limit": limit}).json()
            self.assertEqual([row["id"] for row in answer["data"]], [one.pk for one in jobs[:limit]])
        counts = [row["attributes"]["pending_count"] for row in answer["data"]]
        self.assertEqual((counts, answer["has_more"]), ([1, 4, 2, 3], False))

    def test_devices_have_a_status_and_no_output_there(self):
        job = self.job()
        make_script_run(job, self.macs[0], state=RunState.COMPLETED, status_code="0", response="hi")
        [row] = self.api.get(URL).json()["data"]
        self.assertEqual(
            row["relationships"]["device"]["data"],
            [{"type": "device", "id": self.macs[0].pk, "status": "completed"}],
        )
