from devices.models import AttributeValue, Device
from mdm.accounts.models import ApiKey
from mdm.events.models import Event
from tests.base import AccountTestCase, ApiClient
from tests.factories import (
    make_api_key,
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_group,
)
from tests.factories.due import is_marked

ASK = {"include_secret_custom_attributes": "true"}


class ValuesTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.url = self.url_of(self.device)

    def url_of(self, device) -> str:
        return f"/api/v1/devices/{device.pk}/custom_attribute_values"

    def rows(self, url: str = "", client: ApiClient | None = None, **query) -> dict[str, tuple]:
        response = (client or self.api).get(url or self.url, query)
        self.assertEqual(response.status_code, 200, response.content)
        found = {row["id"]: row["attributes"] for row in response.json()["data"]}
        return {name: (row["value"], row["secret"], row["source"]) for name, row in found.items()}

    def assert_refused(self, response, status: int, title: str) -> None:
        self.assertEqual(response.status_code, status, response.content)
        self.assertIn(title, response.json()["errors"][0]["title"])


class DeviceValuesListTest(ValuesTestCase):
    def test_every_attribute_of_the_account_with_the_value_that_counts(self):
        make_attribute(self.account, "unset")
        make_attribute(self.account, "floor", default="1")
        make_attribute_value(self.group, make_attribute(self.account, "office", default="Berlin"), "Rome")
        make_attribute_value(self.device, make_attribute(self.account, "desk"), "12")
        make_attribute(self.other_account)
        body = self.api.get(self.url).json()
        self.assertEqual(
            body["data"][0],
            {
                "type": "custom_attribute_value",
                "id": "unset",
                "attributes": {"name": "unset", "value": "", "secret": False, "source": "account"},
            },
        )
        self.assertIs(body["has_more"], False)
        self.assertEqual(
            self.rows(),
            {
                "unset": ("", False, "account"),
                "floor": ("1", False, "account"),
                "office": ("Rome", False, "group"),
                "desk": ("12", False, "device"),
            },
        )

    def test_secret_values_are_shown_to_those_who_ask_and_may_and_that_is_logged_once(self):
        for name in ("key", "pin"):
            make_attribute_value(self.device, make_attribute(self.account, name, secret=True), "hush")
        make_attribute(self.account, "unset", secret=True)
        self.assertEqual(self.rows()["key"], ("", True, "device"))
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())
        self.assertEqual(self.rows(**ASK)["key"], ("hush", True, "device"))
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.device, event.actor_label), (self.device, "Test key"))
        pk = str(self.device.pk)
        expected = {"of": "device", "secrets": {"custom attribute key": pk, "custom attribute pin": pk}}
        self.assertEqual(event.metadata, expected)

    def test_a_key_that_may_not_change_devices_is_refused_the_secrets(self):
        make_attribute(self.account, "key", default="hush", secret=True)
        _, key = make_api_key(
            self.account, access=ApiKey.Access.LIMITED, scopes={"custom_attributes": "write", "devices": "read"}
        )
        for client in (self.read_only_api, ApiClient(key)):
            self.assert_refused(client.get(self.url, ASK), 403, "may change devices")
            self.assert_refused(client.get(f"{self.url}/key", ASK), 403, "may change devices")
            self.assertEqual(self.rows(client=client)["key"], ("", True, "account"))
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())

    def test_the_number_of_statements_does_not_grow(self):
        group = make_assignment_group(self.account, members=[self.device])
        make_attribute_value(group, make_attribute(self.account))
        self.api.get(self.url)
        with self.assertNumQueries(5):  # key, device, attributes, assignment groups, values
            self.api.get(self.url)
        for _ in range(10):
            make_attribute_value(self.device, make_attribute(self.account, secret=True))
        with self.assertNumQueries(5):
            self.api.get(self.url)

    def test_an_outsider_gets_404(self):
        self.assert_refused(self.outsider_api.get(self.url), 404, "object not found")


