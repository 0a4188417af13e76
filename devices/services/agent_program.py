"""The agent's program as it comes with this version of Pomona, and where it lives on a Mac."""

import re
from functools import lru_cache
from pathlib import Path

PROGRAM_PATH = "/usr/local/pomona/pomona-agent"
DAEMON_PATH = "/Library/LaunchDaemons/com.pomona.agent.plist"
STATE_PATH = "/var/db/pomona-agent"
LOG_PATH = "/var/log/pomona-agent.log"

_FILES = Path(__file__).resolve().parent.parent / "agent"
_VERSION_LINE = re.compile(rb"^VERSION=([0-9]+(?:\.[0-9]+)*)$", re.MULTILINE)


@lru_cache(maxsize=1)
def program() -> bytes:
    """The POSIX shell program."""
    return (_FILES / "pomona-agent.sh").read_bytes()


@lru_cache(maxsize=1)
def launch_daemon() -> bytes:
    """The property list by which launchd starts it, and starts it again."""
    return (_FILES / "com.pomona.agent.plist").read_bytes()


def _version() -> str:
    found = _VERSION_LINE.search(program())
    if found is None:
        raise ValueError("pomona-agent.sh has no line VERSION=NUMBERS")
    return found[1].decode()


# Macs whose program says less than this replace theirs: raise it with every change of the program.
VERSION: str = _version()
