from apps_catalog.models import ManagedConfig
from apps_catalog.services.reconcile import reconcile_due
from mdm.commands.models import Command
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_app,
    make_app_assignment,
    make_app_install,
    make_assignment_group,
    make_device,
    make_managed_config,
)


class ManagedConfigsTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account, store=True)
        self.url = f"/api/v1/apps/{self.app.pk}/managed_configs"

    def logged(self, kind: str) -> Event:
        event = Event.objects.get(event_type=kind)
        self.assertEqual((event.api_key, event.metadata["app_id"]), (self.api_key, self.app.pk))
        return event


class ListTest(ManagedConfigsTestCase):
    def test_each_key_with_its_value_and_type(self):
        config = make_managed_config(self.app, "User IDs", "1,53,3", "integer array")
        make_managed_config(make_app(self.account))
        self.assertEqual(
            self.api.get(self.url).json(),
            {
                "data": [
                    {
                        "type": "managed_config",
                        "id": config.pk,
                        "attributes": {"key": "User IDs", "value": "1,53,3", "value_type": "integer array"},
                    }
                ],
                "has_more": False,
            },
        )

    def test_it_comes_in_pages_with_one_number_of_statements(self):
        self.api.get(self.url)
        for more in (1, 8):
            for _ in range(more):
                make_managed_config(self.app)
            with self.assertNumQueries(3):
                self.assertEqual(self.api.get(self.url).status_code, 200)
        self.assertTrue(self.api.get(self.url, {"limit": 8}).json()["has_more"])

    def test_the_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.get(self.url).status_code, 404)


class CreateTest(ManagedConfigsTestCase):
    def create(self, key="serverURL", value="http://example.com", value_type="string", **more):
        return self.api.post(self.url, {"key": key, "value": value, "value_type": value_type} | more)

    def test_create(self):
        response = self.create()
        self.assertEqual(response.status_code, 201)
        config = ManagedConfig.objects.get()
        self.assertEqual(
            response.json(),
            {
                "data": {
                    "type": "managed_config",
                    "id": config.pk,
                    "attributes": {"key": "serverURL", "value": "http://example.com", "value_type": "string"},
                }
            },
        )
        event = self.logged("managed_config.created")
        self.assertEqual(event.metadata["key"], "serverURL")
        self.assertNotIn("http://example.com", str(event.metadata))
        self.assertFalse(Command.objects.exists())

    def test_values_come_back_as_they_were_given(self):
        for number, (value, value_type) in enumerate(
            (
                ("1", "boolean"),
                ("2017-01-01T12:31:15-07:00", "date"),
                ("0.123", "float"),
                ("0.123,923.1,42", "float array"),
                ("32", "integer"),
                ("1,452,-129", "integer array"),
                (" This is a string ", "string"),
                ('"First string","Second string"', "string array"),
                ("", "string"),
            )
        ):
            with self.subTest(value_type):
                response = self.create(f"key{number}", value, value_type)
                self.assertEqual(response.status_code, 201)
                self.assertEqual(response.json()["data"]["attributes"]["value"], value)

    def test_values_of_json_become_text(self):
        for value, value_type, text in (
            (True, "boolean", "true"),
            (32, "integer", "32"),
            (0.5, "float", "0.5"),
            ([1, -2], "integer array", "1,-2"),
            (["a,b", 'c"d'], "string array", '"a,b","c""d"'),
        ):
            with self.subTest(value_type):
                response = self.api.post(self.url, json={"key": value_type, "value": value, "value_type": value_type})
                self.assertEqual(response.json()["data"]["attributes"]["value"], text)

    def test_all_three_are_required(self):
        for missing in ("key", "value", "value_type"):
            given = {"key": "a", "value": "b", "value_type": "string"}
            del given[missing]
            response = self.api.post(self.url, given)
            self.assertEqual(response.status_code, 422)
            self.assertEqual(response.json()["errors"], [{"title": f"{missing}: This field is required."}])

    def test_refusals_say_what_is_expected(self):
        types = "boolean, date, float, float array, integer, integer array, string, string array"
        for value, value_type, title in (
            ("x", "number", f"value_type: Must be one of {types}."),
            ("yes", "boolean", "A boolean is 0 or 1 (false and true are understood as well)."),
            ("1.5", "integer", "An integer is a whole number, for example 32."),
            ("2017-01-01T12:31:15", "date",
             "A date needs its time zone, for example 2017-01-01T12:31:15-07:00 or 2017-01-01T19:31:15Z."),
        ):  # fmt: skip
            with self.subTest(value_type):
                response = self.create("key", value, value_type)
                self.assertEqual((response.status_code, response.json()["errors"]), (422, [{"title": title}]))
        self.assertEqual(self.create(value="x" * (64 * 1024 + 1)).status_code, 422)
        self.assertEqual(self.create(key="").status_code, 422)
        self.assertEqual((ManagedConfig.objects.count(), Event.objects.count()), (0, 0))

    def test_the_same_again_changes_nothing(self):
        first, second = self.create(), self.create()
        self.assertEqual((second.status_code, second.json()), (201, first.json()))
        self.logged("managed_config.created")

    def test_a_key_that_is_there_gets_the_new_value(self):
        first = self.create().json()["data"]["id"]
        response = self.create(value="http://new.example.com")
        self.assertEqual((response.status_code, response.json()["data"]["id"]), (201, first))
        self.assertEqual(ManagedConfig.objects.get().value, "http://new.example.com")
        self.logged("managed_config.updated")

    def test_strangers_and_readers_create_nothing(self):
        given = {"key": "a", "value": "b", "value_type": "string"}
        self.assertEqual(self.outsider_api.post(self.url, given).status_code, 404)
        self.assertEqual(self.read_only_api.post(self.url, given).status_code, 403)
        self.assertFalse(ManagedConfig.objects.exists())


