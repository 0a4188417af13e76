import ast
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections import Counter
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from mdm.virtual.errors import DeviceError
from mdm.virtual.management.commands.simulate_devices import Command
from mdm.virtual.simulation import Plan, Simulation, load_devices, save_devices, simulate
from tests.mdm.virtual.reference_server import ReferenceServer

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "mdm" / "virtual"


@pytest.fixture
def server():
    server = ReferenceServer()
    with server.serve():
        yield server


def run(*arguments, **options):
    out, err = StringIO(), StringIO()
    call_command(Command(), *arguments, stdout=out, stderr=err, **options)
    return out.getvalue()


@pytest.mark.parametrize("platform", ["ios", "macos"])
def test_the_short_way_enrolls_as_many_as_asked(server, platform):
    summary = simulate(server.url, 5, platform, concurrency=3)
    assert (summary.enrolled, summary.failed) == (5, 0)
    assert len({device.udid for device in summary.devices}) == 5
    assert len({row["message"]["UDID"] for row in server.reports}) == 5


def test_waiting_commands_are_answered_and_counted(server):
    plan = Plan(server.url, 3)

    def queue(device):
        server.enqueue(device.udid, "ProfileList")
        server.enqueue(device.udid, "Nonsense")

    with httpx.Client() as client:
        summary = Simulation(plan, client, on_enrolled=queue).run()
    assert summary.answers == {"Acknowledged": 3, "Error": 3}


def test_devices_keep_answering_for_the_time_given(server):
    plan = Plan(server.url, 1, answer_for_seconds=0.5, poll_seconds=0.1)
    with httpx.Client() as client:
        summary = Simulation(plan, client).run()
    idles = [row for row in server.reports if row["message"]["Status"] == "Idle"]
    assert 3 <= len(idles) <= 8
    assert summary.seconds >= 0.5


def test_an_erased_device_stops_polling_and_is_counted(server):
    plan = Plan(server.url, 1, answer_for_seconds=0.3, poll_seconds=0.1)
    with httpx.Client() as client:
        summary = Simulation(plan, client, on_enrolled=lambda d: server.enqueue(d.udid, "EraseDevice")).run()
    assert summary.unenrolled == 1
    assert [row["message"]["Status"] for row in server.reports] == ["Idle", "Acknowledged"]


def test_an_interrupt_ends_the_run_with_what_was_done(server):
    def interrupt(device):
        raise KeyboardInterrupt

    with httpx.Client() as client:
        simulation = Simulation(Plan(server.url, 4, concurrency=1), client, on_enrolled=interrupt)
        summary = simulation.run()
    assert simulation.stop.is_set()
    assert 1 <= summary.enrolled < 4


def test_state_goes_to_a_file_only_its_owner_can_read(server, tmp_path):
    path = tmp_path / "devices.plist"
    with httpx.Client() as client:
        summary = Simulation(Plan(server.url, 2), client).run()
        save_devices(path, summary.devices)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["devices.plist"]
        again = load_devices(path, client)
        assert {device.udid for device in again} == {device.udid for device in summary.devices}
        assert again[0].drain() == []
        assert load_devices(tmp_path / "absent", client) == []
        path.write_bytes(b"nonsense")
        with pytest.raises(DeviceError, match="not a state file"):
            load_devices(path, client)


# The management command


def test_the_command_prints_a_line_per_device_and_a_summary(server):
    lines = run("--enrollment-url", server.url, "--count", "3", "--platform", "macos").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["enrolled"] * 3
    assert lines[3].startswith("3 of 3 enrolled, 0 failed, 0 left; answers: none;")


def test_the_command_resumes_from_its_state_file(server, tmp_path):
    path = str(tmp_path / "state.plist")
    run("--enrollment-url", server.url, "--count", "2", "--state", path)
    out = run("--enrollment-url", server.url, "--count", "3", "--state", path)
    assert out.startswith("2 devices resumed")
    assert "1 of 3 enrolled" in out
    assert server.enrolled == 3


