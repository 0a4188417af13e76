import time
from unittest.mock import patch

from django.test import RequestFactory, SimpleTestCase, override_settings
from rest_framework.response import Response

from api.errors import bad_request, server_error
from apps_catalog.packages.errors import BadPackage
from apps_catalog.services.errors import CatalogError
from devices.services.errors import DeviceError, NotPossible
from enrollment.services.errors import EnrollmentError
from mdm.events.webhooks import WebhookError
from mdm.protocol.errors import ProtocolError
from tests.base import AccountTestCase
from tests.factories import make_device


class ErrorShapeTest(AccountTestCase):
    def titles(self, response) -> list[str]:
        self.assertEqual(response["Content-Type"], "application/json")
        return [error["title"] for error in response.json()["errors"]]

    def test_unknown_object(self):
        response = self.api.get("/api/v1/devices/999999")
        self.assertEqual((response.status_code, self.titles(response)), (404, ["object not found"]))

    def test_ids_that_are_no_ids(self):
        for pk in ("abc", "-1", "1.5", "9" * 30, "%00", "١"):
            response = self.api.get(f"/api/v1/devices/{pk}")
            self.assertEqual((response.status_code, self.titles(response)), (404, ["object not found"]), pk)

    def test_names_that_no_row_can_have(self):
        for path in ("/api/v1/logs/%00", "/v1/commands/a%00b", "/push/%00"):
            self.assertEqual(self.api.get(path).status_code, 404, path)

    def test_unknown_path(self):
        for path in ("/api", "/api/", "/api/v1/nothing", "/api/v2/devices", "/v1/nothing", "/push/", "/v1/"):
            for send in (self.api.get, self.api.post):
                response = send(path)
                self.assertEqual((response.status_code, self.titles(response)), (404, ["object not found"]), path)

    def test_method_not_allowed(self):
        response = self.api.delete("/api/v1/account")
        self.assertEqual(response.status_code, 405)
        self.assertEqual(len(self.titles(response)), 1)
        self.assertIn("GET", response["Allow"])

    def test_options_is_no_method_of_the_api(self):
        response = self.api.request("OPTIONS", "/api/v1/devices")
        self.assertEqual(response.status_code, 405)

    def test_not_acceptable(self):
        response = self.api.get("/api/v1/account", headers={"Accept": "text/csv"})
        self.assertEqual(response.status_code, 406)
        self.assertEqual(len(self.titles(response)), 1)

    def test_an_empty_accept_header_accepts_anything(self):
        self.assertEqual(self.api.get("/api/v1/account", headers={"Accept": ""}).status_code, 200)

    def test_a_parameter_called_format_is_no_concern_of_ours(self):
        self.assertEqual(self.api.get("/api/v1/devices", {"format": "csv"}).status_code, 200)

    def test_every_wrong_parameter_has_its_sentence(self):
        response = self.api.patch("/api/v1/account", {"name": "", "apple_store_country_code": "Austria"})
        self.assertEqual(response.status_code, 422)
        titles = self.titles(response)
        self.assertEqual(len(titles), 2)
        self.assertTrue(titles[0].startswith("name: "))
        self.assertTrue(titles[1].startswith("apple_store_country_code: "))

    def test_what_nobody_foresaw_is_logged_and_tells_nothing(self):
        with (
            patch("api.v1.account.AccountView._answer", side_effect=RuntimeError("secret detail")),
            self.assertLogs("api.errors", "ERROR") as logged,
        ):
            response = self.api.get("/api/v1/account")
        self.assertEqual((response.status_code, self.titles(response)), (500, ["Internal server error"]))
        self.assertNotIn("secret detail", response.content.decode())
        self.assertIn("secret detail", "\n".join(logged.output))

    def test_a_body_that_cannot_be_read(self):
        for body, content_type in (
            (b"{", "application/json"),
            (b"[]", "application/json"),
            (b'{"a": 1, "a": 2}', "application/json"),
            (b"\xff", "application/json"),
            (b"--x\r\n", 'multipart/form-data; boundary="' + "x" * 300 + '"'),
        ):
            response = self.api.request("PATCH", "/api/v1/account", body, content_type)
            self.assertEqual((response.status_code, len(self.titles(response))), (400, 1), body)

    def test_no_key(self):
        response = self.anonymous_api.get("/api/v1/devices")
        self.assertEqual((response.status_code, self.titles(response)), (401, ["Unauthorized"]))
        self.assertIn("Basic", response["WWW-Authenticate"])

    def test_a_key_that_may_not(self):
        response = self.read_only_api.patch("/api/v1/account", {"name": "x"})
        self.assertEqual((response.status_code, self.titles(response)), (403, ["This API key is read-only."]))

    def test_without_a_length(self):
        response = self.api.request(
            "POST", "/api/v1/devices", b"", "application/json", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH=""
        )
        self.assertEqual(
            (response.status_code, self.titles(response)), (411, ["Send the request with a Content-Length."])
        )

    def test_too_large(self):
        for path in ("/api/v1/devices", "/v1/commands"):
            response = self.api.request("POST", path, b"{}", "application/json", CONTENT_LENGTH="99999999999")
            self.assertEqual(response.status_code, 413, path)
            self.assertIn("is larger than", self.titles(response)[0])

    def test_a_type_that_is_not_read(self):
        response = self.api.request("POST", "/api/v1/devices", b"<a/>", "text/xml")
        self.assertEqual(response.status_code, 415)
        self.assertIn("text/xml is not supported", self.titles(response)[0])

    def test_too_often(self):
        device = make_device(self.account)
        self.api.post(f"/api/v1/devices/{device.pk}/refresh")
        response = self.api.post(f"/api/v1/devices/{device.pk}/refresh")
        self.assertEqual((response.status_code, len(self.titles(response))), (429, 1))
        self.assertTrue(1 <= int(response["Retry-After"]) <= 30)
        self.assertGreater(int(response["X-RateLimit-Reset"]), time.time())

    def test_named_errors_of_every_package_are_422_with_their_sentence(self):
        for error in (DeviceError, NotPossible, EnrollmentError, ProtocolError, CatalogError, BadPackage, WebhookError):
            with patch("api.v1.account.AccountView._answer", side_effect=error("It is raining.")):
                response = self.api.get("/api/v1/account")
            self.assertEqual((response.status_code, self.titles(response)), (422, ["It is raining."]), error)

    def test_what_cannot_be_written_as_json_is_500(self):
        """It fails behind the view, when the answer is rendered."""
        with (
            patch("api.v1.account.AccountView._answer", return_value=Response({"data": {object(): 1}})),
            self.assertLogs("django.request", "ERROR"),
        ):
            response = self.api.get("/api/v1/account")
        self.assertEqual((response.status_code, self.titles(response)), (500, ["Internal server error"]))

    def test_methods_that_a_path_does_not_know(self):
        for method, path in (
            ("PUT", "/api/v1/account"),
            ("POST", "/api/v1/logs"),
            ("TRACE", "/api/v1/logs"),
            ("PATCH", "/v1/commands"),
        ):
            response = self.api.request(method, path, b"{}", "application/json")
            self.assertEqual((response.status_code, len(self.titles(response))), (405, 1), path)
            self.assertTrue(response["Allow"], path)

    def test_an_answer_to_head_has_the_status_and_no_body(self):
        for path, status in (("/api/v1/account", 200), ("/api/v1/devices/999999", 404)):
            response = self.api.request("HEAD", path)
            self.assertEqual((response.status_code, response.content), (status, b""))

    def test_the_raw_endpoint_has_both_shapes(self):
        response = self.anonymous_api.post("/v1/commands")
        self.assertEqual(response.status_code, 401)
        self.assertEqual(response.json(), {"error": "Unauthorized", "errors": [{"title": "Unauthorized"}]})


