"""Every write by way of the API leaves a line in the log that names the key.

A new route that writes is one more line of WRITES: method and path, the line it leaves, and parameters with which it succeeds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import override_settings
from django.urls import resolve
from django.utils import timezone

from devices.models import ItemState, OperationState
from mdm.common import certs
from mdm.events.models import Event
from mdm.push.certificates import request_certificate
from tests.api.routes import Route, api_routes
from tests.base import AccountTestCase
from tests.factories import (
    make_app_assignment,
    make_app_install,
    make_assignment_group,
    make_attribute,
    make_command,
    make_delivery,
    make_dep_server,
    make_device,
    make_device_user,
    make_enrollment,
    make_group,
    make_installed_app,
    make_installed_profile,
    make_managed_config,
    make_mobileconfig,
    make_operation,
    make_profile,
    make_profile_assignment,
    make_script,
    make_script_job,
    make_webhook,
)
from tests.factories.profiles import make_profile_install
from tests.factories.secrets import make_secrets
from tests.factories.wanted import make_store_app
from tests.mdm.push.test_certificates import certificate_for
from tests.mdm.push.test_csr import Vendor


@dataclass(frozen=True)
class Write:
    """event: a line that it leaves. body: parameters, or bytes as they are, or a function of the test that makes either.

    at: what stands at a placeholder of the path, by the name of the test's row, where it is not the one of ROWS.
    is_form: the parameters go as a multipart form (for files). by_worker: the line comes from a worker, after the commit.
    """

    event: str
    body: Any = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    is_form: bool = False
    by_worker: bool = False


# What stands at {pk}, by the first part of the path that is named here; and at other placeholders.
ROWS = {
    "app_groups": "assignment_group",
    "apps": "app",
    "assignment_groups": "assignment_group",
    "custom_configuration_profiles": "profile",
    "dep_servers": "dep_server",
    "device_groups": "device_group",
    "devices": "phone",
    "enrollments": "enrollment",
    "installed_apps": "installed_app",
    "operations": "operation",
    "profiles": "profile",
    "scripts": "script",
    "script_jobs": "script_job",
    "webhooks": "webhook",
}
PLACEHOLDERS = {
    "app_id": "app",
    "config_id": "managed_config",
    "device_id": "phone",
    "device_group_id": "device_group",
    "delivery_id": "delivery",
    "profile_id": "profile",
    "user_id": "device_user",
}
MAC = {"pk": "mac"}
QUEUED = "command.queued"


def assignment_groups(name: str) -> dict[str, Write]:
    one = f"/api/v1/{name}/{{pk}}"
    writes = {
        f"POST /api/v1/{name}": Write("assignment_group.created", {"name": "New"}),
        f"PATCH {one}": Write("assignment_group.updated", {"name": "Renamed"}),
        f"PUT {one}": Write("assignment_group.updated", {"name": "Renamed"}),
        f"DELETE {one}": Write("assignment_group.removed"),
        f"POST {one}/clone": Write("assignment_group.created"),
        f"POST {one}/push_apps": Write("apps.pushed"),
        f"POST {one}/update_apps": Write("apps.updated"),
        f"POST {one}/sync_profiles": Write("profiles.synced"),
    }
    for path, placeholder, unassigned, kind in (
        ("apps", "app_id", "other_app", "assignment_group"),
        ("profiles", "profile_id", "other_profile", "profile"),
        ("devices", "device_id", "mac", "assignment_group"),
        ("device_groups", "device_group_id", "other_device_group", "assignment_group"),
    ):
        writes[f"POST {one}/{path}/{{{placeholder}}}"] = Write(f"{kind}.assigned", at={placeholder: unassigned})
        writes[f"DELETE {one}/{path}/{{{placeholder}}}"] = Write(f"{kind}.unassigned")
    return writes


def profiles(name: str) -> dict[str, Write]:
    devices, groups = (
        f"/api/v1/{name}/{{pk}}/devices/{{device_id}}",
        f"/api/v1/{name}/{{pk}}/device_groups/{{device_group_id}}",
    )
    return {
        f"POST {devices}": Write("profile.assigned", at={"device_id": "mac"}),
        f"DELETE {devices}": Write("profile.unassigned"),
        f"POST {groups}": Write("profile.assigned", at={"device_group_id": "other_device_group"}),
        f"DELETE {groups}": Write("profile.unassigned"),
    }


def attribute_values(name: str) -> dict[str, Write]:
    many = f"/api/v1/{name}/{{pk}}/custom_attribute_values"
    return {
        f"PUT {many}": Write(
            "custom_attribute.value_set", lambda test: {"data": [{"name": test.attribute.name, "value": "1"}]}
        ),
        f"PUT {many}/{{name}}": Write("custom_attribute.value_set", {"value": "1"}),
    }


WRITES: dict[str, Write] = {
    "PATCH /api/v1/account": Write("account.updated", {"name": "Renamed"}),
    # apps
    "POST /api/v1/apps": Write("app.created", {"app_store_id": 1090161858}),
    "PATCH /api/v1/apps/{pk}": Write("app.updated", {"name": "Renamed"}),
    "DELETE /api/v1/apps/{pk}": Write("app.removed"),
    "POST /api/v1/apps/{pk}/managed_configs": Write(
        "managed_config.created", {"key": "server", "value": "https://example.com", "value_type": "string"}
    ),
    "POST /api/v1/apps/{pk}/managed_configs/push": Write("managed_config.pushed"),
    "DELETE /api/v1/apps/{pk}/managed_configs/{config_id}": Write("managed_config.removed"),
    "DELETE /api/v1/installed_apps/{pk}": Write(QUEUED),
    "POST /api/v1/installed_apps/{pk}/update": Write(QUEUED),
    "POST /api/v1/installed_apps/{pk}/request_management": Write(QUEUED, at={"pk": "unmanaged_app"}),
    "POST /api/v1/devices/{pk}/push_apps": Write("apps.pushed"),
    "POST /api/v1/devices/{pk}/assigned/apps/{app_id}/retry": Write("app.retried", at={"app_id": "failed_app"}),
    "POST /api/v1/devices/{pk}/assigned/apps/{app_id}/stop": Write("app.stopped", at={"app_id": "failed_app"}),
    "POST /api/v1/devices/{pk}/assigned/profiles/{profile_id}/retry": Write(
        "profile.retried", at={"profile_id": "failed_profile"}
    ),
    "POST /api/v1/devices/{pk}/assigned/profiles/{profile_id}/stop": Write(
        "profile.stopped", at={"profile_id": "failed_profile"}
    ),
    "POST /api/v1/operations/{pk}/cancel": Write("operation.cancelled"),
    "POST /api/v1/operations/{pk}/resume": Write("operation.resumed", at={"pk": "cancelled_operation"}),
    # what devices should have
    **assignment_groups("assignment_groups"),
    **assignment_groups("app_groups"),
    "POST /api/v1/custom_configuration_profiles": Write(
        "profile.created",
        lambda test: {"name": "New", "mobileconfig": SimpleUploadedFile("new.mobileconfig", make_mobileconfig())},
        is_form=True,
    ),
    "PATCH /api/v1/custom_configuration_profiles/{pk}": Write("profile.updated", {"name": "Renamed"}),
    "DELETE /api/v1/custom_configuration_profiles/{pk}": Write("profile.removed"),
    **profiles("custom_configuration_profiles"),
    **profiles("profiles"),
    # custom attributes
    "POST /api/v1/custom_attributes": Write("custom_attribute.created", {"name": "room"}),
    "PATCH /api/v1/custom_attributes/{name}": Write("custom_attribute.updated", {"default_value": "1"}),
    "PUT /api/v1/custom_attributes/{name}": Write("custom_attribute.updated", {"default_value": "1"}),
    "DELETE /api/v1/custom_attributes/{name}": Write("custom_attribute.removed"),
    "PUT /api/v1/custom_attribute_values/{name}": Write(
        "custom_attribute.value_set", lambda test: {"data": [{"device_id": test.phone.pk, "value": "1"}]}
    ),
    **attribute_values("devices"),
    **attribute_values("device_groups"),
    **attribute_values("assignment_groups"),
    **attribute_values("app_groups"),
    # devices
    "POST /api/v1/devices": Write("device.created", {"name": "New"}),
    "PATCH /api/v1/devices/{pk}": Write("device.updated", {"name": "Renamed"}),
    "DELETE /api/v1/devices/{pk}": Write("device.removed"),
    "POST /api/v1/devices/{pk}/refresh": Write(QUEUED),
    "DELETE /api/v1/devices/{pk}/users/{user_id}": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/restart": Write(QUEUED),
    "POST /api/v1/devices/{pk}/shutdown": Write(QUEUED),
    "POST /api/v1/devices/{pk}/lock": Write(QUEUED),
    "POST /api/v1/devices/{pk}/clear_passcode": Write(QUEUED),
    "POST /api/v1/devices/{pk}/clear_restrictions_password": Write(QUEUED),
    "POST /api/v1/devices/{pk}/wipe": Write(QUEUED),
    "POST /api/v1/devices/{pk}/update_os": Write(QUEUED),
    "POST /api/v1/devices/{pk}/unenroll": Write(QUEUED),
    "POST /api/v1/devices/{pk}/set_time_zone": Write(QUEUED, {"time_zone": "Europe/Vienna"}),
    "POST /api/v1/devices/{pk}/remote_desktop": Write(QUEUED, at=MAC),
    "DELETE /api/v1/devices/{pk}/remote_desktop": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/enable_remote_desktop": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/disable_remote_desktop": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/bluetooth": Write(QUEUED),
    "DELETE /api/v1/devices/{pk}/bluetooth": Write(QUEUED),
    "POST /api/v1/devices/{pk}/enable_bluetooth": Write(QUEUED),
    "POST /api/v1/devices/{pk}/disable_bluetooth": Write(QUEUED),
    "POST /api/v1/devices/{pk}/clear_firmware_password": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/rotate_firmware_password": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/clear_recovery_lock_password": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/rotate_recovery_lock_password": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/rotate_filevault_key": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/rotate_filevault_recovery_key": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/set_admin_password": Write(QUEUED, {"new_password": "correct horse"}, at=MAC),
    "POST /api/v1/devices/{pk}/rotate_admin_password": Write(QUEUED, at=MAC),
    "POST /api/v1/devices/{pk}/lost_mode": Write(QUEUED, {"message": "Please call"}),
    "DELETE /api/v1/devices/{pk}/lost_mode": Write(QUEUED),
    "POST /api/v1/devices/{pk}/lost_mode/play_sound": Write(QUEUED),
    "POST /api/v1/devices/{pk}/lost_mode/update_location": Write(QUEUED),
    # device groups
    "POST /api/v1/device_groups": Write("device_group.created", {"name": "New"}),
    "PATCH /api/v1/device_groups/{pk}": Write("device_group.updated", {"name": "Renamed"}),
    "DELETE /api/v1/device_groups/{pk}": Write("device_group.removed"),
    "POST /api/v1/device_groups/{pk}/clone": Write("device_group.created"),
    "POST /api/v1/device_groups/{pk}/devices/{device_id}": Write(
        "device.changed_group", at={"pk": "other_device_group"}
    ),
    # ways in
    "POST /api/v1/enrollments": Write("enrollment.created", lambda test: {"device_group_id": test.device_group.pk}),
    "DELETE /api/v1/enrollments/{pk}": Write("enrollment.revoked"),
    "POST /api/v1/enrollments/{pk}/invitations": Write(
        "enrollment.invitation_sent", {"contact": "nina@example.com"}, by_worker=True
    ),
    "POST /api/v1/dep_servers/{pk}/sync": Write("dep_server.sync_requested"),
    "PUT /api/v1/push_certificate": Write(
        "push_certificate.uploaded",
        lambda test: {"_method": "PUT", "file": SimpleUploadedFile("push.pem", test.push_certificate())},
        is_form=True,
    ),
    "GET /api/v1/push_certificate/scsr": Write("push_certificate.requested"),
    # webhooks
    "POST /api/v1/webhooks": Write("webhook.created", {"url": "https://hooks.example.com/new"}),
    "PATCH /api/v1/webhooks/{pk}": Write("webhook.updated", {"name": "Renamed"}),
    "DELETE /api/v1/webhooks/{pk}": Write("webhook.removed"),
    "POST /api/v1/webhooks/{pk}/test": Write("test_event"),
    "POST /api/v1/webhooks/{pk}/resume": Write("webhook.resumed", at={"pk": "paused_webhook"}),
    "POST /api/v1/webhooks/{pk}/rotate_secret": Write("webhook.secret_rotated"),
    "POST /api/v1/webhooks/{pk}/redeliver": Write("webhook.redelivered"),
    "POST /api/v1/webhooks/{pk}/deliveries/{delivery_id}/redeliver": Write("webhook.redelivered"),
    # scripts
    "POST /api/v1/scripts": Write("script.created", {"name": "New", "content": "#!/bin/sh"}),
    "PATCH /api/v1/scripts/{pk}": Write("script.updated", {"name": "Renamed"}),
    "DELETE /api/v1/scripts/{pk}": Write("script.removed"),
    "POST /api/v1/script_jobs": Write(
        "script_job.created", lambda test: {"script_id": test.script.pk, "device_ids": [test.mac.pk]}
    ),
    "DELETE /api/v1/script_jobs/{pk}": Write("script_job.cancelled"),
    # raw commands
    "POST /v1/commands": Write(QUEUED, lambda test: {"udid": test.phone.udid, "request_type": "SecurityInfo"}),
    "POST /v1/commands/{udid}": Write(QUEUED, lambda test: test.plist()),
    "PUT /v1/commands/{udid}": Write(QUEUED, lambda test: test.plist()),
    "DELETE /v1/commands/{udid}": Write("queue.cleared"),
}
# What writes nothing that the log is for.
NOT_LOGGED = {"GET /push/{udid}": "wakes a device that is told nothing by it"}


def writes() -> Iterator[tuple[str, Route, str]]:
    """Method and template together, as in WRITES; the route; the method."""
    for route in api_routes():
        view = resolve(route.path(**dict.fromkeys(route.names, 0))).func.cls
        for method in route.methods:
            name = f"{method.upper()} {route.template}"
            if (method != "get" or view.changes_always) and name not in NOT_LOGGED:
                yield name, route, method.upper()


class ApiRowsTestCase(AccountTestCase):
    """Rows of every kind, by the names that ROWS and PLACEHOLDERS give them."""

    def setUp(self):
        super().setUp()
        cache.clear()  # keys of rows come again, and with them the limits of how often
        self.device_group, self.other_device_group = make_group(self.account), make_group(self.account)
        self.phone = make_device(self.account, group=self.device_group)
        self.mac = make_device(
            self.account,
            platform="macOS",
            is_dep_enrollment=True,
            information={
                "AutoSetupAdminAccounts": [{"GUID": "0B1C2D3E-0000-4000-8000-000000000000", "shortName": "admin"}]
            },
        )
        secrets = ("firmware_password", "recovery_lock_password", "filevault_recovery_key")
        make_secrets(self.mac, **dict.fromkeys(secrets, "known"))
        channel = self.phone.device_channel
        channel.unlock_token = b"token"
        channel.save()
        make_command(channel)
        make_installed_profile(self.phone, payloads=[{"type": "com.apple.mdm"}])
        self.device_user = make_device_user(self.mac)
        self.app, self.other_app = make_store_app(self.account), make_store_app(self.account)
        self.managed_config = make_managed_config(self.app)
        make_app_install(self.app, self.phone)
        self.failed_app, self.failed_profile = make_store_app(self.account), make_profile(self.account)
        make_app_install(self.failed_app, self.phone, ItemState.FAILED)
        make_profile_install(self.failed_profile, self.phone, ItemState.FAILED)
        self.operation = make_operation(self.account)
        self.cancelled_operation = make_operation(self.account, state=OperationState.CANCELLED)
        self.installed_app = make_installed_app(self.phone, is_managed=True)
        self.unmanaged_app = make_installed_app(self.phone)
        self.profile, self.other_profile = make_profile(self.account), make_profile(self.account)
        for owner in (self.phone, self.device_group):
            make_profile_assignment(self.profile, owner)
        old_app = make_store_app(self.account)
        make_installed_app(self.phone, old_app.bundle_identifier, short_version="0.1", is_managed=True)
        self.assignment_group = make_assignment_group(
            self.account, members=[self.phone, self.device_group], apps=[self.app], profiles=[self.profile]
        )
        make_app_assignment(self.assignment_group, old_app)
        self.attribute = make_attribute(self.account)
        self.enrollment = make_enrollment(self.account)
        self.dep_server = make_dep_server(self.account)
        self.webhook = make_webhook(self.account)
        self.delivery = make_delivery(self.webhook, state="failed", due_at=None, event=None)
        self.paused_webhook = make_webhook(self.account, paused_at=timezone.now())
        self.script = make_script(self.account)
        self.script_job = make_script_job(script=self.script, devices=[self.mac])
        vendor = Path(self.enterContext(TemporaryDirectory()), "vendor.pem")
        vendor.write_bytes(Vendor().bundle())
        self.enterContext(override_settings(PUSH_VENDOR_CERTIFICATE=str(vendor)))

    def plist(self) -> bytes:
        return (
            b'<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>Command</key><dict>'
            b"<key>RequestType</key><string>ProfileList</string></dict></dict></plist>"
        )

    def push_certificate(self) -> bytes:
        request = request_certificate(self.account, email="push@example.com")
        certificate = certificate_for(certs.key_from_pem(request.key_pem.encode()))
        Event.objects.all().delete()  # those of the request
        return certificate


class EveryWriteIsLoggedTest(ApiRowsTestCase):
    def path(self, route: Route, write: Write) -> str:
        collection = next((part for part in route.template.split("/") if part in ROWS), "")
        names = {"pk": ROWS.get(collection, "")} | PLACEHOLDERS | write.at
        values: dict[str, object] = {"udid": self.phone.udid, "name": self.attribute.name}
        for placeholder in route.names:
            if placeholder not in values:
                self.assertIn(placeholder, names, f"{route.template}: say in PLACEHOLDERS what stands there")
                values[placeholder] = getattr(self, names[placeholder]).pk
        return route.path(**values)

    def send(self, method: str, path: str, write: Write):
        body = write.body(self) if isinstance(write.body, Callable) else write.body
        if write.is_form:
            return self.api.post(path, body)
        if isinstance(body, bytes):
            return self.api.request(method, path, body, "text/xml")
        return getattr(self.api, method.lower())(path, json=body)

    def test_the_table_names_every_route_that_writes(self):
        names = {name for name, _, _ in writes()}
        self.assertEqual(sorted(names - set(WRITES)), [], "say in WRITES what these leave in the log")
        self.assertEqual(sorted(set(WRITES) - names), [], "these are in WRITES, but no routes any more")

    def test_each_leaves_a_line_that_names_the_key(self):
        for name, route, method in writes():
            write = WRITES.get(name)
            if write is None:
                continue  # the other test says so
            with self.subTest(name), transaction.atomic():
                with self.captureOnCommitCallbacks(execute=write.by_worker):
                    response = self.send(method, self.path(route, write), write)
                self.assertIn(response.status_code, range(200, 300), response.content)
                lines = list(Event.objects.for_account(self.account).order_by("pk"))
                self.assertIn(write.event, [line.event_type for line in lines])
                for line in lines:
                    self.assertEqual(
                        (line.source, line.actor_label, line.api_key),
                        ("api", "Test key", self.api_key),
                        line.event_type,
                    )
                transaction.set_rollback(True)
