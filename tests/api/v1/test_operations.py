"""GET /api/v1/operations and /api/v1/operations/{id}; POST /api/v1/operations/{id}/cancel and …/resume."""

from unittest import mock

from devices.models import BulkOperation, Device, DueDevice, OperationKind, OperationOrder, OperationState
from devices.services import due
from mdm.accounts.models import ApiKey
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import ApiClient
from tests.factories import make_api_key, make_device, make_group, make_operation
from tests.factories.wanted import make_stored_profile

URL = "/api/v1/operations"


class OperationsTestCase(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(due, "MANY", 2))
        self.sales = make_group(self.account, "Sales")
        self.devices = [make_device(self.account, group=self.sales) for _ in range(3)]
        self.profile = make_stored_profile(self.account, name="Wi-Fi")

    def assigned(self) -> BulkOperation:
        """A profile is assigned to the group by the API; so many devices make it an operation."""
        response = self.api.post(f"/api/v1/profiles/{self.profile.pk}/device_groups/{self.sales.pk}")
        self.assertEqual(response.status_code, 204)
        return BulkOperation.objects.get()

    def get(self, operation: BulkOperation) -> dict:
        response = self.api.get(f"{URL}/{operation.pk}")
        self.assertEqual(response.status_code, 200, response.content)
        return response.json()["data"]["attributes"]

    def post(self, operation: BulkOperation, what: str) -> None:
        response = self.api.post(f"{URL}/{operation.pk}/{what}")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))


class ReadTest(OperationsTestCase):
    def test_a_change_for_many_devices_is_one_from_its_beginning_to_its_end(self):
        operation = self.assigned()
        data = self.api.get(f"{URL}/{operation.pk}").json()["data"]
        self.assertEqual((data["type"], data["id"]), ("operation", operation.pk))
        self.assertRegex(data["attributes"].pop("created_at"), r"^\d{4}-\d\d-\d\dT")
        facts = {"title": "Assign Wi-Fi to Sales", "kind": "reconcile", "started_by": "Test key", "total": 3}
        facts |= {"pushes_per_second": 100}
        begun = {"state": "running", "done": 0, "left": 3, "percent": 0, "commands": 0, "finished_at": None}
        self.assertEqual(data["attributes"], facts | begun)
        self.reconcile_marked()
        found = self.get(operation)
        self.assertRegex(found.pop("finished_at"), r"^\d{4}-\d\d-\d\dT")
        found.pop("created_at")
        ended = {"state": "done", "done": 3, "left": 0, "percent": 100, "commands": 3}
        self.assertEqual(found, facts | ended)

    def test_what_is_left_are_the_devices_that_it_has_not_reached(self):
        operation = self.assigned()
        DueDevice.objects.filter(device=self.devices[0]).delete()
        found = self.get(operation)
        self.assertEqual([found[key] for key in ("total", "done", "left", "percent")], [3, 1, 2, 33])

    def test_what_nobody_started_was_started_by_the_system(self):
        due.mark_due(Device.objects.filter(group=self.sales), why="Daily comparison of all devices")
        self.assertEqual(self.get(BulkOperation.objects.get())["started_by"], "system")

    def test_the_list_comes_in_pages(self):
        rows = [make_operation(self.account, title=f"Change {n}") for n in range(3)]
        make_operation(self.other_account)
        page = self.api.get(f"{URL}/", {"limit": 2, "direction": "desc"}).json()
        self.assertEqual(([one["id"] for one in page["data"]], page["has_more"]), ([rows[2].pk, rows[1].pk], True))
        page = self.api.get(URL, {"starting_after": rows[1].pk, "direction": "desc"}).json()
        self.assertEqual(([one["id"] for one in page["data"]], page["has_more"]), ([rows[0].pk], False))

    def test_the_list_takes_as_many_statements_for_ten_as_for_one(self):
        make_operation(self.account, left=(self.devices[0],))
        self.api.get(URL)
        with self.assertNumQueries(3):
            self.api.get(URL)
        for _ in range(9):
            make_operation(self.account, left=(make_device(self.account),))
        with self.assertNumQueries(3):
            page = self.api.get(URL).json()
        self.assertEqual([one["attributes"]["left"] for one in page["data"]], [1] * 10)


