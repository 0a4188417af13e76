from devices.models import AttributeValue, CustomAttribute
from devices.services.attributes import MAX_VALUE_BYTES
from mdm.accounts.models import ApiKey
from mdm.events.models import Event
from tests.base import AccountTestCase, ApiClient
from tests.factories import make_api_key, make_attribute, make_attribute_value, make_device

URL = "/api/v1/custom_attributes"


class CustomAttributesTestCase(AccountTestCase):
    def limited_api(self, **scopes: str) -> ApiClient:
        _, key = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes=scopes)
        return ApiClient(key)

    def assert_refused(self, response, status: int, title: str) -> None:
        self.assertEqual(response.status_code, status, response.content)
        self.assertIn(title, response.json()["errors"][0]["title"])


class CustomAttributesListTest(CustomAttributesTestCase):
    def names(self, **query) -> list[str]:
        return [row["id"] for row in self.api.get(URL, query).json()["data"]]

    def test_it_lists_the_attributes_of_the_account(self):
        make_attribute(self.account, "email_address", default="user@example.org")
        make_attribute(self.other_account)
        self.assertEqual(
            self.api.get(URL).json(),
            {
                "data": [
                    {
                        "type": "custom_attribute",
                        "id": "email_address",
                        "attributes": {
                            "name": "email_address",
                            "default_value": "user@example.org",
                            "secret": False,
                        },
                    }
                ],
                "has_more": False,
            },
        )

    def test_names_are_the_cursor(self):
        for name in ("zebra", "apple", "mango"):
            make_attribute(self.account, name)
        self.assertEqual(self.names(limit=2), ["zebra", "apple"])
        self.assertEqual(self.names(limit=2, starting_after="APPLE"), ["mango"])
        self.assertEqual(self.names(starting_after="mango", direction="desc"), ["apple", "zebra"])
        self.assertEqual(self.names(starting_after="0"), ["zebra", "apple", "mango"])
        self.assertEqual(self.api.get(URL, {"starting_after": "unknown"}).status_code, 404)

    def test_the_number_of_statements_does_not_grow(self):
        for _ in range(12):
            make_attribute(self.account, default="x", secret=True)
        self.api.get(URL)
        for query in ({"limit": 1}, {"limit": 100}):
            with self.assertNumQueries(2):
                self.api.get(URL, query)

    def test_secret_defaults_are_masked_unless_asked_for(self):
        make_attribute(self.account, "key", default="hush", secret=True)
        make_attribute(self.account, "plain", default="loud")

        def defaults(**query) -> list[str]:
            rows = self.api.get(URL, query).json()["data"]
            return [row["attributes"]["default_value"] for row in rows]

        self.assertEqual(defaults(), ["", "loud"])
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())
        self.assertEqual(defaults(include_secret_custom_attributes="true"), ["hush", "loud"])
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.actor_label, event.metadata["of"]), ("Test key", "custom_attribute"))
        self.assertEqual(list(event.metadata["secrets"]), ["custom attribute key"])
        self.assertNotIn("hush", str(event.metadata))


class CustomAttributeRetrieveTest(CustomAttributesTestCase):
    def test_it_is_found_by_its_name_whatever_the_case(self):
        make_attribute(self.account, "Full_Name", default="not provided")
        for name in ("Full_Name", "full_name", "FULL_NAME"):
            response = self.api.get(f"{URL}/{name}")
            self.assertEqual(response.json()["data"]["id"], "Full_Name")

    def test_what_is_not_there_is_404(self):
        make_attribute(self.account, "full_name")
        for name in ("fullXname", "full%", "ümlaut", "1"):
            self.assert_refused(self.api.get(f"{URL}/{name}"), 404, "object not found")
        self.assert_refused(self.outsider_api.get(f"{URL}/full_name"), 404, "object not found")


