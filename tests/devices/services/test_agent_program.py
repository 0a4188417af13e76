"""The agent's program and its launch daemon, as they go to Macs. What it does: tests/flows/test_agent.py."""

import hashlib
import plistlib
import shutil
import subprocess

import pytest

from devices.services import agent_program

# Macs take a program whose version is higher than theirs: with another program, raise VERSION in it and write both down here.
RELEASED = {"1": "51888110f58bce16cbc18f2616a62612b333903465a073105d4d7b64e93872c6"}


def test_another_program_has_another_version() -> None:
    sha256 = hashlib.sha256(agent_program.program()).hexdigest()
    assert RELEASED.get(agent_program.VERSION) == sha256


def test_the_daemon_starts_the_program_where_it_is_installed() -> None:
    daemon = plistlib.loads(agent_program.launch_daemon())
    assert daemon["Label"] == "com.pomona.agent"
    assert agent_program.DAEMON_PATH.endswith(f"/{daemon['Label']}.plist")
    assert daemon["ProgramArguments"] == ["/bin/sh", agent_program.PROGRAM_PATH]
    assert daemon["RunAtLoad"] is True


def test_the_program_uses_the_folders_that_the_server_knows() -> None:
    text = agent_program.program().decode("ascii")
    assert f":-{agent_program.STATE_PATH}}}" in text
    assert f":-{agent_program.LOG_PATH}}}" in text


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh"])
def test_shells_can_read_it_and_it_knows_its_version(shell: str, tmp_path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    program = tmp_path / "pomona-agent"
    program.write_bytes(agent_program.program())
    assert subprocess.run([shell, "-n", program], capture_output=True, check=False).returncode == 0
    told = subprocess.run([shell, program, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"{agent_program.VERSION}\n"
