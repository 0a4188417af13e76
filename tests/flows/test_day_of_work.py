"""A whole day's work through a client that was generated from the server's own schema, against the real server."""

import base64
import importlib
import io
import json
import plistlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from mdm.virtual import agent
from mdm.virtual.device import VirtualDevice
from mdm.virtual.errors import ManagementRemoved
from mdm.virtual.state import DEVICE_SCOPE
from tests.factories.packages import build_pkg
from tests.factories.profiles import make_mobileconfig, make_payload
from tests.flows.server import Running, eventually

pytestmark = pytest.mark.flow
# The generator knows neither: what comes and goes as they is bytes to it.
BYTES = ("application/x-apple-aspen-config", "application/xml")
PACKAGE = "pomona_client"


class Client:
    """The generated package: `client.devices_retrieve(7)` calls the operation of that name and returns what it parsed."""

    def __init__(self, package: ModuleType, folder: Path, server: Running) -> None:
        token = base64.b64encode(f"{server.api_key}:".encode()).decode()
        self.connection = package.AuthenticatedClient(server.base_url, token, prefix="Basic", timeout=30)
        self.modules = {path.stem: path for path in (folder / PACKAGE / "api").rglob("*.py")}
        self.folder = folder
        self.models = importlib.import_module(f"{PACKAGE}.models")
        self.types = importlib.import_module(f"{PACKAGE}.types")

    def call(self, operation: str, *path: Any, **options: Any) -> Any:
        """The whole answer, with status_code and parsed."""
        place = self.modules[operation].relative_to(self.folder).with_suffix("")
        module = importlib.import_module(".".join(place.parts))
        return module.sync_detailed(*path, client=self.connection, **options)

    def __getattr__(self, operation: str) -> Any:
        def send(*path: Any, **options: Any) -> Any:
            answer = self.call(operation, *path, **options)
            assert 200 <= answer.status_code < 300, f"{operation}: {answer.status_code} {answer.content[:500]!r}"
            return answer.parsed.data if hasattr(answer.parsed, "data") else answer.parsed

        return send

    def file(self, content: bytes, name: str) -> Any:
        return self.types.File(payload=io.BytesIO(content), file_name=name, mime_type="application/octet-stream")