def test_behaviours_can_be_asked_for(server):
    server.queue["template"] = []
    original = server.checkin

    def checkin(message):
        if message["MessageType"] == "TokenUpdate":
            for kind in ("ProfileList", "SecurityInfo", "CertificateList"):
                server.enqueue(message["UDID"], kind)
        return original(message)

    server.checkin = checkin
    out = run("--enrollment-url", server.url, "--count", "1", "--not-now", "ProfileList", "--errors", "SecurityInfo")
    assert "answers: 1 Acknowledged, 1 Error, 1 NotNow" in out


def test_installs_can_take_time_and_fail(server):
    original = server.checkin

    def checkin(message):
        if message["MessageType"] == "TokenUpdate":
            for store_id in range(20):
                server.enqueue(message["UDID"], "InstallApplication", iTunesStoreID=store_id)
            for _ in range(21):
                server.enqueue(message["UDID"], "ManagedApplicationList")
        return original(message)

    server.checkin = checkin

    def told(*options):
        """One row per list that the device sent: status → how many apps."""
        server.reports.clear()
        run("--enrollment-url", server.url, "--count", "1", *options)
        lists = [row["message"] for row in server.reports if "ManagedApplicationList" in row["message"]]
        return [Counter(app["Status"] for app in one["ManagedApplicationList"].values()) for one in lists]

    assert told()[0] == {"Managed": 20}
    slow = told("--install-steps", "21")
    assert slow[0] == {"Installing": 20}
    assert slow[1] == {"Managed": 1, "Installing": 19}
    assert slow[-1] == {"Managed": 20}
    failing = told("--fail-installs", "50", "--seed", "1")[0]
    assert 3 < failing["Failed"] < 17
    assert failing["Failed"] + failing["Managed"] == 20
    assert told("--fail-installs", "50", "--seed", "1")[0] == failing
    assert told("--fail-installs", "100")[:2] == [{"Failed": 20}, {}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--not-now", "Nonsense"),
        ("--count", "0"),
        ("--platform", "windows"),
        ("--install-steps", "-1"),
        ("--fail-installs", "101"),
    ],
)
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(CommandError):
        run("--enrollment-url", "http://127.0.0.1:1/", "--count", "1", *arguments)


def test_a_one_time_link_for_several_devices_is_explained(server):
    server.one_time = True
    with pytest.raises(CommandError, match="good for one device only") as caught:
        run("--enrollment-url", server.url, "--count", "3", "--concurrency", "1")
    assert caught.value.returncode == 1


def test_an_unreachable_server_is_a_failure_with_its_reason():
    with pytest.raises(CommandError, match="ConnectError") as caught:
        run("--enrollment-url", "http://127.0.0.1:1/e/?c=x", "--count", "1")
    assert caught.value.returncode == 1


def test_control_c_ends_the_command_cleanly_and_saves(server, tmp_path):
    path = tmp_path / "state.plist"
    # A shell that starts tests in the background hands down that Ctrl-C is to be ignored.
    script = f"""
        import signal
        from django.core.management import call_command
        from mdm.virtual.management.commands.simulate_devices import Command
        signal.signal(signal.SIGINT, signal.default_int_handler)
        call_command(Command(), "--enrollment-url", "{server.url}", "--count", "2", "--answer-for", "60",
                     "--poll-seconds", "0.2", "--state", "{path}")
    """
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(script)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert all(line.startswith("enrolled") for line in lines)
    assert "2 of 2 enrolled" in out
    assert "Traceback" not in err
    assert path.exists()
    assert os.stat(path).st_mode & 0o077 == 0


# Independence


def test_virtual_devices_import_nothing_of_the_server():
    """Only the standard library, httpx, cryptography, asn1crypto and themselves; Django for the command and apps.py."""
    allowed = set(sys.stdlib_module_names) | {"httpx", "cryptography", "asn1crypto"}
    for path in PACKAGE.rglob("*.py"):
        glue = path.name == "apps.py" or "management" in path.parts
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                own = name == "mdm.virtual" or name.startswith("mdm.virtual.")
                django = glue and name.split(".")[0] == "django"
                assert own or django or name.split(".")[0] in allowed, f"{path.name} imports {name}"
