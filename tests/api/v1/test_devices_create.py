from devices.models import Device
from enrollment.models import Enrollment
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_group

URL = "/api/v1/devices"


class DeviceCreateTest(AccountTestCase):
    def test_it_answers_201_with_a_link_that_enrolls_it(self):
        response = self.api.post(f"{URL}/", {"name": "Sara's iPad"})
        self.assertEqual(response.status_code, 201, response.content)
        data = response.json()["data"]
        device = Device.objects.get(pk=data["id"])
        self.assertEqual(
            (device.account, device.name, device.state), (self.account, "Sara's iPad", "awaiting_enrollment")
        )
        self.assertEqual(data["attributes"]["enrollment_url"], Enrollment.objects.get(device=device).url)
        self.assertEqual(data["attributes"]["status"], "awaiting enrollment")
        self.assertEqual(data["relationships"]["device_group"]["data"], {"type": "device_group", "id": self.group.pk})

    def test_it_goes_into_the_group_that_is_asked_for(self):
        group = make_group(self.account)
        response = self.api.post(URL, json={"name": "Mac", "group_id": group.pk})
        self.assertEqual(response.json()["data"]["relationships"]["device_group"]["data"]["id"], group.pk)

    def test_an_empty_group_is_none(self):
        for nothing in ("", None):
            response = self.api.post(URL, json={"name": "Mac", "group_id": nothing})
            self.assertEqual(response.status_code, 201, response.content)
            self.assertEqual(response.json()["data"]["relationships"]["device_group"]["data"]["id"], self.group.pk)

    def test_it_joins_the_assignment_groups_that_are_asked_for(self):
        groups = [make_assignment_group(self.account) for _ in range(2)]
        pks = [group.pk for group in groups]
        forms = (
            {"json": {"name": "Mac", "static_group_ids": pks}},
            {"json": {"name": "Mac", "static_group_ids": f"{pks[0]},{pks[1]}"}},
            {"data": {"name": "Mac", "static_group_ids[]": pks}},
            {"data": {"name": "Mac", "static_group_ids": f"{pks[0]}, {pks[1]}"}},
        )
        for form in forms:
            response = self.api.post(URL, **form)
            self.assertEqual(response.status_code, 201, response.content)
            joined = response.json()["data"]["relationships"]["groups"]["data"]
            self.assertEqual([group["id"] for group in joined], pks, form)
        assigned = Event.objects.filter(event_type="assignment_group.assigned")
        self.assertEqual((assigned.count(), assigned[0].actor_label), (8, "Test key"))

    def test_one_group_or_none_or_the_same_twice(self):
        group = make_assignment_group(self.account)
        for given, pks in ((group.pk, [group.pk]), ([], []), ("", []), ([group.pk, group.pk], [group.pk])):
            response = self.api.post(URL, json={"name": "Mac", "static_group_ids": given})
            joined = response.json()["data"]["relationships"]["groups"]["data"]
            self.assertEqual([group["id"] for group in joined], pks, given)

    def test_an_assignment_group_of_another_account_is_404_and_nothing_is_made(self):
        own, foreign = make_assignment_group(self.account), make_assignment_group(self.other_account)
        response = self.api.post(URL, json={"name": "Mac", "static_group_ids": [own.pk, foreign.pk]})
        self.assertEqual((response.status_code, Device.objects.count()), (404, 0))

    def test_the_key_stands_in_the_log(self):
        self.api.post(URL, {"name": "Mac"})
        self.assertEqual(Event.objects.get(event_type="device.created").actor_label, "Test key")

    def test_a_group_of_another_account_is_404(self):
        foreign = make_group(self.other_account)
        response = self.api.post(URL, {"name": "Mac", "group_id": foreign.pk})
        self.assertEqual((response.status_code, Device.objects.count()), (404, 0))

    def test_what_makes_no_sense_is_422(self):
        for parameters in (
            {},
            {"name": ""},
            {"name": "x" * 300},
            {"name": "Mac", "group_id": "first"},
            {"name": "Mac", "static_group_ids": "a"},
        ):
            self.assertEqual(self.api.post(URL, parameters).status_code, 422, parameters)
        self.assertEqual(Device.objects.count(), 0)

    def test_a_read_only_key_may_not(self):
        self.assertEqual(self.read_only_api.post(URL, {"name": "Mac"}).status_code, 403)