class DeviceValueTest(ValuesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "Office", default="Berlin")

    def test_one_is_found_by_its_name_whatever_the_case(self):
        response = self.api.get(f"{self.url}/oFFICE")
        expected = {"name": "Office", "value": "Berlin", "secret": False, "source": "account"}
        self.assertEqual(response.json()["data"]["attributes"], expected)
        self.assertEqual(response.json()["data"]["id"], "Office")
        self.assert_refused(self.api.get(f"{self.url}/other"), 404, "object not found")

    def test_put_sets_it_and_answers_with_it(self):
        for number in range(2):  # the same again changes nothing
            response = self.api.put(f"{self.url}/office", {"value": " Rome "})
            self.assertEqual(response.status_code, 200, response.content)
            expected = {"name": "Office", "value": " Rome ", "secret": False, "source": "device"}
            self.assertEqual(response.json()["data"]["attributes"], expected, number)
        event = Event.objects.get(event_type="custom_attribute.value_set")
        self.assertEqual((event.actor_label, event.device), ("Test key", self.device))
        self.assertTrue(is_marked(Device.objects.get()))

    def test_it_comes_in_any_form(self):
        self.api.put(f"{self.url}/office?value=query")
        self.assertEqual(self.rows()["Office"][0], "query")
        self.api.put(f"{self.url}/office", "value=a+form", content_type="application/x-www-form-urlencoded")
        self.assertEqual(self.rows()["Office"][0], "a form")
        self.api.put(f"{self.url}/office/", {"value": 7})
        self.assertEqual(self.rows()["Office"][0], "7")
        self.api.post(f"{self.url}/office", {"_method": "PUT", "value": "override"})
        self.assertEqual(self.rows()["Office"][0], "override")

    def test_an_empty_value_takes_it_back(self):
        self.api.put(f"{self.url}/office", {"value": "Rome"})
        for value in ("", None):
            response = self.api.put(f"{self.url}/office", {"value": value})
            self.assertEqual(response.json()["data"]["attributes"]["value"], "Berlin")
        self.assertEqual(AttributeValue.objects.count(), 0)

    def test_a_secret_one_is_masked_in_the_answer(self):
        make_attribute(self.account, "key", secret=True)
        response = self.api.put(f"{self.url}/key", {"value": "hush"})
        self.assertEqual(response.json()["data"]["attributes"]["value"], "")
        self.assertEqual(AttributeValue.objects.get().value, "hush")
        response = self.api.get(f"{self.url}/key", ASK)
        self.assertEqual(response.json()["data"]["attributes"]["value"], "hush")

    def test_what_makes_no_sense_is_422(self):
        for parameters, title in (({}, "value"), ({"value": [1]}, "value"), ({"value": "ü" * 40_000}, "65536 bytes")):
            self.assert_refused(self.api.put(f"{self.url}/office", parameters), 422, title)
        self.assertEqual(AttributeValue.objects.count(), 0)

    def test_strangers_and_readers_may_not(self):
        self.assertEqual(self.outsider_api.put(f"{self.url}/office", {"value": "x"}).status_code, 404)
        self.assertEqual(self.read_only_api.put(f"{self.url}/office", {"value": "x"}).status_code, 403)
        make_attribute(self.other_account, "theirs")
        self.assertEqual(self.api.put(f"{self.url}/theirs", {"value": "x"}).status_code, 404)
        self.assertEqual(AttributeValue.objects.count(), 0)


class SeveralValuesTest(ValuesTestCase):
    def setUp(self):
        super().setUp()
        for name in ("office", "floor", "desk"):
            make_attribute(self.account, name)

    def test_several_at_once_by_name_or_id(self):
        data = [{"name": "DESK", "value": "12"}, {"id": "office", "value": "Rome"}]
        for _ in range(2):
            response = self.api.put(self.url, {"data": data})
            self.assertEqual(response.status_code, 200, response.content)
            values = [(row["id"], row["attributes"]["value"]) for row in response.json()["data"]]
            self.assertEqual(values, [("desk", "12"), ("office", "Rome")])
        self.assertEqual(Event.objects.filter(event_type="custom_attribute.value_set").count(), 2)
        self.assertEqual(self.rows()["floor"], ("", False, "account"))

    def test_all_or_none(self):
        good = {"name": "desk", "value": "12"}
        for data, title in (
            ([good, {"name": "unknown", "value": "x"}], "There is no custom attribute called unknown."),
            ([good, {"name": "office", "value": "x" * 70_000}], "65536"),
            ([good, {"value": "x"}], "name of an attribute"),
            ([good, {"name": "office"}], "value"),
            (["text"], "data"),
            ("text", "data"),
            (None, "data"),
        ):
            self.assert_refused(self.api.put(self.url, {"data": data}), 422, title)
        self.assertEqual(AttributeValue.objects.count(), 0)

    def test_statements_do_not_grow_with_the_values(self):
        for _ in range(10):
            make_attribute(self.account)
        names = [row["id"] for row in self.api.get(self.url).json()["data"]]
        for some in (names[:2], names[2:]):
            # key, device, attributes; old values, insert, log, mark between two of the transaction; groups and values
            with self.assertNumQueries(13):
                self.api.put(self.url, {"data": [{"name": name, "value": "x"} for name in some]})
        self.assertEqual(AttributeValue.objects.count(), 13)


