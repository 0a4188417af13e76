from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import DeviceGroup
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_group
from tests.factories.due import marked

URL = "/api/v1/device_groups"


class DeviceGroupsTest(AccountTestCase):
    def test_lists_and_objects_name_the_devices_in_it(self):
        group = make_group(self.account, "Executives")
        device = make_device(self.account, group=group)
        awaited = make_device(self.account, group=group, enrolled=False)
        expected = {
            "type": "device_group",
            "id": group.pk,
            "attributes": {"name": "Executives"},
            "relationships": {
                "devices": {"data": [{"type": "device", "id": device.pk}, {"type": "device", "id": awaited.pk}]}
            },
        }
        self.assertEqual(self.api.get(f"{URL}/{group.pk}").json(), {"data": expected})
        self.assertEqual(self.api.get(URL).json()["data"][1], expected)

    def test_removed_devices_are_not_in_it(self):
        device = make_device(self.account)
        self.api.delete(f"/api/v1/devices/{device.pk}")
        data = self.api.get(f"{URL}/{self.group.pk}").json()["data"]
        self.assertEqual(data["relationships"]["devices"]["data"], [])

    def test_create(self):
        response = self.api.post(URL, {"name": "Sales"})
        self.assertEqual(response.status_code, 201)
        group = DeviceGroup.objects.get(name="Sales", account=self.account)
        self.assertEqual(
            response.json()["data"],
            {
                "type": "device_group",
                "id": group.pk,
                "attributes": {"name": "Sales"},
                "relationships": {"devices": {"data": []}},
            },
        )
        self.assertEqual(self.api.post(URL, {}).status_code, 422)

    def test_update_answers_200_without_a_body(self):
        response = self.api.patch(f"{URL}/{self.group.pk}", {"name": "Everybody"})
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (200, b"", "0"))
        self.group.refresh_from_db()
        self.assertEqual(self.group.name, "Everybody")

    def test_update_without_a_name_changes_nothing(self):
        name = self.group.name
        response = self.api.patch(f"{URL}/{self.group.pk}")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (200, b"", "0"))
        self.group.refresh_from_db()
        self.assertEqual((self.group.name, Event.objects.count()), (name, 0))
        self.assertEqual(self.api.patch(f"{URL}/{self.group.pk}", {"name": ""}).status_code, 422)

    def test_deleting_moves_the_devices_to_the_default_group(self):
        group = make_group(self.account)
        device = make_device(self.account, group=group)
        self.assertEqual(self.api.delete(f"{URL}/{group.pk}").status_code, 204)
        device.refresh_from_db()
        self.assertEqual(device.group, self.group)
        self.assertEqual(self.api.get(f"{URL}/{group.pk}").status_code, 404)

    def test_the_default_group_stays(self):
        response = self.api.delete(f"{URL}/{self.group.pk}")
        self.assertEqual(response.status_code, 422)
        self.assertIn("default device group", response.json()["errors"][0]["title"])
        self.assertTrue(DeviceGroup.objects.filter(pk=self.group.pk).exists())

    def test_changes_are_logged_with_the_key(self):
        pk = self.api.post(URL, {"name": "Sales"}).json()["data"]["id"]
        self.api.patch(f"{URL}/{pk}", {"name": "Marketing"})
        self.api.delete(f"{URL}/{pk}")
        self.assertEqual(
            [(event.event_type, event.api_key) for event in Event.objects.order_by("pk")],
            [(f"device_group.{what}", self.api_key) for what in ("created", "updated", "removed")],
        )

    def test_strangers_get_404(self):
        group = make_group(self.account, "Sales")
        url = f"{URL}/{group.pk}"
        for response in (
            self.outsider_api.get(url),
            self.outsider_api.patch(url, {"name": "X"}),
            self.outsider_api.delete(url),
        ):
            self.assertEqual(response.status_code, 404)
        self.assertEqual(DeviceGroup.objects.get(pk=group.pk).name, "Sales")

    def test_a_longer_page_takes_no_more_statements(self):
        def statements() -> int:
            with CaptureQueriesContext(connection) as queries:
                self.assertEqual(self.api.get(URL, {"limit": 100}).status_code, 200)
            return len(queries)

        statements()  # the first call of a key also stores that it was used
        few = statements()
        for _ in range(5):
            make_device(self.account, group=make_group(self.account))
        self.assertEqual(statements(), few)


class AssignDeviceTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.target = make_group(self.account)
        self.url = f"{URL}/{self.target.pk}/devices/{self.device.pk}"

    def test_it_moves_the_device(self):
        response = self.api.post(self.url)
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (202, b"", "0"))
        self.device.refresh_from_db()
        self.assertEqual(self.device.group, self.target)
        self.assertEqual(marked(), {self.device})
        self.assertEqual(Event.objects.get().api_key, self.api_key)

    def test_newer_clients_get_204(self):
        response = self.api.post(self.url, headers={"SIMPLEMDM-CLIENT-VERSION": "2.0"})
        self.assertEqual(response.status_code, 204)

    def test_once_more_changes_nothing(self):
        self.api.post(self.url)
        self.assertEqual(self.api.post(self.url).status_code, 202)
        self.assertEqual(Event.objects.filter(event_type="device.changed_group").count(), 1)

    def test_devices_and_groups_of_others_are_404(self):
        foreign_device, foreign_group = make_device(self.other_account), make_group(self.other_account)
        for path in (f"{self.target.pk}/devices/{foreign_device.pk}", f"{foreign_group.pk}/devices/{self.device.pk}"):
            self.assertEqual(self.api.post(f"{URL}/{path}").status_code, 404)
        self.device.refresh_from_db()
        self.assertEqual(self.device.group, self.group)
