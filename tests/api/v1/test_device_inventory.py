from datetime import UTC, datetime

from tests.base import AccountTestCase
from tests.factories import make_device, make_device_user, make_installed_app


class InstalledAppsTest(AccountTestCase):
    def test_it_lists_what_the_device_reported(self):
        device = make_device(self.account)
        at = datetime(2021, 12, 22, 21, 0, 57, tzinfo=UTC)
        app = make_installed_app(
            device, "com.example.notes", name="Notes", is_managed=True, discovered_at=at, last_seen_at=at
        )
        make_installed_app(make_device(self.account))
        body = self.api.get(f"/api/v1/devices/{device.pk}/installed_apps").json()
        self.assertEqual(
            body["data"],
            [
                {
                    "type": "installed_app",
                    "id": app.pk,
                    "attributes": {
                        "name": "Notes",
                        "identifier": "com.example.notes",
                        "version": "100",
                        "short_version": "1.0",
                        "bundle_size": 1000,
                        "dynamic_size": 10,
                        "managed": True,
                        "discovered_at": "2021-12-22T21:00:57.000Z",
                        "last_seen_at": "2021-12-22T21:00:57.000Z",
                    },
                }
            ],
        )
        self.assertIs(body["has_more"], False)

    def test_it_has_pages(self):
        device = make_device(self.account)
        apps = [make_installed_app(device) for _ in range(3)]
        body = self.api.get(f"/api/v1/devices/{device.pk}/installed_apps", {"limit": 2}).json()
        self.assertEqual(([row["id"] for row in body["data"]], body["has_more"]), ([a.pk for a in apps[:2]], True))


class UsersTest(AccountTestCase):
    def test_a_mac_has_users(self):
        device = make_device(self.account, platform="macOS")
        user = make_device_user(device, "userone", full_name="User One", uid=501, secure_token=True, logged_in=True)
        row = self.api.get(f"/api/v1/devices/{device.pk}/users").json()["data"][0]
        self.assertEqual((row["type"], row["id"]), ("device_user", user.pk))
        self.assertEqual(
            row["attributes"],
            {
                "username": "userone",
                "full_name": "User One",
                "uid": 501,
                "user_guid": None,
                "data_quota": None,
                "data_used": None,
                "data_to_sync": False,
                "secure_token": True,
                "logged_in": True,
                "mobile_account": False,
            },
        )

    def test_anything_else_is_422(self):
        for device in (make_device(self.account), make_device(self.account, enrolled=False)):
            self.assertEqual(self.api.get(f"/api/v1/devices/{device.pk}/users").status_code, 422)
