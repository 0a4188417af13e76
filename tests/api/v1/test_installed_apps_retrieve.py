from datetime import UTC, datetime

from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from tests.base import AccountTestCase
from tests.factories import make_device, make_installed_app

URL = "/api/v1/installed_apps"


class RetrieveInstalledAppTest(AccountTestCase):
    def test_it_tells_what_the_device_reported(self):
        at = datetime(2021, 12, 22, 21, 0, 57, tzinfo=UTC)
        app = make_installed_app(
            make_device(self.account), "com.example.notes", name="", version="", discovered_at=at, last_seen_at=at
        )
        self.assertEqual(
            self.api.get(f"{URL}/{app.pk}").json()["data"],
            {
                "type": "installed_app",
                "id": app.pk,
                "attributes": {
                    "name": "com.example.notes",
                    "identifier": "com.example.notes",
                    "version": None,
                    "short_version": "1.0",
                    "bundle_size": 1000,
                    "dynamic_size": 10,
                    "managed": False,
                    "discovered_at": "2021-12-22T21:00:57.000Z",
                    "last_seen_at": "2021-12-22T21:00:57.000Z",
                },
            },
        )

    def test_apps_of_others_and_of_removed_devices_are_404(self):
        device = make_device(self.account)
        app = make_installed_app(device)
        self.assertEqual(self.outsider_api.get(f"{URL}/{app.pk}").status_code, 404)
        self.assertEqual(self.api.get(f"{URL}/0").status_code, 404)
        remove_device(device, SYSTEM)
        self.assertEqual(self.api.get(f"{URL}/{app.pk}").status_code, 404)
