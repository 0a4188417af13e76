"""Which Macs are told to install the agent, how often, and what they are told."""

import hashlib
from datetime import timedelta
from unittest import mock

from django.core.files.storage import default_storage
from django.utils import timezone

from devices.models import AgentPackage, Device, DeviceState, InstallerCertificate, ScriptAgent
from devices.services import agent_rollout
from devices.services.agent_package import build_packages, current_package
from devices.services.agent_program import VERSION
from devices.services.agent_rollout import manifest_for, package_url, roll_out, send_agent
from devices.services.errors import NotEnrolled, NotPossible
from devices.tasks import provide_script_agents
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.endpoints.renderers import CannotRender, complete
from mdm.endpoints.results import REFUSALS
from mdm.events.models import Event, Level
from mdm.protocol import plist
from tests.base import AccountTestCase
from tests.factories import make_device, make_script, make_script_agent, make_script_job
from tests.factories.installer import make_installer_certificate

INSTALL = "InstallEnterpriseApplication"


class RolloutTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.mac = make_device(self.account, platform="macOS")
        self.agent = make_script_agent(self.mac)
        self.certificate = make_installer_certificate(self.account)
        build_packages()

    def told(self, device: Device | None = None) -> int:
        return Command.objects.filter(channel__device=device or self.mac, request_type=INSTALL).count()

    def later(self, days: float = 0) -> None:
        """All that has happened so far was so long ago."""
        past = timedelta(days=days)
        for model, names in (
            (Device, ("enrolled_at",)),
            (ScriptAgent, ("created_at", "package_sent_at", "last_seen_at")),
            (AgentPackage, ("created_at",)),
        ):
            for row in model.objects.all():
                moved = {name: getattr(row, name) - past for name in names if getattr(row, name)}
                model.objects.filter(pk=row.pk).update(**moved)

    def answered(self, state: str = State.ACKNOWLEDGED) -> None:
        Command.objects.filter(request_type=INSTALL).update(state=state, finished_at=timezone.now())

    def runs(self, version: str) -> None:
        ScriptAgent.objects.filter(pk=self.agent.pk).update(version=version, last_seen_at=timezone.now())


class DueTest(RolloutTestCase):
    def test_a_mac_with_the_profile_is_told_once(self):
        self.assertEqual((roll_out(), roll_out()), (1, 0))
        agent, command = ScriptAgent.objects.get(), Command.objects.get()
        self.assertEqual((command.request_type, agent.package_command_uuid), (INSTALL, command.command_uuid))
        self.assertLess(timezone.now() - agent.package_sent_at, timedelta(minutes=1))
        event = Event.objects.get(event_type="agent.sent")
        self.assertEqual((event.device_id, event.metadata["version"]), (self.mac.pk, VERSION))

    def test_it_comes_with_the_sweep_that_brings_the_profile(self):
        other = make_device(self.account, platform="macOS")
        make_script_job(script=make_script(self.account), devices=[other])
        provide_script_agents()
        sent = Command.objects.filter(channel__device=other).order_by("pk")
        self.assertEqual([command.request_type for command in sent], ["InstallProfile", INSTALL])

    def test_who_is_not_told(self):
        make_device(self.account, platform="macOS")  # has no profile
        make_script_agent(make_device(self.account, platform="macOS", os_version="10.12.6"))
        make_script_agent(make_device(self.account, platform="macOS", state=DeviceState.UNENROLLED))
        make_script_agent(make_device(self.account, platform="macOS", removed_at=timezone.now()))
        make_script_agent(make_device(self.other_account, platform="macOS"))  # has no certificate
        again = make_device(self.account, platform="macOS")
        make_script_agent(again)
        Device.objects.filter(pk=again.pk).update(enrolled_at=timezone.now() + timedelta(seconds=1))
        self.assertEqual(roll_out(), 1)
        self.assertEqual(self.told(), 1)

    def test_without_a_usable_certificate_nothing_is_sent(self):
        InstallerCertificate.objects.update(not_after=timezone.now() - timedelta(days=1))
        self.assertEqual(roll_out(), 0)
        InstallerCertificate.objects.all().delete()
        build_packages()
        self.assertEqual(roll_out(), 0)

    def test_one_that_runs_it_is_not_told(self):
        self.runs(VERSION)
        self.later(days=5)
        self.assertEqual(roll_out(), 0)

    def test_an_old_one_has_a_day_to_replace_itself(self):
        self.runs("0.0.1")
        self.assertEqual(roll_out(), 0)
        self.later(days=2)
        self.assertEqual(roll_out(), 0, "it has not called since")
        self.runs("0.0.1")
        self.assertEqual((roll_out(), roll_out()), (1, 0))

    def test_a_command_that_waits_is_not_repeated(self):
        roll_out()
        self.later(days=30)
        self.assertEqual(roll_out(), 0)

    def test_one_that_stays_silent_is_told_again_after_pauses_that_double(self):
        self.later(days=1 / 24)
        attempts = []
        for day in range(20):
            if roll_out():
                attempts.append(day)
            self.answered(State.FAILED if day % 2 else State.ACKNOWLEDGED)
            self.later(days=1.01)
        self.assertEqual(attempts, [0, 1, 3, 7, 15])

    def test_another_certificate_is_another_try(self):
        roll_out()
        self.answered()
        make_installer_certificate(self.account)
        build_packages()
        self.assertEqual((roll_out(), roll_out()), (1, 0))

    def test_many_macs_take_few_statements(self):
        for _ in range(8):
            make_script_agent(make_device(self.account, platform="macOS"))
        with self.assertNumQueries(14):
            self.assertEqual(roll_out(), 9)

    def test_more_than_a_chunk(self):
        for _ in range(4):
            make_script_agent(make_device(self.account, platform="macOS"))
        with mock.patch.object(agent_rollout, "CHUNK", 2):
            self.assertEqual((roll_out(), roll_out()), (5, 0))


