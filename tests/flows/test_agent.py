"""The agent of Macs, as it is sent to them, against the running server: what it is given to run, and what may go wrong."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from devices.services import agent_program
from mdm.virtual import agent
from mdm.virtual.device import VirtualDevice
from tests.fakes.flaky_line import Answer, FlakyLine
from tests.flows.mac import Mac, somebody
from tests.flows.server import DATABASE_FILE, Running, eventually, running_pomona

pytestmark = pytest.mark.flow

KEPT = 64 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_pomona(tmp_path_factory.mktemp("pomona"), AGENT_POLL_SECONDS="1") as running:
        yield running


@dataclass
class Office:
    """A Mac that is enrolled, with the line between it and the server."""

    server: Running
    mac: Mac
    line: FlakyLine
    device_id: int

    def start(self, script: str, **options: Any) -> int:
        """The new job's id."""
        return start_job(self.server, self.device_id, script, **options)

    def result(self, job: int, *, seconds: float = 40) -> dict[str, Any]:
        return eventually(lambda: ended(self.server, job), seconds=seconds, message=self.explain())

    def run(self, script: str, **options: Any) -> dict[str, Any]:
        return self.result(self.start(script, **options))

    def says(self, text: str) -> None:
        """The agent's log, sooner or later."""
        eventually(lambda: text in self.mac.log_text(), message=f"it does not say {text!r}; {self.explain()}")

    def explain(self) -> str:
        return f"the job did not end; the agent says:\n{self.mac.log_text()}\nand asked: {self.line.seen[-20:]}"


def start_job(server: Running, device_id: int, script: str, **options: Any) -> int:
    text = script if script.startswith("#!") else f"#!/bin/sh\n{script}\n"
    made = server.api.post("/api/v1/scripts", json={"name": "Flow", "content": text}).raise_for_status().json()
    body = {"script_id": made["data"]["id"], "device_ids": [device_id], **options}
    return server.api.post("/api/v1/script_jobs", json=body).raise_for_status().json()["data"]["id"]


def one_run(server: Running, job: int) -> dict[str, Any]:
    data = server.api.get(f"/api/v1/script_jobs/{job}").raise_for_status().json()["data"]
    return data["relationships"]["device"]["data"][0]


def ended(server: Running, job: int) -> dict[str, Any] | None:
    run = one_run(server, job)
    return run if run["status"] in ("completed", "error") else None


@pytest.fixture(scope="module")
def move_in(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Office]]:
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=60))
        offices: list[Office] = []

        def make(*, shell: str = "/bin/sh") -> Office:
            row = server.api.post("/api/v1/devices", data={"name": "Mac"}).raise_for_status().json()["data"]
            device = VirtualDevice("macos", client=client)
            device.enroll(row["attributes"]["enrollment_url"])
            device.drain()
            start_job(server, row["id"], "true")
            eventually(lambda: device.drain() is not None and agent.preferences(device), message="no profile came")
            assert agent.poll(device), "the job by which the profile came"
            line = stack.enter_context(FlakyLine(server.base_url))
            preferences = agent.preferences(device) | {"URL": f"{line.url}/mdm/agent"}
            office = Office(server, Mac(tmp_path_factory.mktemp("mac"), preferences, shell), line, row["id"])
            offices.append(office)
            return office

        yield make
        for office in offices:
            office.mac.lose_power()


@pytest.fixture(scope="module")
def office(move_in: Callable[..., Office]) -> Office:
    """One for all tests that leave it as it was; its agent runs."""
    made = move_in()
    made.mac.start_agent()
    return made


@pytest.fixture
def fresh(move_in: Callable[..., Office]) -> Iterator[Office]:
    """One for this test alone; no agent runs yet."""
    made = move_in()
    yield made
    made.mac.lose_power()


