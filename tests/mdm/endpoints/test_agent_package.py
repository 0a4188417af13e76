"""/mdm/agent/package: Macs fetch the agent."""

from unittest import mock

from django.core.files.storage import Storage, default_storage
from django.test import Client

from devices.models import AgentPackage
from devices.services.agent_package import build_packages, current_package
from devices.services.agent_rollout import package_url
from tests.base import AccountTestCase


class Elsewhere(Storage):
    """Has no paths, as all that are not on this machine."""

    def url(self, name):
        return f"https://bucket.example.com/signed/{name}"


class AgentPackageTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        build_packages()
        self.package = current_package(self.account)
        self.path = package_url(self.package).removeprefix("https://mdm.example.com")
        with default_storage.open(self.package.file.name) as file:
            self.content = file.read()
        self.http = Client(enforce_csrf_checks=True)

    def get(self, path: str = "", **headers: str):
        return self.http.get(path or self.path, headers=headers)

    def test_the_whole_file_without_cookies(self):
        response = self.get()
        self.assertEqual((response.status_code, response.getvalue()), (200, self.content))
        self.assertEqual(response["Content-Type"], "application/octet-stream")
        self.assertEqual(response["Content-Length"], str(self.package.size))
        self.assertEqual(self.http.cookies, {})

    def test_only_its_head(self):
        response = self.http.head(self.path)
        self.assertEqual((response.status_code, response.content), (200, b""))
        self.assertEqual((response["Content-Length"], response["Accept-Ranges"]), (str(self.package.size), "bytes"))

    def test_a_range_and_one_that_it_does_not_have(self):
        response = self.get(Range="bytes=10-19")
        self.assertEqual((response.status_code, response.getvalue()), (206, self.content[10:20]))
        self.assertEqual(response["Content-Range"], f"bytes 10-19/{self.package.size}")
        self.assertEqual(self.get(Range="bytes=99999999-").status_code, 416)

    def test_what_the_mac_has_already(self):
        self.assertEqual(self.get(**{"If-None-Match": f'"{self.package.sha256}"'}).status_code, 304)

    def test_names_that_are_none(self):
        for name in (
            "nonsense",
            "a" * 500,
            "ä",
            "%00",
            self.package.secret_name.swapcase(),
            self.package.secret_name[:-1],
        ):
            self.assertEqual(self.get(f"/mdm/agent/package/{name}.pkg").status_code, 404, name)
        self.assertEqual(self.get(f"/mdm/agent/package/{self.package.secret_name}").status_code, 404)

    def test_other_methods(self):
        response = self.http.post(self.path)
        self.assertEqual((response.status_code, response["Allow"]), (405, "GET, HEAD"))

    def test_a_package_that_is_gone(self):
        AgentPackage.objects.all().delete()
        self.assertEqual(self.get().status_code, 404)

    def test_a_file_that_is_missing_from_the_storage(self):
        default_storage.delete(self.package.file.name)
        with self.assertLogs("mdm.endpoints.agent_package", "ERROR") as logged:
            self.assertEqual(self.get().status_code, 404)
        self.assertNotIn(self.package.secret_name, logged.output[0])

    def test_a_storage_elsewhere_sends_the_file_itself(self):
        with mock.patch("mdm.common.stored_files.default_storage", Elsewhere()):
            response = self.get()
        self.assertEqual(response.status_code, 302)
        self.assertTrue(response["Location"].startswith("https://bucket.example.com/signed/agents/"))
