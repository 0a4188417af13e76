"""A Mac as far as the agent can see one: a managed profile, folders, and stand-ins for the tools that only macOS has.

The agent is the real one, run by the shell of this platform.
"""

import os
import plistlib
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.services import agent_program
from tests.flows.server import ROOT

TOOLS = ROOT / "tests" / "fakes" / "mac_tools"
TICKS = 10


def somebody() -> pwd.struct_passwd:
    """Who may be signed in: never root."""
    return pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("nobody")


@dataclass
class Mac:
    """preferences: of the agent's profile. folder: where everything is."""

    folder: Path
    preferences: dict[str, Any]
    shell: str = "/bin/sh"
    agents: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tools, self.state, self.log = self.folder / "tools", self.folder / "state", self.folder / "agent.log"
        self.program = self.folder / "pomona-agent"
        shutil.copytree(TOOLS, self.tools)
        for name in ("plutil", "sudo"):
            tool = self.tools / name
            tool.write_text(f"#!{sys.executable}\n" + tool.read_text().partition("\n")[2])
        self.program.write_bytes(agent_program.program())
        self.restart_system()
        self.install_profile()

    def install_profile(self, **changed: str) -> None:
        self.preferences |= changed
        data = plistlib.dumps(self.preferences, fmt=plistlib.FMT_BINARY)
        temporary = self.folder / "profile.new"
        temporary.write_bytes(data)
        temporary.rename(self.folder / "profile.plist")

    def remove_profile(self) -> None:
        (self.folder / "profile.plist").unlink()

    def sign_in(self, user: str) -> None:
        """At the screen; nobody: empty."""
        (self.tools / "console-user").write_text(f"{user or 'root'}\n")

    def start_agent(self, *, state: Path | None = None, program: Path | None = None) -> subprocess.Popen:
        environment = {
            "POMONA_AGENT_PROFILE": str(self.folder / "profile.plist"),
            "POMONA_AGENT_STATE": str(state or self.state),
            "POMONA_AGENT_LOG": str(self.log),
            "POMONA_AGENT_TOOLS": str(self.tools),
            "POMONA_AGENT_SHELL": self.shell,
            "POMONA_AGENT_TICKS": str(TICKS),
            "POMONA_AGENT_GRACE": "1",
            "SECRET_OF_THE_ENVIRONMENT": "yes",
        }
        agent = subprocess.Popen(
            [self.shell, str(program or self.program)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self.agents.append(agent)
        return agent

    def kill_agents(self) -> None:
        """kill -9 of the agents alone: what they started goes on."""
        for agent in self.agents:
            if agent.poll() is None:
                os.killpg(agent.pid, signal.SIGKILL)
            agent.wait(10)
            agent.stderr.close()
        self.agents.clear()

    def lose_power(self) -> None:
        """Everything that the agents started is gone, as when the Mac is switched off; then it starts again."""
        self.kill_agents()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.restart_system()

    def restart_system(self) -> None:
        (self.tools / "boot").write_text(os.urandom(8).hex())

    def processes(self, word: str = "") -> list[int]:
        """Whatever runs of this Mac, with the word in its command line: all have the name of the Mac's folder there."""
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        rows = [line.split(None, 1) for line in listed.stdout.splitlines()]
        return [
            int(pid) for pid, *command in rows if command and f"{self.folder}/" in command[0] and word in command[0]
        ]

    def log_text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""