class GroupValuesTest(ValuesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "office", default="Berlin")
        make_attribute(self.account, "key", default="hush", secret=True)

    def check(self, url: str, owner) -> None:
        self.assertEqual(self.rows(url), {"office": ("Berlin", False, "account"), "key": ("", True, "account")})
        response = self.api.put(f"{url}/Office", {"value": "Rome"})
        expected = {"name": "office", "value": "Rome", "secret": False, "source": "group"}
        self.assertEqual(response.json()["data"]["attributes"], expected)
        self.assertEqual(self.api.get(f"{url}/office").json()["data"]["attributes"], expected)
        self.assertEqual(self.rows()["office"], ("Rome", False, "group"))
        response = self.api.put(url, {"data": [{"id": "office", "value": ""}, {"name": "key", "value": "psst"}]})
        self.assertEqual(response.status_code, 200, response.content)
        shown = {"office": ("Berlin", False, "account"), "key": ("psst", True, "group")}
        self.assertEqual(self.rows(url, **ASK), shown)
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.device, event.metadata["secrets"]), (None, {"custom attribute key": str(owner.pk)}))
        for client, status in ((self.outsider_api, 404), (self.anonymous_api, 401)):
            for path in (url, f"{url}/office"):
                self.assertEqual(client.get(path).status_code, status)
                self.assertEqual(client.put(path, {"value": "x"}).status_code, status)
        self.assertEqual(self.read_only_api.put(f"{url}/office", {"value": "x"}).status_code, 403)
        self.assertEqual(self.api.get(f"{url}/unknown").status_code, 404)

    def test_of_a_device_group(self):
        self.check(f"/api/v1/device_groups/{self.group.pk}/custom_attribute_values", self.group)

    def test_of_an_assignment_group(self):
        group = make_assignment_group(self.account, members=[self.device])
        self.check(f"/api/v1/assignment_groups/{group.pk}/custom_attribute_values", group)

    def test_of_an_assignment_group_under_its_older_name(self):
        group = make_assignment_group(self.account, members=[self.device])
        self.check(f"/api/v1/app_groups/{group.pk}/custom_attribute_values", group)


class AttributeOfDevicesTest(ValuesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "Office")
        self.other = make_device(self.account, group=make_group(self.account))
        self.url = "/api/v1/custom_attribute_values/office"

    def put(self, *data, client: ApiClient | None = None):
        return (client or self.api).put(self.url, {"data": data})

    def test_it_sets_many_devices_at_once(self):
        data = ({"device_id": self.other.pk, "value": "Rome"}, {"id": str(self.device.pk), "value": "Oslo"})
        for _ in range(2):
            response = self.put(*data)
            self.assertEqual(response.status_code, 200, response.content)
        body = response.json()
        self.assertIs(body["has_more"], False)
        self.assertEqual(
            body["data"][0],
            {
                "type": "custom_attribute_value",
                "id": "Office",
                "attributes": {"name": "Office", "value": "Rome", "secret": False, "source": "device"},
                "relationships": {"device": {"data": {"type": "device", "id": self.other.pk}}},
            },
        )
        self.assertEqual(self.rows(self.url_of(self.device))["Office"], ("Oslo", False, "device"))
        events = Event.objects.filter(event_type="custom_attribute.value_set")
        self.assertEqual({event.device for event in events}, {self.device, self.other})
        self.assertEqual(events.count(), 2)

    def test_all_or_none(self):
        foreign, removed = make_device(self.other_account), make_device(self.account)
        self.api.delete(f"/api/v1/devices/{removed.pk}")
        good = {"device_id": self.device.pk, "value": "Rome"}
        for bad, title in (
            ({"device_id": foreign.pk, "value": "x"}, f"There is no device with the id {foreign.pk}."),
            ({"device_id": removed.pk, "value": "x"}, f"There is no device with the id {removed.pk}."),
            ({"device_id": 999_999, "value": "x"}, "999999"),
            ({"value": "x"}, "device_id"),
            ({"device_id": "first", "value": "x"}, "device_id"),
            ({"device_id": self.other.pk}, "value"),
            ({"device_id": self.other.pk, "value": "x" * 70_000}, "65536"),
        ):
            self.assert_refused(self.put(good, bad), 422, title)
        self.assertEqual(AttributeValue.objects.count(), 0)

    def test_no_devices_are_fine_and_no_list_is_not(self):
        self.assertEqual(self.put().json(), {"data": [], "has_more": False})
        self.assert_refused(self.api.put(self.url, {}), 422, "data")

    def test_unknown_attributes_strangers_and_readers(self):
        good = {"device_id": self.device.pk, "value": "Rome"}
        self.assert_refused(self.put(good, client=self.outsider_api), 404, "object not found")
        self.assertEqual(self.put(good, client=self.read_only_api).status_code, 403)
        self.assertEqual(self.api.put("/api/v1/custom_attribute_values/other", {"data": [good]}).status_code, 404)
        self.assertEqual(AttributeValue.objects.count(), 0)

    def test_secret_values_are_masked(self):
        self.api.patch("/api/v1/custom_attributes/office", {"secret": True})
        response = self.put({"device_id": self.device.pk, "value": "hush"})
        self.assertEqual(response.json()["data"][0]["attributes"]["value"], "")
