from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_attribute, make_attribute_value, make_device


class ValuePagesTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        device, group = make_device(self.account), make_assignment_group(self.account)
        for number in range(12):
            make_attribute(self.account, f"a{number:02}", default=str(number))
        make_attribute_value(device, make_attribute(self.account, "last"), "here")
        self.url = f"/api/v1/devices/{device.pk}/custom_attribute_values"
        self.urls = (
            self.url,
            f"/api/v1/device_groups/{self.group.pk}/custom_attribute_values",
            f"/api/v1/assignment_groups/{group.pk}/custom_attribute_values",
        )

    def names(self, url: str, **query: object) -> tuple[list[str], bool]:
        response = self.api.get(url, query)
        self.assertEqual(response.status_code, 200, response.content)
        body = response.json()
        return [row["id"] for row in body["data"]], body["has_more"]

    def test_whoever_asks_for_no_page_gets_all(self):
        for url in self.urls:
            names, has_more = self.names(url)
            self.assertEqual((len(names), has_more), (13, False))

    def test_pages(self):
        for url in self.urls:
            self.assertEqual(self.names(url, limit=2), (["a00", "a01"], True))
            self.assertEqual(self.names(url, limit=2, page=2), (["a02", "a03"], True))
            self.assertEqual(self.names(url, limit=5, starting_after="A10"), (["a11", "last"], False))
            self.assertEqual(self.names(url, starting_after="last"), ([], False))
            names, has_more = self.names(url, starting_after="0")
            self.assertEqual((len(names), has_more), (10, True))
            self.assertEqual(self.api.get(url, {"starting_after": "other"}).status_code, 404)

    def test_values_are_those_of_the_device(self):
        row = self.api.get(self.url, {"starting_after": "a11", "limit": 100}).json()["data"][0]
        self.assertEqual((row["attributes"]["value"], row["attributes"]["source"]), ("here", "device"))
