from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mdm.virtual.answers import REQUEST_TYPES
from mdm.virtual.channel import Behaviour
from mdm.virtual.device import VirtualDevice
from mdm.virtual.errors import DeviceError
from mdm.virtual.simulation import Plan, Simulation, Summary, load_devices, make_client, save_devices


class Command(BaseCommand):
    help = "Enroll virtual devices over HTTP and let them answer commands as devices do."
    # Devices are clients of whatever server the URL names; this process needs no database of its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--enrollment-url", required=True, help="the page an admin sends, …/e/?c=CODE")
        parser.add_argument("--count", type=_at_least_one, required=True, metavar="N", help="how many devices in all")
        parser.add_argument("--platform", choices=("ios", "macos"), default="ios")
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
            "--state",
            type=Path,
            metavar="FILE",
            help="save the devices here at the end and go on with them the next time; holds private keys",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 when any enrollment or exchange failed."""
        with make_client(options["concurrency"]) as client:
            try:
                resumed = load_devices(options["state"], client) if options["state"] else []
            except DeviceError as error:
                raise CommandError(str(error)) from error
            if resumed:
                self.stdout.write(f"{len(resumed)} devices resumed from {options['state']}")
            plan = Plan(
                options["enrollment_url"],
                options["count"],
                options["platform"],
                options["answer_for"],
                options["poll_seconds"],
                options["concurrency"],
                Behaviour(set(options["not_now"]), dict.fromkeys(options["errors"])),
                resumed,
            )
            summary = Simulation(plan, client, self._say_enrolled, self.stderr.write).run()
        if options["state"]:
            save_devices(options["state"], summary.devices)
        self._say_summary(summary, options["count"])
        if summary.failed:
            raise CommandError(self._explain(summary, options["count"]), returncode=1)

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
