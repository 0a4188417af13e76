"""Listing, showing, adding, changing and deleting assignment groups, under both of their names."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import AssignmentGroup
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_group, make_profile
from tests.factories.due import marked
from tests.factories.wanted import make_store_app

URL = "/api/v1/assignment_groups"


class AssignmentGroupTestCase(AccountTestCase):
    def make_full_group(self, name: str = "Apps", **fields) -> AssignmentGroup:
        return make_assignment_group(
            self.account,
            name,
            members=[make_device(self.account), make_device(self.account), make_group(self.account)],
            apps=[make_store_app(self.account)],
            profiles=[make_profile(self.account)],
            **fields,
        )


class ShowTest(AssignmentGroupTestCase):
    def test_it_tells_settings_and_what_it_pairs(self):
        devices, group = [make_device(self.account), make_device(self.account)], make_group(self.account)
        app, profile = make_store_app(self.account), make_profile(self.account)
        row = make_assignment_group(
            self.account, "Apps", members=[devices[1], group, devices[0]], apps=[app], profiles=[profile], priority=4
        )
        body = self.api.get(f"{URL}/{row.pk}").json()["data"]
        times = [body["attributes"].pop(name) for name in ("created_at", "updated_at")]
        for time in times:
            self.assertRegex(time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(
            body,
            {
                "type": "assignment_group",
                "id": row.pk,
                "attributes": {
                    "name": "Apps",
                    "auto_deploy": True,
                    "type": "standard",
                    "group_type": "standard",
                    "install_type": "managed",
                    "priority": 4,
                    "app_track_location": True,
                    "device_count": 2,
                    "group_count": 1,
                },
                "relationships": {
                    "apps": {
                        "data": [
                            {"type": "app", "id": app.pk, "deployment_type": "standard", "install_type": "managed"}
                        ]
                    },
                    "device_groups": {"data": [{"type": "device_group", "id": group.pk}]},
                    "devices": {"data": [{"type": "device", "id": device.pk} for device in devices]},
                    "profiles": {"data": [{"type": "custom_configuration_profile", "id": profile.pk}]},
                },
            },
        )

    def test_what_was_removed_is_not_shown(self):
        row = self.make_full_group()
        remove_device(row.members.exclude(device=None).first().device, SYSTEM)
        for model in (row.app_assignments.get().app, row.profile_assignments.get().profile):
            type(model).objects.update(removed_at=timezone.now())
        body = self.api.get(f"{URL}/{row.pk}").json()["data"]
        self.assertEqual(body["attributes"]["device_count"], 1)
        counts = {name: len(one["data"]) for name, one in body["relationships"].items()}
        self.assertEqual(counts, {"apps": 0, "device_groups": 1, "devices": 1, "profiles": 0})

    def test_those_of_others_are_404(self):
        foreign = make_assignment_group(self.other_account)
        self.assertEqual(self.api.get(f"{URL}/{foreign.pk}").status_code, 404)
        self.assertEqual(self.api.get(f"{URL}/0").status_code, 404)


class ListTest(AssignmentGroupTestCase):
    def test_it_has_pages(self):
        rows = [self.make_full_group(f"Group {number}") for number in range(3)]
        make_assignment_group(self.other_account)
        body = self.api.get(URL, {"limit": 2}).json()
        self.assertEqual(([one["id"] for one in body["data"]], body["has_more"]), ([rows[0].pk, rows[1].pk], True))
        self.assertEqual(body["data"][1], self.api.get(f"{URL}/{rows[1].pk}").json()["data"])
        body = self.api.get(URL, {"starting_after": rows[1].pk}).json()
        self.assertEqual(([one["id"] for one in body["data"]], body["has_more"]), ([rows[2].pk], False))

    def test_a_longer_page_takes_no_more_statements(self):
        def statements() -> int:
            with CaptureQueriesContext(connection) as queries:
                self.assertEqual(self.api.get(URL, {"limit": 100}).status_code, 200)
            return len(queries)

        self.make_full_group()
        statements()  # the first call of a key also stores that it was used
        few = statements()
        for _ in range(4):
            self.make_full_group()
        self.assertEqual(statements(), few)
        self.assertLessEqual(few, 5)


class CreateTest(AssignmentGroupTestCase):
    def test_a_name_is_enough(self):
        response = self.api.post(URL, {"name": "Communication Apps"})
        self.assertEqual(response.status_code, 201, response.content)
        row = AssignmentGroup.objects.get()
        body = response.json()["data"]
        self.assertEqual((body["id"], body["attributes"]["auto_deploy"]), (row.pk, True))
        self.assertEqual((row.account, row.name, row.auto_deploy), (self.account, "Communication Apps", True))
        self.assertEqual({tuple(one["data"]) for one in body["relationships"].values()}, {()})
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key), ("assignment_group.created", self.api_key))

    def test_all_settings_in_a_form(self):
        response = self.api.post(
            URL,
            {
                "name": "Munki",
                "auto_deploy": "false",
                "group_type": "munki",
                "install_type": "self_serve",
                "priority": "20",
                "app_track_location": "0",
            },
        )
        attributes = response.json()["data"]["attributes"]
        self.assertEqual(
            (attributes["auto_deploy"], attributes["group_type"], attributes["type"], attributes["install_type"]),
            (False, "munki", "munki", "self_serve"),
        )
        self.assertEqual((attributes["priority"], attributes["app_track_location"]), (20, False))

    def test_settings_that_are_empty_are_not_given(self):
        """Clients send all of their fields, also those that nobody filled in."""
        empty = {"group_type": "", "install_type": "", "priority": "", "app_track_location": "", "auto_deploy": ""}
        response = self.api.post(URL, {"name": "Standard"} | empty)
        self.assertEqual(response.status_code, 201, response.content)
        plain = self.api.post(URL, {"name": "Standard"})
        shown = [answer.json()["data"]["attributes"] for answer in (response, plain)]
        for attributes in shown:
            del attributes["created_at"], attributes["updated_at"]
        self.assertEqual(*shown)
        group = AssignmentGroup.objects.get(pk=response.json()["data"]["id"])
        AssignmentGroup.objects.filter(pk=group.pk).update(priority=7, auto_deploy=False)
        self.assertEqual(self.api.patch(f"{URL}/{group.pk}", json=dict.fromkeys(empty)).status_code, 204)
        group.refresh_from_db()
        self.assertEqual((group.priority, group.auto_deploy), (7, False))

    def test_type_is_another_name_of_group_type(self):
        self.api.post(URL, {"name": "Munki", "type": "munki"})
        self.assertEqual(AssignmentGroup.objects.get().group_type, "munki")
        self.api.post(URL, {"name": "Both", "type": "munki", "group_type": "standard"})
        self.assertEqual(AssignmentGroup.objects.get(name="Both").group_type, "standard")

    def test_what_makes_no_sense_is_refused(self):
        for given, title in (
            ({}, "name: "),
            ({"name": ""}, "name: "),
            ({"name": "x" * 201}, "name: "),
            ({"name": "A", "priority": 21}, "priority: "),
            ({"name": "A", "priority": -1}, "priority: "),
            ({"name": "A", "group_type": "other"}, "group_type: "),
            ({"name": "A", "install_type": "never"}, "install_type: "),
            ({"name": "A", "auto_deploy": "perhaps"}, "auto_deploy: "),
        ):
            response = self.api.post(URL, json=given)
            self.assertEqual(response.status_code, 422, given)
            self.assertIn(title, response.json()["errors"][0]["title"])
        self.assertFalse(AssignmentGroup.objects.exists())


class UpdateTest(AssignmentGroupTestCase):
    def test_patch_and_put_change_what_is_given(self):
        row = make_assignment_group(self.account, "Old", members=[make_device(self.account)])
        for method, given in (("patch", {"auto_deploy": "false"}), ("put", {"name": "New"})):
            response = getattr(self.api, method)(f"{URL}/{row.pk}", given)
            self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))
        row.refresh_from_db()
        self.assertEqual((row.name, row.auto_deploy), ("New", False))
        self.assertTrue(marked())
        self.assertEqual([event.api_key for event in Event.objects.all()], [self.api_key] * 2)

    def test_a_form_post_may_stand_for_patch(self):
        row = make_assignment_group(self.account)
        self.assertEqual(self.api.post(f"{URL}/{row.pk}", {"_method": "PATCH", "name": "New"}).status_code, 204)
        self.assertEqual(AssignmentGroup.objects.get().name, "New")

    def test_what_makes_no_sense_changes_nothing(self):
        row = make_assignment_group(self.account, "Old")
        response = self.api.patch(f"{URL}/{row.pk}", {"name": "New", "priority": 99})
        self.assertEqual(response.status_code, 422)
        row.refresh_from_db()
        self.assertEqual(row.name, "Old")

    def test_strangers_get_404(self):
        row = make_assignment_group(self.account, "Old")
        self.assertEqual(self.outsider_api.patch(f"{URL}/{row.pk}", {"name": "New"}).status_code, 404)
        self.assertEqual(AssignmentGroup.objects.get().name, "Old")


class DeleteTest(AssignmentGroupTestCase):
    def test_it_goes_and_its_devices_are_due(self):
        row = self.make_full_group()
        response = self.api.delete(f"{URL}/{row.pk}")
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(len(marked()), 2)
        self.assertEqual(Event.objects.get().event_type, "assignment_group.removed")
        self.assertEqual(self.api.delete(f"{URL}/{row.pk}").status_code, 404)

    def test_strangers_get_404(self):
        row = self.make_full_group()
        self.assertEqual(self.outsider_api.delete(f"{URL}/{row.pk}").status_code, 404)
        self.assertTrue(AssignmentGroup.objects.exists())


class AppGroupsTest(AssignmentGroupTestCase):
    def test_the_older_name_serves_the_same_groups_with_another_type(self):
        row = self.make_full_group()
        old, new = (
            self.api.get(f"/api/v1/{name}/{row.pk}").json()["data"] for name in ("app_groups", "assignment_groups")
        )
        self.assertEqual((old.pop("type"), new.pop("type")), ("app_group", "assignment_group"))
        self.assertEqual(old, new)
        self.assertEqual(self.api.get("/api/v1/app_groups").json()["data"][0]["type"], "app_group")

    def test_it_changes_them_as_well(self):
        response = self.api.post("/api/v1/app_groups", {"name": "Apps"})
        self.assertEqual((response.status_code, response.json()["data"]["type"]), (201, "app_group"))
        url = f"/api/v1/app_groups/{AssignmentGroup.objects.get().pk}"
        device = make_device(self.account)
        self.assertEqual(self.api.patch(url, {"name": "New"}).status_code, 204)
        self.assertEqual(self.api.post(f"{url}/devices/{device.pk}").status_code, 204)
        self.assertEqual(self.api.get(url).json()["data"]["relationships"]["devices"]["data"][0]["id"], device.pk)
        clone = self.api.post(f"{url}/clone").json()["data"]
        self.assertEqual((clone["type"], clone["attributes"]["name"]), ("app_group", "New (1)"))
        self.assertEqual(self.api.post(f"{url}/push_apps").status_code, 202)
        self.assertEqual(self.api.delete(f"{url}/devices/{device.pk}").status_code, 204)
        self.assertEqual(self.api.delete(url).status_code, 204)
