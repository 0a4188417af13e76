from django.utils import timezone

from devices.models import Profile, ProfileAssignment, ProfileKind
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_group, make_profile, make_profile_assignment
from tests.factories.due import is_marked, take_marks
from tests.factories.wanted import make_group_with

URL = "/api/v1/custom_configuration_profiles"
STATEMENTS = 3  # the key, the page, the groups of the page's profiles


class ListTest(AccountTestCase):
    def names(self, **query) -> list[str]:
        response = self.api.get(URL, query)
        self.assertEqual(response.status_code, 200, response.content)
        return [row["attributes"]["name"] for row in response.json()["data"]]

    def test_lists_and_objects_tell_where_it_is_assigned(self):
        profile = make_profile(self.account, "Office")
        device_groups = [make_group(self.account), make_group(self.account)]
        group = make_group_with(self.account)
        removed = make_device(self.account, removed_at=timezone.now())
        for owner in (*device_groups, group, removed, make_device(self.account), make_device(self.account)):
            make_profile_assignment(profile, owner)
        (row,) = self.api.get(URL).json()["data"]
        self.assertEqual((row["attributes"]["group_count"], row["attributes"]["device_count"]), (3, 2))
        groups = {"data": [{"type": "assignment_group", "id": group.pk, "group_type": "standard"}]}
        items = [{"type": "device_group", "id": one.pk} for one in device_groups]
        self.assertEqual(row["relationships"], {"device_groups": {"data": items, "groups": groups}, "groups": groups})
        self.assertEqual(self.api.get(f"{URL}/{profile.pk}").json(), {"data": row})

    def test_search_is_by_name(self):
        for name in ("Office Wi-Fi", "Home Wi-Fi", "Dock"):
            make_profile(self.account, name)
        self.assertEqual(self.names(search="wi-fi"), ["Office Wi-Fi", "Home Wi-Fi"])
        self.assertEqual(self.names(search="%"), [])
        self.assertEqual(len(self.names(search="")), 3)

    def test_pages(self):
        profiles = [make_profile(self.account, str(n)) for n in range(3)]
        body = self.api.get(URL, {"limit": 2}).json()
        self.assertEqual((len(body["data"]), body["has_more"]), (2, True))
        self.assertEqual(self.names(starting_after=profiles[1].pk), ["2"])

    def test_others_deleted_ones_and_declarations_are_not_in_it(self):
        make_profile(self.other_account)
        make_profile(self.account, removed_at=timezone.now())
        declaration = make_profile(self.account, kind=ProfileKind.DECLARATION)
        self.assertEqual(self.names(), [])
        self.assertEqual(self.api.get(f"{URL}/{declaration.pk}").status_code, 404)

    def test_the_number_of_statements_does_not_grow(self):
        self.api.get(URL)  # notes when the key was used
        for count in (1, 8):
            for _ in range(count):
                profile = make_profile(self.account)
                for owner in (make_device(self.account), make_group(self.account), make_group_with(self.account)):
                    make_profile_assignment(profile, owner)
            with self.assertNumQueries(STATEMENTS):
                self.assertEqual(self.api.get(URL, {"limit": 100}).status_code, 200)


class DeleteTest(AccountTestCase):
    def test_it_is_gone_from_every_list(self):
        profile = make_profile(self.account, "Office")
        device = make_device(self.account)
        make_profile_assignment(profile, device)
        response = self.api.delete(f"{URL}/{profile.pk}")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))
        for path in (URL, "/api/v1/profiles", f"/api/v1/devices/{device.pk}/profiles"):
            self.assertEqual(self.api.get(path).json()["data"], [])
        device.refresh_from_db()
        self.assertTrue(is_marked(device))
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key_id), ("profile.removed", self.api_key.pk))
        self.assertEqual(self.api.delete(f"{URL}/{profile.pk}").status_code, 404)

    def test_an_outsider_gets_404(self):
        profile = make_profile(self.account)
        self.assertEqual(self.outsider_api.delete(f"{URL}/{profile.pk}").status_code, 404)
        self.assertTrue(Profile.objects.for_account(self.account).exists())


class AssignTest(AccountTestCase):
    base = URL

    def setUp(self):
        super().setUp()
        self.profile = make_profile(self.account)
        self.device = make_device(self.account)
        self.url = f"{self.base}/{self.profile.pk}"

    def paths(self) -> list[str]:
        return [f"{self.url}/devices/{self.device.pk}", f"{self.url}/device_groups/{self.group.pk}"]

    def test_assign_and_unassign_and_each_again(self):
        for path in self.paths():
            for method, kind in (("post", "profile.assigned"), ("delete", "profile.unassigned")):
                self.device.refresh_from_db()
                for _ in range(2):
                    response = getattr(self.api, method)(path)
                    self.assertEqual((response.status_code, response.content), (204, b""), path)
                event = Event.objects.get()
                self.assertEqual((event.event_type, event.api_key_id), (kind, self.api_key.pk))
                event.delete()
                self.assertEqual(ProfileAssignment.objects.count(), 1 if method == "post" else 0)

    def test_devices_are_due(self):
        for path in self.paths():
            for method in ("post", "delete"):
                take_marks()
                getattr(self.api, method)(path)
                self.device.refresh_from_db()
                self.assertTrue(is_marked(self.device), f"{method} {path}")

    def test_whatever_is_foreign_is_404(self):
        foreign = make_profile(self.other_account)
        removed = make_device(self.account, removed_at=timezone.now())
        foreign_device, foreign_group = make_device(self.other_account), make_group(self.other_account)
        for path in (
            f"{self.url}/devices/{foreign_device.pk}",
            f"{self.url}/devices/{removed.pk}",
            f"{self.url}/devices/{self.group.pk + 10**6}",
            f"{self.url}/device_groups/{foreign_group.pk}",
            f"{self.base}/{foreign.pk}/devices/{self.device.pk}",
            f"{self.base}/{foreign.pk}/device_groups/{self.group.pk}",
        ):
            for method in ("post", "delete"):
                self.assertEqual(getattr(self.api, method)(path).status_code, 404, path)
        self.assertEqual(ProfileAssignment.objects.count() + Event.objects.count(), 0)

    def test_a_read_only_key_may_not(self):
        for path in self.paths():
            self.assertEqual(self.read_only_api.post(path).status_code, 403)
        self.assertEqual(ProfileAssignment.objects.count(), 0)
