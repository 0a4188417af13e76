from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device

URL = "/api/v1/account"


class AccountShowTest(AccountTestCase):
    def test_it_shows_name_and_country(self):
        response = self.api.get(URL)
        self.assertEqual(
            response.json(),
            {"data": {"type": "account", "attributes": {"name": "Acme", "apple_store_country_code": "US"}}},
        )

    def test_licenses_are_counted_when_there_is_a_limit(self):
        self.account.license_total = 5
        self.account.save()
        make_device(self.account)
        make_device(self.account, enrolled=False)
        make_device(self.other_account)
        attributes = self.api.get(URL).json()["data"]["attributes"]
        self.assertEqual(attributes["subscription"], {"licenses": {"total": 5, "available": 4}})

    def test_fewer_licenses_than_devices_leave_none(self):
        self.account.license_total = 0
        self.account.save()
        make_device(self.account)
        attributes = self.api.get(URL).json()["data"]["attributes"]
        self.assertEqual(attributes["subscription"]["licenses"], {"total": 0, "available": 0})

    def test_it_has_a_weak_entity_tag(self):
        response = self.api.get(URL)
        self.assertRegex(response["ETag"], r'^W/"[0-9a-f]{32}"$')
        again = self.api.get(URL, headers={"If-None-Match": response["ETag"]})
        self.assertEqual((again.status_code, again.content), (304, b""))
        self.assertEqual(self.api.get(URL, headers={"If-None-Match": 'W/"0"'}).status_code, 200)


class AccountUpdateTest(AccountTestCase):
    def assert_changed(self, response, **expected):
        self.assertEqual(response.status_code, 200, response.content)
        for name, value in expected.items():
            self.assertEqual(response.json()["data"]["attributes"][name], value)
        self.account.refresh_from_db()
        self.assertEqual(self.account.apple_store_country_code, expected.get("apple_store_country_code", "US"))

    def test_every_encoding_does(self):
        self.assert_changed(self.api.patch(URL, json={"name": "A"}), name="A")
        self.assert_changed(self.api.patch(f"{URL}/?name=B"), name="B")
        form = "application/x-www-form-urlencoded"
        self.assert_changed(self.api.request("PATCH", URL, b"name=C", form), name="C")
        self.assert_changed(self.api.post(URL, {"_method": "PATCH", "name": "D"}), name="D")
        self.assert_changed(self.api.request("POST", URL, b"_method=patch&name=E", form), name="E")
        self.assert_changed(self.api.post(f"{URL}?_method=PATCH", json={"name": "F"}), name="F")

    def test_the_country_is_two_letters(self):
        self.assert_changed(self.api.patch(URL, {"apple_store_country_code": "au"}), apple_store_country_code="AU")
        response = self.api.patch(URL, {"apple_store_country_code": "Austria"})
        self.assertEqual(response.status_code, 422)

    def test_it_is_logged_once_with_the_key(self):
        self.api.patch(URL, {"name": "Changed"})
        self.api.patch(URL, {"name": "Changed"})
        event = Event.objects.get(event_type="account.updated")
        self.assertEqual((event.api_key, event.actor_label, event.source), (self.api_key, "Test key", "api"))

    def test_nothing_to_change_is_fine(self):
        self.assert_changed(self.api.patch(URL), name="Acme")

    def test_a_plain_post_is_no_change(self):
        self.assertEqual(self.api.post(URL, {"name": "X"}).status_code, 405)