class HoldBackTest(OperationsTestCase):
    def test_a_cancelled_one_leaves_its_devices_until_it_is_resumed(self):
        operation = self.assigned()
        self.post(operation, "cancel")
        self.reconcile_marked()
        self.assertFalse(Command.objects.exists())
        found = self.get(operation)
        self.assertEqual((found["state"], found["left"], found["finished_at"]), ("cancelled", 3, None))
        self.post(operation, "resume/")
        self.assertEqual(self.get(operation)["state"], "running")
        self.reconcile_marked()
        self.assertEqual(Command.objects.filter(request_type="InstallProfile").count(), 3)
        self.assertEqual(self.get(operation)["state"], "done")

    def test_the_log_names_the_key(self):
        operation = self.assigned()
        for what, kind in (("cancel", "operation.cancelled"), ("resume", "operation.resumed")):
            self.post(operation, what)
            event = self.logged(kind)
            facts = {"operation_id": operation.pk, "title": "Assign Wi-Fi to Sales"}
            self.assertEqual((event.api_key, event.metadata), (self.api_key, facts))

    def test_the_repetition_is_422_and_changes_nothing(self):
        operation = make_operation(self.account)
        for what, title in (
            ("cancel", "It is not running any more."),
            ("resume", "Only a cancelled operation can be resumed."),
        ):
            self.post(operation, what)
            before = (BulkOperation.objects.values().get(), Event.objects.count())
            response = self.api.post(f"{URL}/{operation.pk}/{what}")
            self.assertEqual((response.status_code, response.json()["errors"]), (422, [{"title": title}]))
            self.assertEqual((BulkOperation.objects.values().get(), Event.objects.count()), before)

    def test_one_that_is_done_can_be_neither(self):
        operation = make_operation(self.account, state=OperationState.DONE, kind=OperationKind.PUSH_APPS)
        for what in ("cancel", "resume"):
            self.assertEqual(self.api.post(f"{URL}/{operation.pk}/{what}").status_code, 422)
        self.assertEqual(self.get(operation)["state"], "done")


class WhoMayTest(OperationsTestCase):
    def limited(self, **scopes: str) -> ApiClient:
        return ApiClient(make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes=scopes)[1])

    def test_readers_look_and_change_nothing(self):
        operation = make_operation(self.account)
        for client in (self.read_only_api, self.limited(operations="read")):
            self.assertEqual(client.get(f"{URL}/{operation.pk}").status_code, 200)
            for what in ("cancel", "resume"):
                self.assertEqual(client.post(f"{URL}/{operation.pk}/{what}").status_code, 403)
        self.assertEqual(self.get(operation)["state"], "running")

    def test_the_section_is_needed_and_enough(self):
        operation = make_operation(self.account)
        path = f"{URL}/{operation.pk}/cancel"
        response = self.limited(devices="write").post(path)
        title = "This API key may not change operations: it lacks the scope operations:write."
        self.assertEqual((response.status_code, response.json()["errors"]), (403, [{"title": title}]))
        self.assertEqual(self.limited(operations="write").post(path).status_code, 204)

    def test_what_sends_devices_something_goes_on_for_keys_that_may_change_devices_too(self):
        operation = make_operation(self.account, state=OperationState.CANCELLED, kind=OperationKind.SEND_COMMAND)
        order = OperationOrder.objects.create(account=self.account, operation=operation, request_type="EraseDevice")
        path = f"{URL}/{operation.pk}/resume"
        for scopes in ({}, {"devices": "read"}):
            response = self.limited(operations="write", **scopes).post(path)
            title = "This API key may not change devices: it lacks the scope devices:write."
            self.assertEqual((response.status_code, response.json()["errors"]), (403, [{"title": title}]))
        self.assertEqual(self.get(operation)["state"], "cancelled")
        self.assertEqual(self.limited(operations="write", devices="write").post(path).status_code, 204)
        order.delete()
        for what in ("cancel", "resume"):
            path = f"{URL}/{operation.pk}/{what}"
            self.assertEqual(self.limited(operations="write").post(path).status_code, 204)

    def test_strangers_get_404(self):
        operation = make_operation(self.account)
        for response in (
            self.outsider_api.get(f"{URL}/{operation.pk}"),
            self.outsider_api.post(f"{URL}/{operation.pk}/cancel"),
            self.outsider_api.post(f"{URL}/{operation.pk}/resume"),
            self.api.get(f"{URL}/999999"),
            self.api.post(f"{URL}/x/cancel"),
        ):
            self.assertEqual((response.status_code, response.json()["errors"]), (404, [{"title": "object not found"}]))
        self.assertEqual(self.outsider_api.get(URL).json(), {"data": [], "has_more": False})
        self.assertEqual(BulkOperation.objects.get().state, OperationState.RUNNING)
