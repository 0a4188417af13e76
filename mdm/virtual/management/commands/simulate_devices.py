import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mdm.virtual.answers import REQUEST_TYPES
from mdm.virtual.channel import Behaviour
from mdm.virtual.device import VirtualDevice
from mdm.virtual.device_authority import DeviceAuthority
from mdm.virtual.errors import DeviceError
from mdm.virtual.installing import ALL_APPS, InstallCourse
from mdm.virtual.simulation import Automated, Plan, Simulation, Summary, load_devices, make_client, save_devices


class Command(BaseCommand):
    help = "Enroll virtual devices over HTTP and let them answer commands as devices do."
    # Devices are clients of whatever server the URL names; this process needs no database of its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--enrollment-url", default="", help="the page an admin sends, …/e/?c=CODE")
        where.add_argument("--ade-url", default="", help="what Apple tells devices of its list to call, …/e/ade/TOKEN")
        parser.add_argument(
            "--count",
            type=_at_least_one,
            metavar="N",
            help="how many devices in all; with --ade-url as many as serial numbers",
        )
        _add_automated(parser)
        parser.add_argument("--platform", type=str.lower, choices=("ios", "macos"), default="ios")
        parser.add_argument(
            "--answer-for",
            type=float,
            default=0.0,
            metavar="SECONDS",
            help="how long to go on answering; 0 answers once what is waiting after the enrollment",
        )
        parser.add_argument("--poll-seconds", type=float, default=5.0, help="pause between two sessions of a device")
        parser.add_argument("--concurrency", type=_at_least_one, default=8, help="devices talking at the same time")
        parser.add_argument(
            "--not-now", type=_request_types, default=[], metavar="TYPES", help="answer NotNow to these"
        )
        parser.add_argument("--errors", type=_request_types, default=[], metavar="TYPES", help="answer Error to these")
        parser.add_argument(
            "--install-steps",
            type=_zero_or_more,
            default=0,
            metavar="N",
            help="an app is there N exchanges after the command to install it; 0 is at once",
        )
        parser.add_argument(
            "--fail-installs",
            type=_percent,
            default=0,
            metavar="PERCENT",
            help="so many of all installs fail, by the Status of ManagedApplicationList",
        )
        parser.add_argument(
            "--seed", type=int, metavar="NUMBER", help="the same number makes the same devices, which fail alike"
        )
        parser.add_argument(
            "--state",
            type=Path,
            metavar="FILE",
            help="save the devices here at the end and go on with them the next time; holds private keys",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 when any enrollment or exchange failed."""
        automated = _automated(options)
        count = len(automated.serials) if automated else options["count"]
        if count is None:
            raise CommandError("Say with --count how many devices there are to be.")
        with make_client(options["concurrency"]) as client:
            try:
                resumed = load_devices(options["state"], client) if options["state"] else []
            except DeviceError as error:
                raise CommandError(str(error)) from error
            if resumed:
                self.stdout.write(f"{len(resumed)} devices resumed from {options['state']}")
            plan = Plan(
                options["enrollment_url"],
                count,
                options["platform"],
                options["answer_for"],
                options["poll_seconds"],
                options["concurrency"],
                _behaviour(options),
                resumed,
                seed=options["seed"],
                automated=automated,
            )
            simulation = Simulation(plan, client, self._say_enrolled, self.stderr.write)
            with _ended_by_control_c(simulation):
                summary = simulation.run()
        if options["state"]:
            save_devices(options["state"], summary.devices)
        self._say_summary(summary, count)
        if summary.failed:
            raise CommandError(self._explain(summary, 1 if automated else count), returncode=1)

    def _say_enrolled(self, device: VirtualDevice) -> None:
        self.stdout.write(f"enrolled {device.serial} {device.udid} {device.facts.model.marketing_name}")

    def _say_summary(self, summary: Summary, count: int) -> None:
        answers = ", ".join(f"{number} {status}" for status, number in sorted(summary.answers.items()))
        self.stdout.write(
            f"{summary.enrolled} of {count} enrolled, {summary.failed} failed, {summary.unenrolled} left; "
            f"answers: {answers or 'none'}; {summary.seconds:.1f} s"
        )

    def _explain(self, summary: Summary, count: int) -> str:
        if count > 1 and (summary.was_refused_as_gone or summary.enrolled == 1):
            return (
                "The server refused further devices. A device's enrollment URL is good for one device only; "
                "for several, use the enrollment URL of a device group."
            )
        reason, number = summary.problems.most_common(1)[0]
        return f"{summary.failed} failed; most often ({number}×): {reason}"


@contextmanager
def _ended_by_control_c(simulation: Simulation) -> Iterator[None]:
    """The first Ctrl-C ends the run after the exchanges under way, the second one at once.

    Not left to KeyboardInterrupt: Python drops it where it happens to come up in a finalizer or a weak reference's callback.
    """

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # In a thread, as this one may be inside the event's own lock just now.
        threading.Thread(target=simulation.stop.set).start()

    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _add_automated(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("Automated Device Enrollment, with --ade-url")
    group.add_argument(
        "--serial", type=_serials, default=[], metavar="NUMBERS", help="of the devices, as Apple's list has them"
    )
    group.add_argument(
        "--device-ca",
        type=Path,
        metavar="FILE",
        help="PEM: certificate and key of the authority that makes the devices genuine (APPLE_DEVICE_CA_FILE there)",
    )
    group.add_argument("--sign-in", default="", metavar="EMAIL", help="whoever signs in on the devices first")
    group.add_argument("--password-file", type=Path, metavar="FILE", help="holds that person's password")


def _automated(options: dict[str, Any]) -> Automated | None:
    """Raises CommandError where an option is missing, or a file cannot be read."""
    if not options["ade_url"]:
        return None
    if not options["serial"] or not options["device_ca"]:
        raise CommandError("--ade-url needs --serial and --device-ca.")
    if options["sign_in"] and not options["password_file"]:
        raise CommandError("--sign-in needs --password-file.")
    try:
        authority = DeviceAuthority.load(options["device_ca"].read_bytes())
        password = options["password_file"].read_text().rstrip("\r\n") if options["sign_in"] else ""
    except (OSError, DeviceError) as error:
        raise CommandError(str(error)) from error
    return Automated(options["ade_url"], options["serial"], authority, options["sign_in"], password)


def _serials(text: str) -> list[str]:
    return [serial.strip() for serial in text.split(",") if serial.strip()]


def _behaviour(options: dict[str, Any]) -> Behaviour:
    course = InstallCourse(options["install_steps"])
    if options["fail_installs"]:
        course = replace(course, ends="Failed", chance=options["fail_installs"] / 100)
    return Behaviour(set(options["not_now"]), dict.fromkeys(options["errors"]), installs={ALL_APPS: course})


def _zero_or_more(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ArgumentTypeError("must be 0 or more")
    return value


def _percent(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100:
        raise ArgumentTypeError("must be 0 to 100")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ArgumentTypeError("must be 1 or more")
    return value


def _request_types(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in REQUEST_TYPES]
    if unknown:
        raise ArgumentTypeError(f"unknown request type {', '.join(unknown)}")
    return names