class CustomAttributeCreateTest(CustomAttributesTestCase):
    def test_it_answers_201_and_the_key_stands_in_the_log(self):
        response = self.api.post(URL, {"name": "Office", "default_value": " Berlin "})
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(
            response.json()["data"]["attributes"], {"name": "Office", "default_value": " Berlin ", "secret": False}
        )
        event = Event.objects.get(event_type="custom_attribute.created")
        self.assertEqual((event.actor_label, event.metadata), ("Test key", {"name": "Office", "secret": False}))

    def test_without_a_default_it_is_empty(self):
        for parameters in (
            {"name": "one"},
            {"name": "two", "default_value": None},
            {"name": "three", "default_value": ""},
        ):
            response = self.api.post(URL, json=parameters)
            self.assertEqual(response.json()["data"]["attributes"]["default_value"], "", parameters)

    def test_a_secret_one_answers_with_the_mask(self):
        response = self.api.post(URL, {"name": "key", "default_value": "hush", "secret": "1"})
        self.assertEqual(response.json()["data"]["attributes"], {"name": "key", "default_value": "", "secret": True})
        self.assertEqual((CustomAttribute.objects.get().plain, CustomAttribute.objects.get().value), ("", "hush"))

    def test_a_second_one_of_that_name_is_422(self):
        self.api.post(URL, {"name": "office"})
        self.assert_refused(self.api.post(URL, {"name": "OFFICE"}), 422, "called OFFICE already")
        self.assertEqual(CustomAttribute.objects.count(), 1)

    def test_what_makes_no_sense_is_422(self):
        long = "x" * (MAX_VALUE_BYTES + 1)
        for parameters, title in (
            ({}, "name"),
            ({"name": "two words"}, "letters from a to z"),
            ({"name": "x" * 256}, "255"),
            ({"name": "x", "default_value": long}, "65536"),
            ({"name": "x", "default_value": "ü" * MAX_VALUE_BYTES}, "65536"),
            ({"name": "x", "secret": "perhaps"}, "secret"),
        ):
            self.assert_refused(self.api.post(URL, json=parameters), 422, title)
        self.assertEqual(CustomAttribute.objects.count(), 0)

    def test_a_read_only_key_may_not(self):
        self.assertEqual(self.read_only_api.post(URL, {"name": "x"}).status_code, 403)


class CustomAttributeUpdateTest(CustomAttributesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "office", default="Berlin")

    def test_patch_and_put_change_the_default(self):
        for method in (self.api.patch, self.api.put):
            response = method(f"{URL}/OFFICE", {"default_value": method.__name__})
            self.assertEqual((response.status_code, response.content), (204, b""))
            self.assertEqual(response["Content-Length"], "0")
            self.attribute.refresh_from_db()
            self.assertEqual(self.attribute.value, method.__name__)
        event = Event.objects.filter(event_type="custom_attribute.updated").first()
        self.assertEqual(event.actor_label, "Test key")

    def test_nothing_to_change_is_204_as_well_and_stands_in_no_log(self):
        for parameters in ({}, {"default_value": "Berlin", "secret": False}):
            self.assertEqual(self.api.patch(f"{URL}/office", parameters).status_code, 204)
        self.assertFalse(Event.objects.filter(event_type="custom_attribute.updated").exists())

    def test_it_becomes_secret_and_back(self):
        device = make_device(self.account)
        make_attribute_value(device, self.attribute, "Rome")
        self.assertEqual(self.api.patch(f"{URL}/office", {"secret": True}).status_code, 204)
        self.assertEqual(AttributeValue.objects.get().plain, "")
        self.assertEqual(self.api.patch(f"{URL}/office", {"secret": "False"}).status_code, 204)
        self.assertEqual(AttributeValue.objects.get().plain, "Rome")

    def test_a_key_that_may_not_see_secrets_cannot_open_them_this_way(self):
        self.api.patch(f"{URL}/office", {"secret": True})
        api = self.limited_api(custom_attributes="write", devices="read")
        self.assert_refused(api.patch(f"{URL}/office", {"secret": False}), 403, "may change devices")
        self.assertIs(CustomAttribute.objects.get().is_secret, True)
        self.assertEqual(api.patch(f"{URL}/office", {"default_value": "x"}).status_code, 204)

    def test_of_another_account_it_is_404(self):
        response = self.outsider_api.patch(f"{URL}/office", {"default_value": "theirs"})
        self.assert_refused(response, 404, "object not found")


class CustomAttributeDeleteTest(CustomAttributesTestCase):
    def test_it_goes_with_its_values(self):
        make_attribute_value(make_device(self.account), make_attribute(self.account, "office"))
        response = self.api.delete(f"{URL}/Office")
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual((CustomAttribute.objects.count(), AttributeValue.objects.count()), (0, 0))
        event = Event.objects.get(event_type="custom_attribute.removed")
        self.assertEqual((event.actor_label, event.metadata), ("Test key", {"name": "office"}))

    def test_once_more_and_of_others_it_is_404(self):
        make_attribute(self.account, "office")
        self.assertEqual(self.outsider_api.delete(f"{URL}/office").status_code, 404)
        self.assertEqual(self.api.delete(f"{URL}/office").status_code, 204)
        self.assertEqual(self.api.delete(f"{URL}/office").status_code, 404)
