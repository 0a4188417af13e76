from unittest import mock

from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from tests.base import AccountTestCase
from tests.factories import make_app, make_device, make_installed_app

URL = "/api/v1/apps"


class AppsListTest(AccountTestCase):
    def test_every_kind_has_all_keys(self):
        store = make_app(
            self.account, "Afterlight", store=True, bundle_identifier="com.example.afterlight", version="7.1"
        )
        upload = make_app(self.account, "Surf Report", version="2.2", platform_support="macOS")
        queued = make_app(
            self.account, "App 5", store=True, bundle_identifier="", version="", processing_status="queued"
        )
        attributes = [item["attributes"] for item in self.api.get(URL).json()["data"]]
        self.assertEqual(
            attributes[0],
            {
                "name": "Afterlight",
                "app_type": "app store",
                "itunes_store_id": store.itunes_store_id,
                "bundle_identifier": "com.example.afterlight",
                "version": "7.1",
                "platform_support": "iOS",
                "processing_status": "processed",
                "installation_channels": ["device"],
                "icon_url": None,
            },
        )
        self.assertEqual(attributes[1]["app_type"], "enterprise")
        self.assertEqual(attributes[1]["bundle_identifier"], upload.bundle_identifier)
        self.assertIsNone(attributes[1]["itunes_store_id"])
        self.assertEqual((attributes[1]["version"], attributes[1]["platform_support"]), ("2.2", "macOS"))
        self.assertEqual(attributes[2]["itunes_store_id"], queued.itunes_store_id)
        self.assertEqual((attributes[2]["bundle_identifier"], attributes[2]["version"]), (None, None))
        self.assertEqual(attributes[2]["processing_status"], "queued")

    def test_it_comes_in_pages_and_include_shared_makes_no_difference(self):
        apps = [make_app(self.account, store=True) for _ in range(3)]
        answer = self.api.get(URL, {"limit": 2, "include_shared": "true"}).json()
        self.assertEqual(
            ([item["id"] for item in answer["data"]], answer["has_more"]), ([apps[0].pk, apps[1].pk], True)
        )
        answer = self.api.get(URL, {"starting_after": apps[1].pk, "include_shared": "no matter what"}).json()
        self.assertEqual(([item["id"] for item in answer["data"]], answer["has_more"]), ([apps[2].pk], False))

    def test_the_number_of_statements_does_not_grow_with_the_page(self):
        self.api.get(URL)
        for more in (1, 9):
            for _ in range(more):
                make_app(self.account)
            with self.assertNumQueries(2):
                self.assertEqual(self.api.get(URL).status_code, 200)

    def test_apps_of_others_and_deleted_ones_are_not_in_it(self):
        make_app(self.other_account)
        app = make_app(self.account)
        self.api.delete(f"{URL}/{app.pk}")
        self.assertEqual(self.api.get(URL).json()["data"], [])


class AppRetrieveTest(AccountTestCase):
    def test_one(self):
        app = make_app(self.account)
        data = self.api.get(f"{URL}/{app.pk}").json()["data"]
        self.assertEqual((data["type"], data["id"], data["attributes"]["name"]), ("app", app.pk, app.name))

    def test_what_is_not_there_is_404(self):
        app = make_app(self.account)
        deleted = make_app(self.account)
        self.api.delete(f"{URL}/{deleted.pk}")
        self.assertEqual(self.outsider_api.get(f"{URL}/{app.pk}").status_code, 404)
        self.assertEqual(self.api.get(f"{URL}/{deleted.pk}").status_code, 404)
        self.assertEqual(self.api.get(f"{URL}/0").json(), {"errors": [{"title": "object not found"}]})


class InstallsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.app = make_app(self.account)
        self.url = f"{URL}/{self.app.pk}/installs"

    def install(self, **fields):
        return make_installed_app(make_device(self.account), self.app.bundle_identifier, **fields)

    def test_each_with_its_device(self):
        installed = self.install(name="Deliveries", is_managed=True)
        answer = self.api.get(self.url).json()
        self.assertEqual(
            answer,
            {
                "data": [
                    {
                        "type": "installed_app",
                        "id": installed.pk,
                        "attributes": {
                            "name": "Deliveries",
                            "identifier": self.app.bundle_identifier,
                            "version": "100",
                            "short_version": "1.0",
                            "bundle_size": 1000,
                            "dynamic_size": 10,
                            "managed": True,
                            "discovered_at": mock.ANY,
                            "last_seen_at": mock.ANY,
                        },
                        "relationships": {"device": {"data": {"type": "device", "id": installed.device_id}}},
                    }
                ],
                "has_more": False,
            },
        )

    def test_it_comes_in_pages(self):
        first, second = self.install(), self.install()
        answer = self.api.get(self.url, {"limit": 1}).json()
        self.assertEqual(([item["id"] for item in answer["data"]], answer["has_more"]), ([first.pk], True))
        answer = self.api.get(self.url, {"starting_after": first.pk}).json()
        self.assertEqual(([item["id"] for item in answer["data"]], answer["has_more"]), ([second.pk], False))

    def test_other_apps_removed_devices_and_other_accounts_are_not_in_it(self):
        remove_device(self.install().device, SYSTEM)
        make_installed_app(make_device(self.account))
        make_installed_app(make_device(self.other_account), self.app.bundle_identifier)
        self.assertEqual(self.api.get(self.url).json()["data"], [])

    def test_the_number_of_statements_does_not_grow_with_the_page(self):
        self.api.get(self.url)
        for more in (1, 8):
            for _ in range(more):
                self.install()
            with self.assertNumQueries(4):
                self.assertEqual(self.api.get(self.url).status_code, 200)

    def test_the_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.get(self.url).status_code, 404)
