import json
from unittest import mock

from django.test import TestCase
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import _load_enum_name_overrides, load_enum_name_overrides
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from api.openapi import SETTINGS, TAGS
from tests.api.routes import api_routes
from tests.base import ApiClient


def examples_of(media):
    """Those that somebody wrote, else the one that was made."""
    written = [example["value"] for example in media.get("examples", {}).values()]
    return written or [media["example"]]


class SchemaTest(TestCase):
    @classmethod
    def setUpTestData(cls):
        with patched_settings(SETTINGS), GENERATOR_STATS.silence():
            cls.schema = SchemaGenerator().get_schema(request=None, public=True)
            cls.warnings = list(GENERATOR_STATS._warn_cache)
            cls.errors = list(GENERATOR_STATS._error_cache)

    def test_it_is_generated_without_a_complaint(self):
        self.assertEqual((self.warnings, self.errors), ([], []))

    def test_names_of_choices_do_not_depend_on_who_asked_first(self):
        """The check of a deployment makes the schema without the settings of the API."""
        _load_enum_name_overrides.cache_clear()
        load_enum_name_overrides()
        with patched_settings(SETTINGS):
            self.assertIn("GroupTypeEnum", load_enum_name_overrides().values())

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

    def test_the_example_of_an_error_is_one_of_its_status(self):
        titles = {
            (status, answer["content"]["application/json"]["example"]["errors"][0]["title"])
            for operations in self.schema["paths"].values()
            for operation in operations.values()
            for status, answer in operation["responses"].items()
            if status >= "400"
        }
        self.assertLessEqual({("401", "Unauthorized"), ("404", "object not found")}, titles)
        self.assertEqual(len({title for _, title in titles}), len({status for status, _ in titles}))

    def test_a_command_uuid_that_is_taken_is_a_documented_answer(self):
        paths = self.schema["paths"]
        for operation in (
            paths["/v1/commands"]["post"],
            paths["/v1/commands/{udid}"]["post"],
            paths["/v1/commands/{udid}"]["put"],
        ):
            self.assertIn("409", operation["responses"])
        self.assertNotIn("409", paths["/api/v1/devices"]["post"]["responses"])

    def test_writes_take_json_and_forms(self):
        content = self.schema["paths"]["/api/v1/devices"]["post"]["requestBody"]["content"]
        self.assertEqual(set(content), {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"})

    def test_a_file_comes_by_multipart_and_what_can_do_without_one_as_json_too(self):
        content = self.schema["paths"]["/api/v1/apps"]["post"]["requestBody"]["content"]
        self.assertEqual(next(iter(content)), "multipart/form-data")
        fields = {
            kind: set(self.schema["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]["properties"])
            for kind, media in content.items()
        }
        self.assertEqual(fields["multipart/form-data"] - fields["application/json"], {"binary"})
        self.assertEqual(fields["application/json"], {"app_store_id", "bundle_id", "name"})
        needs_a_file = self.schema["paths"]["/api/v1/push_certificate"]["put"]["requestBody"]["content"]
        self.assertEqual(set(needs_a_file), {"multipart/form-data"})

    def test_every_heading_is_explained_and_used(self):
        used = [
            tag for operations in self.schema["paths"].values() for one in operations.values() for tag in one["tags"]
        ]
        self.assertEqual(set(used), set(TAGS))
        self.assertEqual([tag["name"] for tag in self.schema["tags"]], list(TAGS))

    def test_its_readers_load_nothing_from_other_servers(self):
        for path in ("/api/docs", "/api/docs/redoc"):
            response = ApiClient(None).get(path)
            self.assertEqual(response.status_code, 200)
            self.assertNotRegex(response.content.decode(), r"https?://")
            self.assertIn("default-src 'none'", response["Content-Security-Policy"])
            self.assertNotIn("http", response["Content-Security-Policy"])

    def test_it_is_served_with_its_two_readers(self):
        client = ApiClient(None)
        response = client.get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
        self.assertEqual(json.loads(response.content)["openapi"], self.schema["openapi"])
        for path in ("/api/docs", "/api/docs/"):
            self.assertIn("drf_spectacular_sidecar", client.get(path).content.decode(), path)

    def test_it_is_made_once_however_often_strangers_ask(self):
        client = ApiClient(None)
        first = [client.get("/api/schema", headers={"Accept": kind}) for kind in ("application/json", "*/*")]
        with mock.patch.object(SchemaGenerator, "get_schema") as made:
            again = [client.get("/api/schema", headers={"Accept": kind}) for kind in ("application/json", "*/*")]
        made.assert_not_called()
        for one, other in zip(first, again, strict=True):
            self.assertEqual(one.content, other.content)
        kinds = [response["Content-Type"] for response in again]
        self.assertEqual(kinds, ["application/json", "application/vnd.oai.openapi; charset=utf-8"])

    def test_every_answer_and_every_set_of_parameters_has_an_example_that_fits(self):
        count = 0
        for path, operations in self.schema["paths"].items():
            for method, operation in operations.items():
                bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
                for media in (one.get("content", {}).get("application/json") for one in bodies):
                    if media is None:
                        continue
                    validator = Draft202012Validator(media["schema"] | {"components": self.schema["components"]})
                    for example in examples_of(media):
                        errors = [error.message for error in validator.iter_errors(example)]
                        self.assertEqual(errors, [], f"{method} {path}")
                        count += 1
        self.assertGreater(count, 300)