@pytest.fixture(scope="module")
def client(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("client")
    schema, config = folder / "openapi.json", folder / "config.yml"
    schema.write_text(json.dumps(with_one_encoding(httpx.get(f"{server.base_url}/api/schema?format=json").json())))
    config.write_text(json.dumps({"content_type_overrides": dict.fromkeys(BYTES, "application/octet-stream")}))
    generator = Path(sys.executable).with_name("openapi-python-client")
    command = [generator, "generate", "--path", schema, "--meta", "none", "--output-path", folder / PACKAGE]
    done = subprocess.run([*command, "--config", config], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout, done.stdout
    sys.path.insert(0, str(folder))
    try:
        yield Client(importlib.import_module(PACKAGE), folder, server)
    finally:
        sys.path.remove(str(folder))


def with_one_encoding(schema: dict[str, Any]) -> dict[str, Any]:
    """The generator sends a body in all encodings at once where it may choose: leave it the first."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {})
            for kind in list(content)[1:]:
                del content[kind]
    return schema


def drained(device: VirtualDevice) -> VirtualDevice:
    device.drain()
    return device


def test_a_days_work(server: Running, client: Client) -> None:
    """Said in the morning what the Macs of a room should have; by the evening all have had it, and are gone."""
    package = build_pkg(identifier="com.example.tool", version="2.2", title="Tool")
    group, profile = say_what_a_room_should_have(client, package)
    link = client.enrollments_create(body=client.models.NewEnrollmentRequest(device_group_id=group.id))
    with httpx.Client(timeout=60) as connection:
        mac = VirtualDevice("macos", client=connection)
        mac.enroll(link.attributes.url)
        everything_arrives(mac)
        assert fetched(server, mac, connection) == package
        the_mac_shows_what_it_has(client, mac)
        device = the_api_tells_the_same(client, mac, group.id)
        a_script_runs(client, mac, device.id)
        the_mac_is_wiped_and_deleted(client, mac, device.id)
        phone = VirtualDevice("ios", client=connection)
        a_phone_is_locked_and_leaves(client, phone, group.id, profile.id)
    for kind in ("profile.installed", "app.installed", "script.ran", "device.lock.enabled", "device.unenrolled"):
        eventually(
            lambda one=kind: client.logs_list(event_types=[one], limit=1), message=f"no {kind} stands in the log"
        )


def say_what_a_room_should_have(client: Client, package: bytes) -> tuple[Any, Any]:
    """The device group and the profile."""
    model = client.models
    group = client.device_groups_create(body=model.GroupNameRequest(name="Room 42"))
    client.custom_attributes_create(body=model.NewAttributeRequest(name="room", default_value="none"))
    client.device_group_attribute_values_update(group.id, "room", body=model.NewValueRequest(value="42 & more"))
    payload = make_payload("com.example.room", Room="{{room}}", Serial="{{serial_number}}")
    profile = client.custom_configuration_profiles_create(
        body=model.NewCustomConfigurationProfileRequest(
            name="Room",
            mobileconfig=client.file(make_mobileconfig("com.example.room", payload), "room.mobileconfig"),
            user_scope=False,
            attribute_support=True,
            escape_attributes=True,
        )
    )
    client.custom_configuration_profiles_assign_device_group(profile.id, group.id)
    app = client.apps_create(body=model.NewAppRequest(binary=client.file(package, "Tool.pkg")))
    assert app.attributes.bundle_identifier == "com.example.tool"
    tools = client.assignment_groups_create(body=model.NewGroupRequest(name="Tools"))
    client.assignment_groups_assign_app(tools.id, app.id)
    client.assignment_groups_assign_device_group(tools.id, group.id)
    return group, profile


def everything_arrives(mac: VirtualDevice) -> None:
    profile = eventually(
        lambda: "com.example.tool" in drained(mac).state.apps and installed(mac, "com.example.room"),
        seconds=60,
        message="profile or app did not arrive",
    )
    room = profile["content"]["PayloadContent"][0]
    assert (room["Room"], room["Serial"]) == ("42 & more", mac.serial)


def the_mac_shows_what_it_has(client: Client, mac: VirtualDevice) -> None:
    """An app counts as installed when the inventory shows it: the Mac has to be asked, and to answer."""
    eventually(
        lambda: drained(mac) and client.logs_list(event_types=["app.installed"], limit=1),
        message="the app does not count as installed",
    )


def the_api_tells_the_same(client: Client, mac: VirtualDevice, group_id: int) -> Any:
    (device,) = client.devices_list(search=mac.serial)
    assert device.attributes.status == "enrolled"
    assert device.relationships.device_group.data.id == group_id
    values = {one.id: one.attributes.value for one in device.relationships.custom_attribute_values.data}
    assert values == {"room": "42 & more"}
    return device


def a_script_runs(client: Client, mac: VirtualDevice, device_id: int) -> None:
    model = client.models
    content = "#!/bin/sh\necho '{{room}}'\n"
    script = client.scripts_create(body=model.NewScriptRequest(name="Hello", content=content, variable_support=True))
    job = client.script_jobs_create(body=model.NewJobRequest(script_id=script.id, device_ids=[device_id]))
    ran = eventually(lambda: agent.poll(drained(mac)), seconds=60, message="no script came")
    assert "echo '42 & more'" in ran.script
    done = eventually(
        lambda: (one := client.script_jobs_retrieve(job.id)).attributes.status == "completed" and one,
        message="the job did not complete",
    )
    assert done.relationships.device.data[0].response == ran.output


def the_mac_is_wiped_and_deleted(client: Client, mac: VirtualDevice, device_id: int) -> None:
    client.devices_wipe(device_id, body=client.models.WipeRequest(pin="123456"))
    assert ("EraseDevice", "Acknowledged") in [(one.command.request_type, one.status) for one in mac.drain()]
    assert not mac.is_enrolled
    eventually(
        lambda: client.devices_retrieve(device_id).attributes.status == "unenrolled",
        message="the wiped Mac is still enrolled",
    )
    client.devices_delete(device_id)
    assert client.call("devices_retrieve", device_id).status_code == 404


def a_phone_is_locked_and_leaves(client: Client, phone: VirtualDevice, group_id: int, profile_id: int) -> None:
    model = client.models
    awaited = client.devices_create(body=model.NewDeviceRequest(name="Loan", group_id=group_id))
    phone.enroll(awaited.attributes.enrollment_url)
    eventually(lambda: installed(drained(phone), "com.example.room"), seconds=60, message="no profile on the iPhone")
    client.devices_lock(awaited.id, body=model.LockRequest(message="Bring me back"))
    assert "DeviceLock" in {one.command.request_type for one in phone.drain()}
    client.custom_configuration_profiles_unassign_device_group(profile_id, group_id)
    eventually(lambda: not installed(drained(phone), "com.example.room"), seconds=60, message="the profile stays")
    client.devices_unenroll(awaited.id)
    with suppress(ManagementRemoved):
        phone.drain()
    eventually(
        lambda: client.devices_retrieve(awaited.id).attributes.status == "unenrolled",
        message="the iPhone is still enrolled",
    )


def installed(device: VirtualDevice, identifier: str) -> dict[str, Any] | None:
    return device.state.profiles_of(DEVICE_SCOPE).get(identifier)


def fetched(server: Running, mac: VirtualDevice, connection: httpx.Client) -> bytes:
    """The package, from the address that another install command carries, in two parts as a Mac may do."""
    app = server.api.get("/api/v1/apps").json()["data"][0]
    changed = server.api.patch(f"/api/v1/apps/{app['id']}", json={"deploy_to": "all"})
    assert changed.status_code == 200, changed.text
    command = mac.idle()
    while command is not None and command.request_type != "InstallEnterpriseApplication":
        command = mac.respond(command)
    assert command is not None, "no command to install the package"
    asset = command.keys["Manifest"]["items"][0]["assets"][0]
    mac.answer(command)
    first = connection.get(asset["url"], headers={"Range": "bytes=0-99"})
    rest = connection.get(asset["url"], headers={"Range": "bytes=100-"})
    assert (first.status_code, rest.status_code) == (206, 206)
    return first.content + rest.content


def test_the_download_of_a_profile_is_the_upload(client: Client) -> None:
    content = plistlib.dumps(plistlib.loads(make_mobileconfig("com.example.binary")), fmt=plistlib.FMT_BINARY)
    profile = client.custom_configuration_profiles_create(
        body=client.models.NewCustomConfigurationProfileRequest(
            name="Binary", mobileconfig=client.file(content, "binary.mobileconfig")
        )
    )
    answer = client.call("custom_configuration_profiles_download", profile.id)
    assert answer.content == content
