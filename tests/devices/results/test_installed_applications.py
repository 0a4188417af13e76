import plistlib

from devices.models import InstalledApp
from devices.results import installed_applications
from tests.devices.results.base import ResultTestCase

PAGES = {
    "Identifier": "com.apple.Pages",
    "Name": "Pages",
    "Version": "7029",
    "ShortVersion": "14.1",
    "BundleSize": 612_345,
}
CHROME = {"Identifier": "com.google.Chrome", "Name": "Google Chrome", "Version": "126.0", "BundleSize": 2**40}


class InstalledApplicationsTest(ResultTestCase):
    def list_apps(self, device, *apps, **options):
        return self.tell(device, "InstalledApplicationList", {"InstalledApplicationList": list(apps)}, **options)

    def stored(self, device):
        return {app.identifier: app for app in InstalledApp.objects.filter(device=device)}

    def test_the_list_becomes_rows(self):
        self.assert_read(self.list_apps(self.phone, PAGES, {**CHROME, "IsAppStoreVendable": True, "DynamicSize": 5}))
        apps = self.stored(self.phone)
        pages, chrome = apps["com.apple.Pages"], apps["com.google.Chrome"]
        self.assertEqual((pages.name, pages.version, pages.short_version), ("Pages", "7029", "14.1"))
        self.assertEqual((pages.bundle_size, chrome.bundle_size, chrome.dynamic_size), (612_345, 2**40, 5))
        self.assertEqual(chrome.details, {"IsAppStoreVendable": True})
        self.assertEqual(pages.account, self.account)

    def test_the_next_list_replaces_it_and_keeps_known_rows(self):
        self.list_apps(self.phone, PAGES, CHROME)
        first = self.stored(self.phone)["com.apple.Pages"]
        self.list_apps(self.phone, {**PAGES, "ShortVersion": "14.2"})
        apps = self.stored(self.phone)
        self.assertEqual(list(apps), ["com.apple.Pages"])
        self.assertEqual((apps["com.apple.Pages"].pk, apps["com.apple.Pages"].short_version), (first.pk, "14.2"))
        self.assertEqual(apps["com.apple.Pages"].discovered_at, first.discovered_at)

    def test_an_empty_list_means_no_apps_and_a_missing_one_means_nothing(self):
        self.list_apps(self.phone, PAGES)
        for answer in ({}, {"InstalledApplicationList": {"Identifier": "x"}}):
            self.assert_read(self.tell(self.phone, "InstalledApplicationList", answer))
        self.assertEqual(len(self.stored(self.phone)), 1)
        self.list_apps(self.phone)
        self.assertEqual(self.stored(self.phone), {})

    def test_a_repeat_is_harmless(self):
        for _ in range(3):
            self.assert_read(self.list_apps(self.phone, PAGES, CHROME, PAGES))
        self.assertEqual(len(self.stored(self.phone)), 2)

    def test_a_mac_may_have_copies_of_one_app(self):
        self.list_apps(self.mac, CHROME, {**CHROME, "Version": "125.0"}, {"Name": "No identifier", "Version": "1"})
        self.assertEqual(InstalledApp.objects.filter(device=self.mac).count(), 3)

    def test_a_list_of_some_apps_that_an_operators_own_plist_asked_for_touches_only_those(self):
        self.list_apps(self.phone, PAGES, CHROME)
        for identifiers in (["com.apple.Pages"], ["com.apple.Pages", 5]):
            own = plistlib.dumps({"RequestType": "InstalledApplicationList", "Identifiers": identifiers})
            self.assert_read(self.list_apps(self.phone, PAGES, raw_plist=own))
            self.assertEqual(set(self.stored(self.phone)), {"com.apple.Pages", "com.google.Chrome"})

    def test_a_list_of_some_apps_touches_only_those(self):
        self.list_apps(self.phone, PAGES, CHROME)
        self.list_apps(self.phone, {**PAGES, "ShortVersion": "15"}, parameters={"Identifiers": ["com.apple.Pages"]})
        apps = self.stored(self.phone)
        self.assertEqual(set(apps), {"com.apple.Pages", "com.google.Chrome"})
        self.assertEqual(apps["com.apple.Pages"].short_version, "15")

    def test_a_list_of_some_apps_replaces_their_former_versions_and_drops_those_that_are_gone(self):
        self.list_apps(self.phone, PAGES, CHROME)
        newer = {**PAGES, "Version": "7030"}
        self.list_apps(self.phone, newer, parameters={"Identifiers": ["com.apple.Pages", "com.google.Chrome"]})
        self.assertEqual([app.version for app in InstalledApp.objects.filter(device=self.phone)], ["7030"])

    def test_a_list_of_managed_apps_replaces_former_versions_of_these_only(self):
        self.list_apps(self.mac, PAGES, CHROME, parameters={"ManagedAppsOnly": True})
        self.list_apps(self.mac, {**CHROME, "Version": "125.0"}, parameters={"Identifiers": ["com.google.Chrome"]})
        InstalledApp.objects.filter(version="125.0").update(is_managed=False)
        self.list_apps(self.mac, {**PAGES, "Version": "7030"}, parameters={"ManagedAppsOnly": True})
        self.assertEqual(set(InstalledApp.objects.values_list("version", flat=True)), {"7030", "125.0"})

    def test_a_removed_app_leaves_the_list(self):
        self.list_apps(self.phone, PAGES, CHROME)
        self.assert_read(self.tell(self.phone, "RemoveApplication", {}, parameters={"Identifier": "com.apple.Pages"}))
        self.assertEqual(set(self.stored(self.phone)), {"com.google.Chrome"})

    def test_of_a_mac_the_managed_copy_alone_is_removed(self):
        self.list_apps(self.mac, CHROME, {**CHROME, "Version": "125.0"})
        InstalledApp.objects.filter(version="125.0").update(is_managed=True)
        self.tell(self.mac, "RemoveApplication", {}, parameters={"Identifier": "com.google.Chrome"})
        self.assertEqual(InstalledApp.objects.get().version, "126.0")

    def test_a_list_of_managed_apps_marks_them(self):
        self.list_apps(self.phone, PAGES, CHROME)
        self.list_apps(self.phone, PAGES, parameters={"ManagedAppsOnly": True})
        self.assertEqual(
            {name: app.is_managed for name, app in self.stored(self.phone).items()},
            {"com.apple.Pages": True, "com.google.Chrome": False},
        )
        # A full list does not say which are managed: that stays as it was.
        self.list_apps(self.phone, PAGES, CHROME)
        self.assertTrue(self.stored(self.phone)["com.apple.Pages"].is_managed)

    def test_managed_application_list_says_who_is_managed(self):
        self.list_apps(self.phone, PAGES, CHROME)
        states = {"com.apple.Pages": {"Status": "Managed"}, "com.google.Chrome": {"Status": "UserRejected"}}
        self.assert_read(self.tell(self.phone, "ManagedApplicationList", {"ManagedApplicationList": states}))
        self.assertEqual([app.is_managed for app in self.stored(self.phone).values()], [True, False])
        self.tell(self.phone, "ManagedApplicationList", {"ManagedApplicationList": {}})
        self.assertEqual([app.is_managed for app in self.stored(self.phone).values()], [False, False])

    def test_a_managed_application_list_of_some_or_none_leaves_the_others(self):
        self.list_apps(self.phone, PAGES, CHROME)
        InstalledApp.objects.update(is_managed=True)
        self.tell(
            self.phone,
            "ManagedApplicationList",
            {"ManagedApplicationList": {"com.apple.Pages": {"Status": "Managed"}}},
            parameters={"Identifiers": ["com.apple.Pages"]},
        )
        self.tell(self.phone, "ManagedApplicationList", {"ManagedApplicationList": ["x"]})
        self.tell(self.phone, "ManagedApplicationList", {})
        self.assertEqual([app.is_managed for app in self.stored(self.phone).values()], [True, True])

    def test_hostile_entries_are_cut_or_passed_over(self):
        command = self.list_apps(
            self.phone,
            "not a dictionary",
            {},
            {"Identifier": 7, "Name": ["x"]},
            {"Identifier": "i" * 4000, "Name": "n" * 4000, "Version": "v" * 4000, "BundleSize": 2**63, "Nested": [[1]]},
            {"Identifier": "com.example.a", "BundleSize": "big", "IsAppManaged": "yes"},
        )
        self.assert_read(command)
        sizes = {app.bundle_size for app in self.stored(self.phone).values()}
        self.assertEqual(sizes, {None})
        self.assertIn("i" * 255, self.stored(self.phone))
        states = {"x" * 4000: {"Status": "Managed"}, "y": "Managed", "z": {"Status": ["Managed"]}}
        self.assert_read(self.tell(self.phone, "ManagedApplicationList", {"ManagedApplicationList": states}))

    def test_a_users_list_does_not_replace_the_devices(self):
        self.list_apps(self.mac, PAGES)
        self.list_apps(self.mac, user_key="USER")
        self.assertEqual(set(self.stored(self.mac)), {"com.apple.Pages"})

    def test_the_number_of_statements_does_not_grow_with_the_list(self):
        def answer(count, version):
            apps = [{"Identifier": f"com.example.{n}", "Version": "1", "ShortVersion": version} for n in range(count)]
            return {"InstalledApplicationList": apps}

        command = self.list_apps(self.phone)
        self.assertFalse(command.channel.is_user_channel)  # loads the channel before the counting
        for size in (3, 40):
            installed_applications.apply(self.phone, answer(size, "1"), command)
            with self.assertNumQueries(2):
                installed_applications.apply(self.phone, answer(size, "2"), command)