class ManifestTest(RolloutTestCase):
    def test_it_names_the_package_and_its_hash(self):
        roll_out()
        command = plist.loads(complete(Command.objects.get()))["Command"]
        item = command["Manifest"]["items"][0]
        asset, package = item["assets"][0], current_package(self.account)
        self.assertEqual(asset["url"], package_url(package))
        with default_storage.open(package.file.name) as file:
            content = file.read()
        pieces = [content[at : at + asset["sha256-size"]] for at in range(0, len(content), asset["sha256-size"])]
        self.assertEqual(asset["sha256s"], [hashlib.sha256(piece).hexdigest() for piece in pieces])
        self.assertEqual(item["metadata"]["bundle-identifier"], "com.pomona.agent")
        self.assertEqual(item["metadata"]["bundle-version"], VERSION)

    def test_it_is_that_of_the_moment_of_delivery(self):
        roll_out()
        make_installer_certificate(self.account)
        build_packages()
        self.assertEqual(
            manifest_for(self.mac)["items"][0]["assets"][0]["url"], package_url(current_package(self.account))
        )

    def test_without_a_certificate_there_is_none(self):
        roll_out()
        InstallerCertificate.objects.all().delete()
        with self.assertRaisesRegex(CannotRender, "no installer certificate"):
            complete(Command.objects.get())


class ByHandTest(RolloutTestCase):
    def refused(self, device: Device) -> str:
        with self.assertRaises(NotPossible) as caught:
            send_agent(device, SYSTEM)
        return str(caught.exception)

    def test_also_where_it_runs_already(self):
        self.runs(VERSION)
        command = send_agent(self.mac, SYSTEM)
        self.assertEqual((command.request_type, self.told()), (INSTALL, 1))
        self.assertEqual(ScriptAgent.objects.get().package_command_uuid, command.command_uuid)

    def test_a_mac_without_the_profile_gets_it_first(self):
        other = make_device(self.account, platform="macOS")
        send_agent(other, SYSTEM)
        sent = Command.objects.filter(channel__device=other).order_by("pk")
        self.assertEqual([command.request_type for command in sent], ["InstallProfile", INSTALL])
        self.assertEqual(roll_out(), 1)  # of the other Mac: this one has been told
        self.assertEqual(self.told(other), 1)

    def test_why_not(self):
        self.assertEqual(self.refused(make_device(self.account)), "The agent is for Macs.")
        self.assertIn("macOS 10.13.6", self.refused(make_device(self.account, platform="macOS", os_version="10.12")))
        self.assertIn("no installer certificate", self.refused(make_device(self.other_account, platform="macOS")))
        roll_out()
        self.assertEqual(self.refused(self.mac), "The agent is on its way to this Mac already.")
        self.mac.channels.update(state=ChannelState.CLOSED)
        with self.assertRaises(NotEnrolled):
            send_agent(self.mac, SYSTEM)


class RefusedTest(RolloutTestCase):
    def test_the_log_tells_why(self):
        roll_out()
        command = Command.objects.get()
        for refused in REFUSALS[INSTALL]:
            refused(self.mac, command, "The package is not signed.")
        event = Event.objects.get(event_type="agent.failed")
        self.assertEqual((event.level, event.metadata["why"]), (Level.WARNING, "The package is not signed."))

    def test_other_packages_are_none_of_its_business(self):
        command = Command.objects.create(
            account=self.account, channel=self.mac.device_channel, request_type=INSTALL, parameters={"Manifest": {}}
        )
        for refused in REFUSALS[INSTALL]:
            refused(self.mac, command, "No.")
        self.assertFalse(Event.objects.filter(event_type="agent.failed").exists())
