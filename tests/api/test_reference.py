"""Every line of the reference's endpoints: method, path and status, against real rows.

The table is ours; where the reference itself is at hand, it must name exactly the same endpoints.
"""

import re
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from tests.api.test_every_write_is_logged import ApiRowsTestCase
from tests.factories import make_dep_device, make_event, make_mobileconfig
from tests.mdm.push.certificates import make_push_certificate

REFERENCE = Path(__file__).resolve().parent.parent.parent.parent / "shared/reference/002_e8052d88a967e05e.txt"

# Placeholder of the reference → the row of the test that stands there.
ROWS = {
    "APP_ID": "app",
    "ASSIGNMENT_GROUP_ID": "assignment_group",
    "CUSTOM_ATTRIBUTE_ID": "attribute",
    "CUSTOM_ATTRIBUTE_NAME": "attribute",
    "DEP_DEVICE_ID": "dep_device",
    "DEP_SERVER_ID": "dep_server",
    "DEVICE_GROUP_ID": "device_group",
    "DEVICE_ID": "phone",
    "ENROLLMENT_ID": "enrollment",
    "INSTALLED_APP_ID": "installed_app",
    "LOG_ID": "event",
    "MANAGED_CONFIG_ID": "managed_config",
    "PROFILE_ID": "profile",
    "SCRIPT_ID": "script",
    "SCRIPT_JOB_ID": "script_job",
    "USER_ID": "device_user",
}
MAC = {"DEVICE_ID": "mac"}