class TestScripts:
    def test_a_good_script_tells_what_it_printed(self, office: Office) -> None:
        run = office.run("echo one; echo two >&2; printf 'no end of line'")
        assert (run["status"], run["status_code"]) == ("completed", "0")
        assert run["response"] == "one\ntwo\nno end of line"

    def test_other_exit_codes_are_told(self, office: Office) -> None:
        jobs = [office.start(f"echo bye; exit {code}") for code in (1, 42, 255)]
        runs = [office.result(job) for job in jobs]
        assert [(run["status"], run["status_code"]) for run in runs] == [("error", code) for code in ("1", "42", "255")]
        run = office.run("kill -9 $$")
        assert (run["status"], run["status_code"]) == ("error", "137")

    def test_a_script_without_its_interpreter_is_told(self, office: Office) -> None:
        run = office.run("#!/no/such/interpreter\necho hi\n")
        assert run["status"] == "error"
        assert run["status_code"] in ("126", "127", "2")

    def test_ten_megabytes_are_kept_in_part_and_counted(self, office: Office) -> None:
        job = office.start("awk 'BEGIN { for (i = 0; i < 1250000; i++) print \"abcdefg\" }'; echo done >&2")
        run = office.result(job)
        assert run["status"] == "completed"
        assert run["response"] == "abcdefg\n" * (KEPT // 8)
        office.says("10000005 bytes of output")

    def test_bytes_that_are_no_text_are_replaced(self, office: Office) -> None:
        run = office.run(r"printf 'a\000b\377\376c\303'; printf '\303\244\360\237\215\216'")
        assert run["response"] == "ab\ufffd\ufffdc\ufffdä🍎"
        run = office.run("head -c 100000 /dev/urandom")
        assert run["status"] == "completed"
        assert 0 < len(run["response"].encode()) <= KEPT

    def test_the_script_has_an_environment_of_its_own(self, office: Office) -> None:
        run = office.run("env; pwd; umask; cat; tty; true")
        assert "SECRET" not in run["response"]
        assert "POMONA" not in run["response"]
        assert "HOME=/var/root\n" in run["response"]
        assert run["response"].endswith("\n/\n0022\nnot a tty\n")

    def test_what_it_leaves_behind_does_not_hold_it_up(self, office: Office) -> None:
        go, mark = office.mac.folder / "leave", office.mac.folder / "left-behind"
        run = office.run(f"(while [ ! -e {go} ]; do sleep 0.1; done; echo late; touch {mark}) & echo early")
        assert (run["status"], run["response"]) == ("completed", "early\n")
        go.touch()
        eventually(mark.exists, message="what the script left behind was ended")

    def test_output_is_seen_while_it_runs(self, office: Office) -> None:
        go = office.mac.folder / "go-on"
        told: list[str] = []
        office.line.change("/output", lambda one: told.append(one.headers["pomona-output-bytes"]) or one, times=9)
        job = office.start(f"printf 'first \\303'; while [ ! -e {go} ]; do sleep 0.1; done; printf '\\244 last'")
        eventually(lambda: told, message="no output came while it ran")
        assert told[0] == "6"  # half a character waits for its other half
        go.touch()
        assert office.result(job)["response"] == "first ä last"

    def test_one_that_takes_too_long_is_ended_with_all_that_it_started(self, office: Office) -> None:
        sleeper = f"{office.mac.folder}/sleeper"
        Path(sleeper).write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
        Path(sleeper).chmod(0o755)
        run = office.run(f"echo begins; {sleeper} a & ( {sleeper} b & ) ; {sleeper} c", timeout_seconds=1)
        assert run["status"] == "error"
        assert run["response"] == "begins\n"
        office.says("ended: timeout")
        assert not any(sleeper in command for command in commands())

    def test_as_the_person_at_the_screen(self, office: Office) -> None:
        person = somebody()
        office.mac.sign_in(person.pw_name)
        run = office.run("echo $USER $HOME; id -u; echo $POMONA_TEST_UID; echo $0; ls -l $0", run_as="console_user")
        office.mac.sign_in("")
        who, uid, session, path, listed = run["response"].splitlines()
        assert who == f"{person.pw_name} /Users/{person.pw_name}"
        assert (uid, session) == (str(person.pw_uid), str(person.pw_uid))
        assert str(office.mac.folder) not in path
        assert listed.startswith(f"-rwx------ 1 {person.pw_name} ")
        assert not Path(path).exists()

    def test_with_nobody_at_the_screen_it_does_not_run_as_root(self, office: Office) -> None:
        mark = office.mac.folder / "ran-as-root"
        for nobody in ("", "loginwindow", "_mbsetupuser"):
            office.mac.sign_in(nobody)
            run = office.run(f"touch {mark}", run_as="console_user")
            assert (run["status"], run["status_code"]) == ("error", None)
            assert "nobody was" in run["response"]
        assert not mark.exists()

    def test_the_token_is_on_no_command_line_and_in_no_log(self, office: Office) -> None:
        token = office.mac.preferences["Token"]
        job = office.start("sleep 1; echo slow")
        while not ended(office.server, job):
            assert not any(token in command for command in commands())
        assert token not in office.mac.log_text()

    def test_another_shell_runs_it_as_well(self, move_in: Callable[..., Office]) -> None:
        """macOS's /bin/sh is bash by default, which has job control without a terminal."""
        office = move_in(shell="/bin/bash")
        office.mac.start_agent()
        jobs = [office.start("echo hi"), office.start("echo begins; sleep 100 & sleep 100", timeout_seconds=1)]
        good, slow = (office.result(job) for job in jobs)
        assert (good["status"], good["response"]) == ("completed", "hi\n")
        assert (slow["status"], slow["response"]) == ("error", "begins\n")


def commands() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # ended meanwhile
    return found


def forget(server: Running, job: int) -> None:
    """As after a backup was restored: the run waits again."""
    statement = f"UPDATE devices_scriptrun SET state = 'sent', claim = '', finished_at = NULL WHERE job_id = {job}"
    if url := server.environment.get("DATABASE_URL"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
    else:
        with closing(sqlite3.connect(Path(server.environment["DATA_DIR"]) / DATABASE_FILE, timeout=30)) as connection:
            connection.execute(statement)
            connection.commit()


class TestOnce:
    """Whatever gets lost, the script runs once: it appends a line to a file."""

    def times(self, office: Office) -> int:
        path = office.mac.folder / "times"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def appending(self, office: Office, more: str = "") -> int:
        return office.start(f"echo once >> {office.mac.folder}/times; {more}")

    @pytest.mark.parametrize("lost", ["/next", "/begin", "/end"])
    def test_lost_answers_change_nothing(self, fresh: Office, lost: str) -> None:
        job = self.appending(fresh)
        fresh.line.lose(lost, times=2)
        fresh.mac.start_agent()
        assert fresh.result(job)["status"] == "completed"
        eventually(lambda: fresh.line.count(lost) >= 3, message=fresh.explain())
        next_job = self.appending(fresh)
        assert fresh.result(next_job)["status"] == "completed"
        assert self.times(fresh) == 2

    def test_two_agents_at_once(self, fresh: Office) -> None:
        """One finds the other's lock and ends; another with a folder of its own comes too late to begin."""
        jobs = [self.appending(fresh, "sleep 0.5") for _ in range(3)]
        first = fresh.mac.start_agent()
        second = fresh.mac.start_agent()
        fresh.mac.start_agent(state=fresh.mac.folder / "other-state")
        assert all(fresh.result(job)["status"] == "completed" for job in jobs)
        assert self.times(fresh) == 3
        eventually(lambda: first.poll() is not None or second.poll() is not None, message="both agents stay")

    def test_an_order_that_comes_twice_and_a_server_that_forgot(self, fresh: Office) -> None:
        first, second = Path(fresh.mac.folder / "first"), fresh.mac.folder / "times"
        kept: list[Answer] = []

        def keep(answer: Answer) -> Answer:
            if answer.status == 200:
                kept.append(answer)
            return answer

        job = self.appending(fresh, f"touch {first}")
        fresh.line.change("/next", keep, times=1)
        fresh.mac.start_agent()
        fresh.result(job)
        fresh.line.change("/next", lambda _: kept[0], times=3)
        forget(fresh.server, job)
        run = fresh.result(job)
        assert "had run it before" in run["response"]
        assert len(second.read_text().splitlines()) == 1

    def test_a_restart_of_the_mac_is_told_and_nothing_runs_again(self, fresh: Office) -> None:
        job = self.appending(fresh, "echo so far; sleep 100")
        fresh.mac.start_agent()
        eventually(lambda: self.times(fresh), message=fresh.explain())
        fresh.mac.lose_power()
        fresh.mac.start_agent()
        run = fresh.result(job)
        assert (run["status"], run["status_code"], run["response"]) == ("error", None, "so far\n")
        fresh.says("ended: reboot")
        assert fresh.result(self.appending(fresh))["status"] == "completed"
        assert self.times(fresh) == 2

    def test_when_only_the_agent_dies_the_script_goes_on_and_is_followed(self, fresh: Office) -> None:
        go = fresh.mac.folder / "go-on"
        job = self.appending(fresh, f"while [ ! -e {go} ]; do sleep 0.1; done; echo whole; exit 5")
        fresh.mac.start_agent()
        eventually(lambda: self.times(fresh), message=fresh.explain())
        fresh.mac.kill_agents()
        fresh.mac.start_agent()
        go.touch()
        run = fresh.result(job)
        assert (run["status_code"], run["response"]) == ("5", "whole\n")
        assert self.times(fresh) == 1

    def test_when_everything_but_the_script_dies_the_script_is_ended_and_that_is_told(self, fresh: Office) -> None:
        job = self.appending(fresh, "echo so far; sleep 100; echo never")
        fresh.mac.start_agent()
        eventually(lambda: self.times(fresh), message=fresh.explain())
        fresh.mac.kill_agents()
        for pid in fresh.mac.processes("--run"):
            os.kill(pid, signal.SIGKILL)
        fresh.mac.start_agent()
        run = fresh.result(job)
        assert (run["status"], run["response"]) == ("error", "so far\n")
        fresh.says("ended: interrupted")
        assert not fresh.mac.processes("/script")
        assert self.times(fresh) == 1

    def test_the_network_may_be_away_while_it_runs(self, fresh: Office) -> None:
        job = self.appending(fresh, "sleep 0.3")
        fresh.mac.start_agent()
        eventually(lambda: self.times(fresh), message=fresh.explain())
        fresh.line.is_down = True
        eventually(lambda: list(fresh.mac.state.glob("runs/*/exit")), message="it did not end")
        fresh.mac.lose_power()
        fresh.mac.start_agent()
        time.sleep(1)
        fresh.line.is_down = False
        assert fresh.result(job)["status"] == "completed"
        assert self.times(fresh) == 1


def without_signature(one: Answer) -> Answer:
    kept = {name: value for name, value in one.headers.items() if name.lower() != "pomona-signature"}
    return Answer(one.status, kept, one.body)


def with_signature(one: Answer, signature: str) -> Answer:
    return Answer(one.status, without_signature(one).headers | {"pomona-signature": signature}, one.body)


def with_another_script(one: Answer) -> Answer:
    return Answer(one.status, one.headers, one.body.replace(b"touch", b"rm -f"))


class TestTrust:
    def refused(self, office: Office, change: Callable[[Answer], Answer], why: str) -> str:
        """What the server was told."""
        mark = office.mac.folder / "must-not-run"
        office.line.rules.clear()
        office.line.change("/next", change, times=10)
        job = office.start(f"touch {mark}")
        if not office.mac.agents:
            office.mac.start_agent()
        run = office.result(job) if why != "device" else None
        office.says(f"is refused: {why}")
        assert not mark.exists()
        return run["response"] if run else ""

    def test_what_the_server_did_not_sign(self, fresh: Office) -> None:
        taken: list[str] = []

        def signature_of_another(one: Answer) -> Answer:
            """Genuine, of what was handed out before."""
            taken.append(one.headers.get("pomona-signature", ""))
            return with_signature(one, taken[0]) if len(taken) > 1 else without_signature(one)

        for change in (
            without_signature,
            signature_of_another,
            signature_of_another,
            with_another_script,
            lambda one: with_signature(one, "AAAA"),
        ):
            assert "was not signed" in self.refused(fresh, change, "signature")

    def test_the_order_of_another_mac(self, fresh: Office, office: Office) -> None:
        taken: list[httpx.Response] = []
        headers = {"Authorization": f"Bearer {office.mac.preferences['Token']}"}
        office.line.is_down = True
        try:
            job = office.start("touch /tmp/never")
            taken.append(httpx.post(f"{office.server.base_url}/mdm/agent/next", headers=headers))
            assert taken[0].status_code == 200
        finally:
            office.line.is_down = False
        foreign = Answer(200, {"pomona-signature": taken[0].headers["pomona-signature"]}, taken[0].content)
        self.refused(fresh, lambda _: foreign, "device")
        office.result(job)

    def test_an_order_of_yesterday(self, fresh: Office) -> None:
        fresh.mac.tools.joinpath("date").write_text(
            '#!/bin/sh\n[ "$1" = +%s ] || exec /bin/date "$@"\necho $(($(/bin/date +%s) + 90000))\n'
        )
        fresh.mac.tools.joinpath("date").chmod(0o755)
        self.refused(fresh, lambda one: one, "clock")

    def test_a_token_that_is_not_known_any_more(self, fresh: Office) -> None:
        """It is silent for a while, until there is another profile."""
        fresh.mac.start_agent()
        fresh.run("echo known")
        good = fresh.mac.preferences["Token"]
        fresh.mac.install_profile(Token="x" * 43)
        fresh.says("does not know the token")
        time.sleep(2)  # more than a turn
        assert [status for _, _, status in fresh.line.seen].count(401) == 1
        fresh.mac.install_profile(Token=good)
        assert fresh.run("echo back")["response"] == "back\n"

    def test_without_https_it_talks_to_this_mac_only(self, office: Office, tmp_path: Path) -> None:
        with FlakyLine(office.server.base_url) as line:
            mac = Mac(tmp_path, dict(office.mac.preferences))
            port = line.url.rpartition(":")[2]
            for url in (
                f"http://127.0.0.1.example.com:{port}",
                f"ftp://127.0.0.1:{port}",
                f"http://127.0.0.1:{port}@x",
            ):
                mac.install_profile(URL=url)
                assert mac.start_agent().wait(20) == 0
            mac.kill_agents()
            assert not line.seen

    def test_without_a_profile_it_ends_quietly(self, office: Office, tmp_path: Path) -> None:
        mac = Mac(tmp_path, dict(office.mac.preferences))
        mac.remove_profile()
        running = mac.start_agent()
        assert (running.wait(20), running.stderr.read(), mac.log_text()) == (0, b"", "")
        mac.kill_agents()
        assert not mac.state.exists()


class TestUpdate:
    def older(self, office: Office) -> None:
        """What is on the Mac is a version from before."""
        text = agent_program.program().replace(f"VERSION={agent_program.VERSION}\n".encode(), b"VERSION=0.1\n", 1)
        office.mac.program.write_bytes(text)

    def test_it_replaces_itself_and_goes_on(self, fresh: Office) -> None:
        self.older(fresh)
        running = fresh.mac.start_agent()
        fresh.says("takes the place of version 0.1")
        assert fresh.run("echo new")["response"] == "new\n"
        assert fresh.mac.program.read_bytes() == agent_program.program()
        assert fresh.mac.program.stat().st_mode & 0o777 == 0o755
        assert running.poll() is None
        assert fresh.line.count("/program") == 1

    def test_it_takes_no_program_that_the_server_did_not_sign(self, fresh: Office) -> None:
        self.older(fresh)
        before = fresh.mac.program.read_bytes()
        fresh.line.change(
            "/program", lambda one: Answer(one.status, one.headers, one.body + b"\ntouch /tmp/never\n"), times=10
        )
        fresh.mac.start_agent()
        fresh.says("is refused: it is not signed")
        assert fresh.mac.program.read_bytes() == before
        assert fresh.run("echo still here")["response"] == "still here\n"
