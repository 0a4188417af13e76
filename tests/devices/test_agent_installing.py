"""The scripts of the agent's package, run by a real shell on a Mac that is a folder, with a launchd that plays along."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "devices" / "agent"
SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
PATH_LINE = "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n"

# `loaded` is there while the daemon is; `going` counts down how often it is still seen after it was told to go; while it is
# there, nothing can be loaded. `broken`: launchd takes nothing.
LAUNCHCTL = """#!/bin/sh
cd "${0%/*}" || exit 1
echo "$*" >>calls
case $1 in
print)
	if [ -s going ]; then
		left=$(($(cat going) - 1))
		[ "$left" -gt 0 ] && echo "$left" >going || rm -f going loaded
	fi
	[ -f loaded ] ;;
bootout) [ -s going ] || rm -f loaded ;;
bootstrap)
	[ ! -f broken ] && [ ! -f loaded ] || exit 5
	[ "$2" = system ] || exit 1
	if [ -s busy ]; then rm busy; exit 37; fi
	: >loaded ;;
esac
"""
CHOWN = '#!/bin/sh\necho "chown $*" >>"${0%/*}/calls"\n'
SLEEP = "#!/bin/sh\nexit 0\n"


class Mac:
    def __init__(self, folder: Path, shell: str) -> None:
        self.tools, self.volume, self.shell = folder / "tools", folder / "Volumes" / "New Mac", shell
        self.tools.mkdir()
        for name, text in {"launchctl": LAUNCHCTL, "chown": CHOWN, "sleep": SLEEP}.items():
            (self.tools / name).write_text(text)
            (self.tools / name).chmod(0o755)
        self.program = self.volume / "usr/local/pomona/pomona-agent"
        self.daemon = self.volume / "Library/LaunchDaemons/com.pomona.agent.plist"
        for file in (self.program, self.daemon):
            file.parent.mkdir(parents=True)
            file.write_text("new")
            file.chmod(0o600)

    def run(self, name: str, *, elsewhere: bool = False) -> int:
        """As installer(8) does it: package, folder, volume. The volume of the Mac itself is our folder under another name."""
        text = (SCRIPTS / f"{name}.sh").read_text()
        assert PATH_LINE in text
        text = text.replace(PATH_LINE, f"PATH={self.tools}:/usr/bin:/bin\n")
        if not elsewhere:
            text = text.replace("root=${volume%/}\n", f"root='{self.volume}'\n")
        volume = self.volume if elsewhere else "/"
        script = self.tools / name
        script.write_text(text)
        words = [self.shell, script, "/tmp/agent.pkg", volume, volume, "/"]
        return subprocess.run(words, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode

    def has(self, fact: str) -> bool:
        return (self.tools / fact).exists()

    def set(self, fact: str, text: str = "") -> None:
        (self.tools / fact).write_text(text)

    @property
    def calls(self) -> list[str]:
        return (self.tools / "calls").read_text().splitlines() if self.has("calls") else []


@pytest.fixture(params=SHELLS)
def mac(request, tmp_path) -> Mac:
    return Mac(tmp_path, request.param)


def test_a_first_install_loads_the_daemon_and_starts_it(mac):
    assert (mac.run("preinstall"), mac.run("postinstall")) == (0, 0)
    assert mac.has("loaded")
    assert f"bootstrap system {mac.daemon}" in mac.calls
    assert mac.calls[-1] == "kickstart system/com.pomona.agent"
    assert "bootout system/com.pomona.agent" not in mac.calls


def test_files_get_roots_permissions(mac):
    mac.run("postinstall")
    assert oct(mac.program.stat().st_mode)[-3:] == "755"
    assert oct(mac.daemon.stat().st_mode)[-3:] == "644"
    assert f"chown root:wheel {mac.program.parent} {mac.program} {mac.daemon}" in mac.calls


def test_an_old_daemon_is_gone_before_the_files_are_replaced(mac):
    mac.set("loaded")
    mac.set("going", "5")
    assert mac.run("preinstall") == 0
    assert not mac.has("loaded")
    assert mac.run("postinstall") == 0
    assert mac.has("loaded")


def test_once_more_changes_nothing(mac):
    for _ in range(3):
        assert (mac.run("preinstall"), mac.run("postinstall")) == (0, 0)
        assert mac.has("loaded")


def test_launchd_that_is_still_busy_is_asked_again(mac):
    mac.set("busy", "yes")
    assert mac.run("postinstall") == 0
    assert mac.has("loaded")


def test_launchd_that_takes_nothing_fails_the_install(mac):
    mac.set("broken")
    assert mac.run("postinstall") == 1


def test_another_volume_leaves_the_running_system_alone(mac):
    mac.set("loaded")
    assert (mac.run("preinstall", elsewhere=True), mac.run("postinstall", elsewhere=True)) == (0, 0)
    assert mac.has("loaded")
    assert [call for call in mac.calls if not call.startswith("chown")] == []
    assert oct(mac.daemon.stat().st_mode)[-3:] == "644"