class DeleteTest(ManagedConfigsTestCase):
    def test_delete(self):
        config = make_managed_config(self.app, "serverURL")
        response = self.api.delete(f"{self.url}/{config.pk}")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (204, b"", "0"))
        self.assertFalse(ManagedConfig.objects.exists())
        self.assertEqual(self.logged("managed_config.removed").metadata["key"], "serverURL")
        self.assertEqual(self.api.delete(f"{self.url}/{config.pk}").status_code, 404)

    def test_that_of_another_app_or_account_is_404(self):
        config = make_managed_config(make_app(self.account))
        foreign = make_managed_config(make_app(self.other_account))
        for one in (config, foreign):
            self.assertEqual(self.api.delete(f"{self.url}/{one.pk}").status_code, 404)
        self.assertEqual(ManagedConfig.objects.count(), 2)


class PushTest(ManagedConfigsTestCase):
    def make_devices(self, count: int) -> None:
        """They should have the app, and have it from us."""
        devices = [make_device(self.account) for _ in range(count)]
        make_app_assignment(make_assignment_group(self.account, members=devices), self.app)
        for device in devices:
            make_app_install(self.app, device, is_on_device=True)

    def test_devices_that_have_the_app_get_a_command(self):
        make_managed_config(self.app)
        self.make_devices(2)
        response = self.api.post(f"{self.url}/push")
        self.assertEqual((response.status_code, response.content, response["Content-Length"]), (202, b"", "0"))
        reconcile_due()
        self.assertEqual(list(Command.objects.values_list("request_type", flat=True)), ["Settings"] * 2)
        self.assertEqual(self.logged("managed_config.pushed").metadata["devices"], 2)

    def test_once_more_is_accepted_and_queues_nothing_new(self):
        self.make_devices(1)
        for _ in range(2):
            self.assertEqual(self.api.post(f"{self.url}/push").status_code, 202)
            reconcile_due()
        self.assertEqual(Command.objects.count(), 1)

    def test_an_app_that_is_not_known_yet_is_refused(self):
        app = make_app(self.account, store=True, bundle_identifier="")
        response = self.api.post(f"/api/v1/apps/{app.pk}/managed_configs/push")
        self.assertEqual(response.status_code, 422)
        title = "The bundle identifier of this app is not known yet, so no device can be told its configuration."
        self.assertEqual(response.json()["errors"], [{"title": title}])

    def test_the_stranger_gets_404(self):
        make_app_install(self.app, make_device(self.account))
        self.assertEqual(self.outsider_api.post(f"{self.url}/push").status_code, 404)
        self.assertFalse(Command.objects.exists())
