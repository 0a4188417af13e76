"""The command that installs an app, and the addresses in it."""

import time
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import urlsplit

from apps_catalog.models import App, AppType
from apps_catalog.services.delivery import (
    NoSuchAddress,
    NotDeliverable,
    download_url,
    install_request,
    manifest,
    manifest_url,
    supports,
    version_of_file,
    version_of_manifest,
)
from devices.services.sending import target_of
from mdm.protocol.request_types import check_target, to_command
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.factories.packages import build_ipa, build_pkg, make_uploaded


class DeliveryTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.iphone = make_device(self.account)
        self.mac = make_device(self.account, platform="macOS")

    def app(self, app_type=AppType.ENTERPRISE, **fields) -> App:
        values = {"name": "Surf Report", "platform_support": "iOS", **fields}
        return App.objects.create(account=self.account, app_type=app_type, **values)

    def store_app(self, **fields) -> App:
        return self.app(AppType.STORE, **{"itunes_store_id": 1090161858, **fields})

    def command(self, app, device, **options) -> dict:
        """As the device gets it; the catalogue of commands must agree that it can obey."""
        request = install_request(app, device, **options)
        check_target(request.request_type, request.parameters, target_of(device))
        return to_command(request.request_type, request.parameters)


class InstallRequestTest(DeliveryTest):
    def test_a_store_app_on_an_iphone(self):
        self.assertEqual(
            self.command(self.store_app(), self.iphone),
            {
                "RequestType": "InstallApplication",
                "iTunesStoreID": 1090161858,
                "Options": {"PurchaseMethod": 0},
                "ManagementFlags": 1,
            },
        )

    def test_a_store_app_on_a_mac_is_installed_as_managed(self):
        command = self.command(self.store_app(platform_support="macOS"), self.mac)
        self.assertEqual((command["InstallAsManaged"], command["ManagementFlags"]), (True, 1))

    def test_macs_without_managed_apps_are_not_asked_for_one(self):
        app = self.store_app(platform_support="macOS")
        old = make_device(self.account, platform="macOS", os_version="10.15.7")
        personal = make_device(self.account, platform="macOS", is_user_enrollment=True)
        for device in (old, personal):
            command = self.command(app, device, configuration={"a": 1})
            self.assertEqual(set(command), {"RequestType", "iTunesStoreID", "Options"})

    def test_the_configuration_comes_along_with_its_types(self):
        moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
        values = {"server": "x", "count": 2, "ratio": 0.5, "on": False, "since": moment, "list": [1, 2]}
        self.assertEqual(self.command(self.store_app(), self.iphone, configuration=values)["Configuration"], values)
        self.assertNotIn(
            "Configuration", self.command(self.store_app(itunes_store_id=7), self.iphone, configuration={})
        )

    def test_an_ipa_is_named_by_its_manifest(self):
        app = self.app()
        version = make_uploaded(app, build_ipa())
        command = self.command(app, self.iphone, configuration={"a": 1})
        token = urlsplit(command.pop("ManifestURL")).path.removeprefix("/apps/manifests/").removesuffix(".plist")
        self.assertEqual(version_of_manifest(token), version)
        self.assertEqual(
            command, {"RequestType": "InstallApplication", "ManagementFlags": 1, "Configuration": {"a": 1}}
        )

    def test_a_package_brings_its_manifest_inside(self):
        app = self.app(platform_support="macOS")
        version = make_uploaded(app, build_pkg())
        command = self.command(app, self.mac, configuration={"a": 1})
        self.assertEqual(set(command), {"RequestType", "Manifest"})
        self.assertEqual(command["RequestType"], "InstallEnterpriseApplication")
        (item,) = command["Manifest"]["items"]
        self.assertEqual(item["assets"][0]["sha256s"], [version.sha256])
        self.assertEqual(item["metadata"]["bundle-identifier"], "com.example.tool")

    def test_the_newest_version_counts_unless_one_is_given(self):
        app = self.app(platform_support="macOS")
        old = make_uploaded(app, build_pkg(version="1"))
        make_uploaded(app, build_pkg(version="2"))

        def told(**options):
            return self.command(app, self.mac, **options)["Manifest"]["items"][0]["metadata"]["bundle-version"]

        self.assertEqual((told(), told(version=old)), ("2", "1"))

    def test_what_cannot_be_installed_says_why(self):
        iphone_app, mac_app = self.app(), self.app(platform_support="macOS")
        removed = self.app(removed_at=datetime(2024, 1, 1, tzinfo=UTC))
        for app, device, words in (
            (iphone_app, self.iphone, "No file of Surf Report was uploaded."),
            (iphone_app, self.mac, "Surf Report is not for Mac devices."),
            (mac_app, self.iphone, "Surf Report is not for iPhone and iPad devices."),
            (mac_app, make_device(self.account, enrolled=False), "Surf Report is not for Unknown devices."),
            (removed, self.iphone, "Surf Report was removed from the catalogue."),
            (self.store_app(itunes_store_id=None), self.iphone, "The App Store ID of Surf Report is not known."),
        ):
            with self.subTest(words), self.assertRaisesMessage(NotDeliverable, words):
                install_request(app, device)


