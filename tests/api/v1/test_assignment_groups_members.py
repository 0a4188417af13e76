"""Putting apps, profiles, devices and device groups into assignment groups, and taking them out."""

from django.utils import timezone

from devices.models import AssignmentMember, Device
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_group, make_profile
from tests.factories.due import take_marks
from tests.factories.wanted import make_store_app


class MembersTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.row = make_assignment_group(self.account, "Apps")
        self.url = f"/api/v1/assignment_groups/{self.row.pk}"
        self.member = make_device(self.account)

    def due(self) -> set[Device]:
        return take_marks()

    def related(self, name: str) -> list[dict]:
        return self.api.get(self.url).json()["data"]["relationships"][name]["data"]

    def assert_done(self, response):
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))


class EveryKindTest(MembersTestCase):
    def test_types_that_are_empty_are_the_groups(self):
        app = make_store_app(self.account)
        self.assert_done(self.api.post(f"{self.url}/apps/{app.pk}", {"deployment_type": "", "install_type": ""}))
        [item] = self.related("apps")
        self.assertEqual((item["deployment_type"], item["install_type"]), ("standard", "managed"))

    def test_assigning_and_unassigning_twice_is_answered_alike_and_done_once(self):
        self.api.post(f"{self.url}/devices/{self.member.pk}")
        group = make_group(self.account)
        inside = make_device(self.account, group=group)
        for name, row, concerned in (
            ("apps", make_store_app(self.account), {self.member}),
            ("profiles", make_profile(self.account), {self.member}),
            ("devices", make_device(self.account), None),
            ("device_groups", group, {inside}),
        ):
            Event.objects.all().delete()
            self.due()
            before = self.related(name)
            url = f"{self.url}/{name}/{row.pk}"
            self.assert_done(self.api.post(url))
            self.assertEqual(self.due(), concerned or {row}, name)
            self.assertIn(row.pk, [one["id"] for one in self.related(name)], name)
            self.assert_done(self.api.post(url))
            self.assertEqual((self.due(), Event.objects.count()), (set(), 1), name)
            self.assert_done(self.api.delete(url))
            self.assertEqual(self.due(), concerned or {row}, name)
            self.assertEqual(self.related(name), before, name)
            self.assert_done(self.api.delete(url))
            self.assertEqual((self.due(), Event.objects.count()), (set(), 2), name)
            self.assertEqual({event.api_key for event in Event.objects.all()}, {self.api_key}, name)

    def test_nothing_crosses_accounts(self):
        foreign = make_assignment_group(self.other_account)
        mine, theirs = (
            {
                "apps": make_store_app(account),
                "profiles": make_profile(account),
                "devices": make_device(account),
                "device_groups": make_group(account),
            }
            for account in (self.account, self.other_account)
        )
        for name in mine:
            for url in (
                f"{self.url}/{name}/{theirs[name].pk}",
                f"/api/v1/assignment_groups/{foreign.pk}/{name}/{mine[name].pk}",
                f"{self.url}/{name}/0",
            ):
                for method in (self.api.post, self.api.delete):
                    response = method(url)
                    self.assertEqual(response.status_code, 404, url)
                    self.assertEqual(response.json()["errors"], [{"title": "object not found"}])
        self.assertFalse(Event.objects.exists())

    def test_what_was_removed_is_404(self):
        app, profile, device = make_store_app(self.account), make_profile(self.account), make_device(self.account)
        for name, row in (("apps", app), ("profiles", profile), ("devices", device)):
            type(row).objects.filter(pk=row.pk).update(removed_at=timezone.now())
            self.assertEqual(self.api.post(f"{self.url}/{name}/{row.pk}").status_code, 404, name)


class AppTypesTest(MembersTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_store_app(self.account)
        self.app_url = f"{self.url}/apps/{self.app.pk}"

    def types(self) -> tuple[str, str]:
        (one,) = self.related("apps")
        return one["deployment_type"], one["install_type"]

    def test_they_are_taken_and_shown(self):
        self.assert_done(self.api.post(self.app_url, {"deployment_type": "munki", "install_type": "self_serve"}))
        self.assertEqual(self.types(), ("munki", "self_serve"))

    def test_given_anew_they_change(self):
        self.api.post(self.app_url)
        self.assertEqual(self.types(), ("standard", "managed"))
        self.assert_done(self.api.post(f"{self.app_url}?deployment_type=munki"))
        self.assertEqual(self.types(), ("munki", "managed"))
        self.assert_done(self.api.post(self.app_url))
        self.assertEqual(self.types(), ("munki", "managed"))
        self.assertEqual(Event.objects.filter(event_type="assignment_group.assigned").count(), 2)

    def test_unknown_ones_are_refused(self):
        for given in ({"deployment_type": "other"}, {"install_type": "never"}):
            response = self.api.post(self.app_url, given)
            self.assertEqual(response.status_code, 422)
            self.assertIn("_type: ", response.json()["errors"][0]["title"])
        self.assertEqual(self.related("apps"), [])


class RemoveOthersTest(MembersTestCase):
    def test_the_device_leaves_all_other_groups_when_asked(self):
        other = make_assignment_group(self.account, members=[self.member])
        self.assert_done(self.api.post(f"{self.url}/devices/{self.member.pk}", {"remove_others": "false"}))
        self.assertTrue(other.members.exists())
        self.assert_done(self.api.post(f"{self.url}/devices/{self.member.pk}", {"remove_others": "true"}))
        self.assertEqual([one.group for one in AssignmentMember.objects.all()], [self.row])

    def test_other_text_is_refused(self):
        response = self.api.post(f"{self.url}/devices/{self.member.pk}", {"remove_others": "perhaps"})
        self.assertEqual(response.status_code, 422)
        self.assertFalse(AssignmentMember.objects.exists())