class ProjectHandlerTest(SimpleTestCase):
    """What fails before or outside the API's own views."""

    def test_api_paths_get_json(self):
        request = RequestFactory().get("/api/v1/account")
        self.assertJSONEqual(server_error(request).content, {"errors": [{"title": "Internal server error"}]})
        response = bad_request(request, ValueError())
        self.assertEqual(response.status_code, 400)
        self.assertIn("errors", response.content.decode())

    def test_other_paths_get_pages(self):
        response = server_error(RequestFactory().get("/admin/"))
        self.assertEqual(response.status_code, 500)
        self.assertIn("html", response["Content-Type"])


class OutsideViewsTest(AccountTestCase):
    def test_a_host_that_is_not_ours_is_refused_in_json(self):
        with override_settings(ALLOWED_HOSTS=["pomona.example.com"]), self.assertLogs("django.security", "ERROR"):
            response = self.api.get("/api/v1/account", headers={"Host": "elsewhere.example.com"})
        self.assertEqual((response.status_code, len(response.json()["errors"])), (400, 1))

    def test_a_failure_in_a_middleware_is_json(self):
        with (
            patch("mdm.accounts.middleware.CurrentAccount.__call__", side_effect=RuntimeError("detail")),
            self.assertLogs("django.request", "ERROR"),
        ):
            response = self.api.get("/api/v1/account")
        self.assertEqual(
            (response.status_code, response.json()), (500, {"errors": [{"title": "Internal server error"}]})
        )

    def test_too_many_fields_are_refused_in_json(self):
        fields = "&".join(f"a{n}=1" for n in range(3000))
        response = self.api.request("POST", "/api/v1/devices", fields.encode(), "application/x-www-form-urlencoded")
        self.assertEqual((response.status_code, len(response.json()["errors"])), (400, 1))
        response = self.api.get(f"/api/v1/devices?{fields}")
        self.assertEqual((response.status_code, len(response.json()["errors"])), (400, 1))

    def test_a_failure_before_the_view_is_json(self):
        with patch("api.views.ApiView.initialize_request", side_effect=RuntimeError("detail")):
            response = self.api.get("/api/v1/account")
        self.assertEqual(
            (response.status_code, response.json()), (500, {"errors": [{"title": "Internal server error"}]})
        )
