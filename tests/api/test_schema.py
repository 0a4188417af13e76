import json

from django.test import TestCase
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema

from api.schema import SETTINGS
from tests.api.routes import api_routes
from tests.base import ApiClient


class SchemaTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        with patched_settings(SETTINGS), GENERATOR_STATS.silence():
            cls.schema = SchemaGenerator().get_schema(request=None, public=True)
            cls.warnings = list(GENERATOR_STATS._warn_cache)
            cls.errors = list(GENERATOR_STATS._error_cache)

    def test_it_is_generated_without_a_complaint(self):
        self.assertEqual((self.warnings, self.errors), ([], []))

    def test_it_is_valid_openapi_3_1(self):
        validate_schema(self.schema)
        self.assertTrue(self.schema["openapi"].startswith("3.1"))

    def test_every_route_and_method_has_its_operation(self):
        described = {
            (method, path.replace("{id}", "{pk}"))
            for path, operations in self.schema["paths"].items()
            for method in operations
        }
        served = {(method, route.template) for route in api_routes() for method in route.methods}
        self.assertEqual(described, served)

    def test_every_operation_tells_its_errors(self):
        for path, operations in self.schema["paths"].items():
            for method, operation in operations.items():
                self.assertLessEqual({"401", "403", "422", "429"}, set(operation["responses"]), f"{method} {path}")

    def test_writes_take_json_and_forms(self):
        content = self.schema["paths"]["/api/v1/devices"]["post"]["requestBody"]["content"]
        self.assertEqual(set(content), {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"})

    def test_it_is_served_with_its_two_readers(self):
        client = ApiClient(None)
        response = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
        self.assertEqual(json.loads(response.content)["openapi"], self.schema["openapi"])
        for path in ("/api/docs", "/api/docs/"):
            self.assertIn("drf_spectacular_sidecar", client.get(path).content.decode(), path)