class SupportsTest(DeliveryTest):
    def test_the_platforms_must_be_the_same(self):
        tv, unknown = make_device(self.account, platform="tvOS"), make_device(self.account, enrolled=False)
        apps = [self.app(platform_support=name) for name in ("iOS", "macOS", "tvOS")]
        devices = [self.iphone, self.mac, tv, unknown]
        with self.assertNumQueries(0):
            found = [[supports(app, device) for device in devices] for app in apps]
        self.assertEqual(found, [[True, False, False, False], [False, True, False, False], [False, False, True, False]])

    def test_a_store_app_whose_platform_nobody_told_is_for_all(self):
        app = self.store_app(platform_support="")
        self.assertTrue(supports(app, self.iphone))
        self.assertTrue(supports(app, self.mac))
        self.assertFalse(supports(self.app(platform_support=""), self.mac))


class AddressTest(DeliveryTest):
    def setUp(self):
        super().setUp()
        self.version = make_uploaded(self.app(platform_support="macOS"), build_pkg(identifier="com.example.tool_1"))

    def token(self) -> str:
        return download_url(self.version).split("/")[-2]

    def test_they_are_absolute_and_end_as_devices_want_it(self):
        with self.settings(BASE_URL="https://mdm.example.com"):
            self.assertRegex(
                download_url(self.version),
                r"\Ahttps://mdm\.example\.com/apps/files/[A-Za-z0-9_.-]+/com\.example\.tool_1\.pkg\Z",
            )
            self.assertRegex(manifest_url(self.version), r"\Ahttps://mdm\.example\.com/apps/manifests/[\w.-]+\.plist\Z")

    def test_the_manifest_names_the_file(self):
        (item,) = manifest(self.version)["items"]
        token = urlsplit(item["assets"][0]["url"]).path.split("/")[-2]
        self.assertEqual(version_of_file(token), self.version)

    def test_a_token_opens_one_door_only(self):
        with self.assertRaises(NoSuchAddress) as caught:
            version_of_manifest(self.token())
        self.assertFalse(caught.exception.has_expired)

    def test_forged_tokens_open_nothing(self):
        token = self.token()
        other = f"{self.version.pk + 1}.{token.split('.', 1)[1]}"
        for forged in ("", "x", "1.2.3", token[:-1], token + "A", other, f"{self.version.pk}", "é"):
            with self.subTest(forged), self.assertRaises(NoSuchAddress):
                version_of_file(forged)

    def test_they_expire(self):
        token = self.token()
        with self.settings(APP_URL_LIFETIME_SECONDS=60):
            with mock.patch("django.core.signing.time.time", return_value=time.time() + 50):
                self.assertEqual(version_of_file(token), self.version)
            later = mock.patch("django.core.signing.time.time", return_value=time.time() + 70)
            with later, self.assertRaises(NoSuchAddress) as caught:
                version_of_file(token)
        self.assertTrue(caught.exception.has_expired)
