"""What the server says of its API, held against what it does: generated requests, a fixed seed, a bounded time."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mdm.virtual.device import VirtualDevice
from tests.factories.packages import build_pkg
from tests.factories.profiles import make_mobileconfig
from tests.flows.server import Running

pytestmark = pytest.mark.flow

SECONDS = 30
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)


def fill(server: Running) -> None:
    """Something of each kind, so that requests find objects and not only 404."""
    made = {
        "device_groups": {"name": "Field"},
        "assignment_groups": {"name": "Standard"},
        "custom_attributes": {"name": "room", "default_value": "1"},
        "scripts": {"name": "Hello", "content": "#!/bin/sh\necho hello\n"},
        "webhooks": {"url": "https://hooks.example.com/"},
        "apps": {"app_store_id": 1090161858},
    }
    for collection, body in made.items():
        answer = server.api.post(f"/api/v1/{collection}", json=body)
        assert answer.status_code == 201, answer.text
    uploads = (
        ("apps", {}, {"binary": ("tool.pkg", build_pkg())}),
        (
            "custom_configuration_profiles",
            {"name": "Wi-Fi"},
            {"mobileconfig": ("wifi.mobileconfig", make_mobileconfig())},
        ),
    )
    for collection, fields, files in uploads:
        answer = server.api.post(f"/api/v1/{collection}", data=fields, files=files)
        assert answer.status_code == 201, answer.text
    with httpx.Client(timeout=60) as client:
        for platform in ("ios", "macos"):
            created = server.api.post("/api/v1/devices", json={"name": platform}).json()
            device = VirtualDevice(platform, client=client)
            device.enroll(created["data"]["attributes"]["enrollment_url"])
            device.drain()


def test_every_answer_is_as_the_schema_says(server: Running, tmp_path: Path) -> None:
    fill(server)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{server.base_url}/api/schema?format=json"),
        *("--auth", f"{server.api_key}:", "--seed", "20", "--max-examples", "5", "--workers", "1"),
        *("--phases", "examples,fuzzing,coverage", "--checks", ",".join(CHECKS), "--max-time", str(SECONDS)),
        *("--no-color", "--continue-on-failure", "--warnings", "off", "--request-timeout", "20"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS * 3 + 60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    assert " generated" in done.stdout