# Endpoint, status, parameters, and rows other than those above.
LINES: list[tuple[str, int, object, dict[str, str]]] = [
    ("GET /account", 200, None, {}),
    ("PATCH /account", 200, {"name": "Renamed", "apple_store_country_code": "AU"}, {}),
    ("GET /apps", 200, None, {}),
    ("GET /apps/{APP_ID}", 200, None, {}),
    ("POST /apps", 201, {"app_store_id": "1090161858"}, {}),
    ("PATCH /apps/{APP_ID}", 200, {"name": "Renamed", "deploy_to": "none"}, {}),
    ("DELETE /apps/{APP_ID}", 204, None, {}),
    ("GET /apps/{APP_ID}/installs", 200, None, {}),
    ("GET /assignment_groups", 200, None, {}),
    ("GET /assignment_groups/{ASSIGNMENT_GROUP_ID}", 200, None, {}),
    ("POST /assignment_groups", 201, {"name": "Communication Apps"}, {}),
    ("PATCH /assignment_groups/{ASSIGNMENT_GROUP_ID}", 204, {"auto_deploy": "false"}, {}),
    ("DELETE /assignment_groups/{ASSIGNMENT_GROUP_ID}", 204, None, {}),
    ("POST /assignment_groups/{ASSIGNMENT_GROUP_ID}/apps/{APP_ID}", 204, None, {"APP_ID": "other_app"}),
    ("DELETE /assignment_groups/{ASSIGNMENT_GROUP_ID}/apps/{APP_ID}", 204, None, {}),
    ("POST /assignment_groups/{ASSIGNMENT_GROUP_ID}/device_groups/{DEVICE_GROUP_ID}", 204, None, {}),
    ("DELETE /assignment_groups/{ASSIGNMENT_GROUP_ID}/device_groups/{DEVICE_GROUP_ID}", 204, None, {}),
    ("POST /assignment_groups/{ASSIGNMENT_GROUP_ID}/devices/{DEVICE_ID}", 204, None, MAC),
    ("DELETE /assignment_groups/{ASSIGNMENT_GROUP_ID}/devices/{DEVICE_ID}", 204, None, {}),
    ("POST /assignment_groups/{ASSIGNMENT_GROUP_ID}/push_apps", 202, None, {}),
    ("POST /assignment_groups/{ASSIGNMENT_GROUP_ID}/update_apps", 202, None, {}),
    ("GET /custom_attributes", 200, None, {}),
    ("GET /custom_attributes/{CUSTOM_ATTRIBUTE_ID}", 200, None, {}),
    ("POST /custom_attributes", 201, {"name": "full_name", "default_value": "not provided"}, {}),
    ("PATCH /custom_attributes/{CUSTOM_ATTRIBUTE_ID}", 204, {"default_value": "x"}, {}),
    ("DELETE /custom_attributes/{CUSTOM_ATTRIBUTE_ID}", 204, None, {}),
    ("GET /devices/{DEVICE_ID}/custom_attribute_values", 200, None, {}),
    ("PUT /devices/{DEVICE_ID}/custom_attribute_values/{CUSTOM_ATTRIBUTE_NAME}", 200, {"value": "test"}, {}),
    ("GET /device_groups/{DEVICE_GROUP_ID}/custom_attribute_values", 200, None, {}),
    ("PUT /device_groups/{DEVICE_GROUP_ID}/custom_attribute_values/{CUSTOM_ATTRIBUTE_NAME}", 200, {"value": "x"}, {}),
    ("GET /custom_configuration_profiles", 200, None, {}),
    ("POST /custom_configuration_profiles", 201, "profile", {}),
    ("PATCH /custom_configuration_profiles/{PROFILE_ID}", 200, {"name": "Renamed"}, {}),
    ("GET /custom_configuration_profiles/{PROFILE_ID}/download", 200, None, {}),
    ("DELETE /custom_configuration_profiles/{PROFILE_ID}", 204, None, {}),
    ("POST /custom_configuration_profiles/{PROFILE_ID}/device_groups/{DEVICE_GROUP_ID}", 204, None, {}),
    ("DELETE /custom_configuration_profiles/{PROFILE_ID}/device_groups/{DEVICE_GROUP_ID}", 204, None, {}),
    ("POST /custom_configuration_profiles/{PROFILE_ID}/devices/{DEVICE_ID}", 204, None, MAC),
    ("DELETE /custom_configuration_profiles/{PROFILE_ID}/devices/{DEVICE_ID}", 204, None, {}),
    ("GET /dep_servers", 200, None, {}),
    ("GET /dep_servers/{DEP_SERVER_ID}", 200, None, {}),
    ("POST /dep_servers/{DEP_SERVER_ID}/sync", 202, None, {}),
    ("GET /dep_servers/{DEP_SERVER_ID}/dep_devices", 200, None, {}),
    ("GET /dep_servers/{DEP_SERVER_ID}/dep_devices/{DEP_DEVICE_ID}", 200, None, {}),
    ("GET /devices", 200, None, {}),
    ("GET /devices/{DEVICE_ID}", 200, None, {}),
    ("POST /devices", 201, {"name": "Sara's iPad"}, {}),
    ("PATCH /devices/{DEVICE_ID}", 200, {"name": "Ashley's iPad", "device_name": "Ashley"}, {}),
    ("DELETE /devices/{DEVICE_ID}", 204, None, {}),
    ("GET /devices/{DEVICE_ID}/profiles", 200, None, {}),
    ("GET /devices/{DEVICE_ID}/installed_apps", 200, None, {}),
    ("GET /devices/{DEVICE_ID}/users", 200, None, MAC),
    ("DELETE /devices/{DEVICE_ID}/users/{USER_ID}", 202, None, MAC),
    ("POST /devices/{DEVICE_ID}/push_apps", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/refresh", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/restart", 202, {"notify_user": "true", "rebuild_kernel_cache": "1"}, MAC),
    ("POST /devices/{DEVICE_ID}/shutdown", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/lock", 202, {"message": "Please call", "phone_number": "5035551212"}, {}),
    ("POST /devices/{DEVICE_ID}/clear_passcode", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/clear_firmware_password", 202, None, MAC),
    ("POST /devices/{DEVICE_ID}/rotate_filevault_key", 202, None, MAC),
    ("POST /devices/{DEVICE_ID}/wipe", 202, {"pin": "123456"}, MAC),
    ("POST /devices/{DEVICE_ID}/update_os", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/remote_desktop", 202, None, MAC),
    ("DELETE /devices/{DEVICE_ID}/remote_desktop", 202, None, MAC),
    ("GET /device_groups", 200, None, {}),
    ("GET /device_groups/{DEVICE_GROUP_ID}", 200, None, {}),
    ("POST /device_groups/{DEVICE_GROUP_ID}/devices/{DEVICE_ID}", 202, None, MAC),
    ("POST /device_groups/{DEVICE_GROUP_ID}/clone", 200, None, {}),
    ("GET /enrollments", 200, None, {}),
    ("GET /enrollments/{ENROLLMENT_ID}", 200, None, {}),
    ("POST /enrollments/{ENROLLMENT_ID}/invitations", 200, {"contact": "person@example.com"}, {}),
    ("DELETE /enrollments/{ENROLLMENT_ID}", 204, None, {}),
    ("GET /installed_apps/{INSTALLED_APP_ID}", 200, None, {}),
    ("POST /installed_apps/{INSTALLED_APP_ID}/request_management", 202, None, {"INSTALLED_APP_ID": "unmanaged_app"}),
    ("POST /installed_apps/{INSTALLED_APP_ID}/update", 202, None, {}),
    ("DELETE /installed_apps/{INSTALLED_APP_ID}", 202, None, {}),
    ("GET /logs", 200, None, {}),
    ("GET /logs/{LOG_ID}", 200, None, {}),
    ("POST /devices/{DEVICE_ID}/lost_mode", 202, {"phone_number": "5035551212"}, {}),
    ("DELETE /devices/{DEVICE_ID}/lost_mode", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/lost_mode/play_sound", 202, None, {}),
    ("POST /devices/{DEVICE_ID}/lost_mode/update_location", 202, None, {}),
    ("GET /apps/{APP_ID}/managed_configs", 200, None, {}),
    ("POST /apps/{APP_ID}/managed_configs", 201, {"key": "ids", "value": "1,53,3", "value_type": "integer array"}, {}),
    ("DELETE /apps/{APP_ID}/managed_configs/{MANAGED_CONFIG_ID}", 204, None, {}),
    ("POST /apps/{APP_ID}/managed_configs/push", 202, None, {}),
    ("GET /push_certificate", 200, None, {}),
    ("PUT /push_certificate", 200, "push_certificate", {}),
    ("GET /push_certificate/scsr", 200, None, {}),
    ("GET /scripts", 200, None, {}),
    ("GET /scripts/{SCRIPT_ID}", 200, None, {}),
    ("POST /scripts", 201, {"name": "New", "variable_support": "1", "file": "#!/bin/sh\n"}, {}),
    ("PATCH /scripts/{SCRIPT_ID}", 200, {"name": "Renamed", "variable_support": "0"}, {}),
    ("DELETE /scripts/{SCRIPT_ID}", 204, None, {}),
    ("GET /script_jobs", 200, None, {}),
    ("GET /script_jobs/{SCRIPT_JOB_ID}", 200, None, {}),
    ("POST /script_jobs", 201, "script_job", {}),
    ("DELETE /script_jobs/{SCRIPT_JOB_ID}", 204, None, {}),
]


class ReferenceTest(ApiRowsTestCase):
    def setUp(self):
        super().setUp()
        self.event = make_event(self.account)
        self.dep_device = make_dep_device(self.dep_server)

    def body(self, given: object) -> dict[str, object]:
        if given == "profile":
            return {"name": "New", "mobileconfig": SimpleUploadedFile("new.mobileconfig", make_mobileconfig())}
        if given == "push_certificate":
            certificate = SimpleUploadedFile("push.pem", self.push_certificate())
            return {"file": certificate, "apple_id": "admin@example.org"}
        if given == "script_job":
            return {"script_id": self.script.pk, "device_ids": f"{self.mac.pk}", "group_ids": f"{self.mac.group_id}"}
        return dict(given or {})

    def path(self, template: str, other: dict[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            row = getattr(self, (ROWS | other)[name])
            if name.startswith("CUSTOM_ATTRIBUTE"):
                return row.name
            return row.log_id if name == "LOG_ID" else str(row.pk)

        return "/api/v1" + re.sub(r"\{(\w+)\}", value, template)

    def test_each_line_answers_with_its_status(self):
        for name, status, given, other in LINES:
            method, template = name.split()
            for form in ("", "/"):
                cache.clear()
                with self.subTest(name + form), transaction.atomic():
                    if name == "GET /push_certificate":
                        make_push_certificate(self.account)
                    path, body = self.path(template, other) + form, self.body(given)
                    if method == "GET":
                        answer = self.api.get(path)
                    else:  # as clients do that know forms only
                        answer = self.api.post(path, body | ({"_method": method} if method != "POST" else {}))
                    self.assertEqual(answer.status_code, status, answer.content)
                    if status in (202, 204):
                        self.assertEqual((answer.content, answer.headers["Content-Length"]), (b"", "0"))
                    transaction.set_rollback(True)


# Misprints of the reference: line → what is meant, as its own prose and examples say.
MISPRINTS = {
    "GET /enrollments (the second time)": "DELETE /enrollments/{ENROLLMENT_ID}",
    "DELETE /script_jobs/{SCRIPT_ID}": "DELETE /script_jobs/{SCRIPT_JOB_ID}",
}


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference is not beside this checkout")
def test_the_table_names_every_line_of_the_reference() -> None:
    found = re.findall(r"^(GET|POST|PATCH|PUT|DELETE) https://[^/]+/api/v1(/\S+)$", REFERENCE.read_text(), re.MULTILINE)
    lines, seen = set(), set()
    for method, path in found:
        line = f"{method} {path.rstrip('/')}"
        if line in seen and line == "GET /enrollments":
            line += " (the second time)"
        seen.add(line)
        lines.add(MISPRINTS.get(line, line))
    assert lines == {name for name, *_ in LINES}
