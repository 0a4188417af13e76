"""What webhooks are told beyond the reference, if they ask for it."""

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from mdm.accounts.actors import DEVICE
from mdm.commands import services
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.commands.tasks import expire_commands
from mdm.events.expiry import warn_once
from mdm.events.kinds import KINDS
from mdm.events.models import Event, Level, WebhookDelivery
from mdm.events.outbox import OUTGOING, OWN_EVENTS, WEBHOOK_EVENTS
from mdm.events.services import build, emit, emit_many
from tests.base import AccountTestCase
from tests.factories import make_command, make_device, make_webhook
from tests.mdm.endpoints.base import DeviceTestCase

ERROR = {"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "LocalizedDescription": "It is not valid."}


def told(name: str) -> list[dict[str, Any]]:
    rows = WebhookDelivery.objects.filter(event_type=name).order_by("pk")
    return [json.loads(row.body)["data"] for row in rows]


class OwnEventsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.webhook = make_webhook(self.account, events=list(OWN_EVENTS))
        self.facts = {
            "id": self.device.pk,
            "udid": self.device.udid,
            "serial_number": self.device.serial_number,
            "device_group_id": self.device.group_id,
        }

    def emit(self, event_type: str, **options: Any) -> Event:
        return emit(event_type, account_id=self.account.pk, **options)

    def test_every_one_goes_out_for_lines_of_the_log(self):
        self.assertEqual(set(OUTGOING.values()), set(WEBHOOK_EVENTS) - {"test_event"})
        planned = {"installer_certificate.expiring"}
        self.assertLessEqual(set(OUTGOING) - planned, set(KINDS))

    def test_they_go_to_those_that_ask_for_them_alone(self):
        make_webhook(self.account)
        make_webhook(self.account, events=["app.failed"])
        self.emit("profile.installed", device=self.device, profile_id=3, name="Wi-Fi", version=2)
        self.assertEqual([row.webhook for row in WebhookDelivery.objects.all()], [self.webhook])
        self.webhook.delete()
        with self.assertNumQueries(2):  # nobody wants it: the line, and a look
            self.emit("profile.installed", device=self.device, profile_id=3, name="Wi-Fi", version=2)

    def test_profiles(self):
        self.emit("profile.installed", device=self.device, profile_id=3, name="Wi-Fi", version=2)
        self.emit("profile.failed", device=self.device, profile_id=3, name="Wi-Fi", version=2, why="It is not valid.")
        self.emit(
            "profile.failed", device=self.device, profile_id=3, name="Wi-Fi", version=2, why="No.", action="remove"
        )
        about = {"device": self.facts, "profile": {"id": 3, "name": "Wi-Fi", "version": 2}}
        self.assertEqual(told("profile.installed"), [about])
        self.assertEqual(
            told("profile.failed"),
            [
                {**about, "action": "install", "error": "It is not valid."},
                {**about, "action": "remove", "error": "No."},
            ],
        )

    def test_apps(self):
        facts = {"app_id": 5, "name": "Notes", "bundle_identifier": "com.example.notes"}
        self.emit("app.installed", device=self.device, **facts)
        self.emit("app.failed", device=self.device, why="NoSpace", **facts)
        about = {"device": self.facts, "app": {"id": 5, "name": "Notes", "bundle_identifier": "com.example.notes"}}
        self.assertEqual(told("app.installed"), [about])
        self.assertEqual(told("app.failed"), [{**about, "action": "install", "error": "NoSpace"}])

    def test_certificates_and_tokens_that_run_out(self):
        end = timezone.now() + timedelta(days=10)
        at = end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        iso = end.isoformat()
        pk = self.account.pk
        warn_once("push_certificate.expiring", pk, end, which={"not_after": iso}, subject="com.apple.mgmt.x")
        warn_once("push_certificate.expiring", pk, end, which={"not_after": iso}, subject="com.apple.mgmt.x")
        warn_once("trusted_authority.expiring", pk, end, which={"not_after": iso}, subject="Corporate CA")
        self.assertEqual(
            told("certificate.expiring"),
            [
                {"certificate": {"kind": kind, "name": name, "expires_at": at}, "days_left": 9}
                for kind, name in (("push", "com.apple.mgmt.x"), ("trusted_authority", "Corporate CA"))
            ],
        )
        which = {"dep_server_id": 4, "token_expires_at": iso}
        warn_once("dep_server.token_expiring", pk, end, which=which, name="Head office")
        which = {"content_token_id": 6, "expires_at": iso}
        warn_once("content_token.expiring", pk, end, which=which, location="Library")
        self.assertEqual(
            told("token.expiring"),
            [
                {"token": {"kind": kind, "id": number, "name": name, "expires_at": at}, "days_left": 9}
                for kind, number, name in (("dep_server", 4, "Head office"), ("content_token", 6, "Library"))
            ],
        )

    def test_compliance_of_the_account(self):
        self.emit("account.compliance", enrolled=10, compliant=7, underway=2, failed=1)
        self.assertEqual(
            told("account.compliance"), [{"devices": {"enrolled": 10, "compliant": 7, "underway": 2, "failed": 1}}]
        )
        self.assertIsNone(WebhookDelivery.objects.get().order_key)

    def test_a_batch_of_answers_costs_the_same_for_many(self):
        def cost(count: int) -> None:
            lines = [
                build(
                    "command.acknowledged",
                    account_id=self.account.pk,
                    actor=DEVICE,
                    device=self.device,
                    level=Level.INFO,
                    metadata={"command_uuid": str(number)},
                )
                for number in range(count)
            ]
            with self.assertNumQueries(5):  # lines, webhooks, the hold on them, groups of devices, deliveries
                emit_many(lines)

        cost(1)
        cost(50)


class CommandsFinishedTest(DeviceTestCase):
    def setUp(self):
        super().setUp()
        self.device = self.enrolled_device()
        make_webhook(self.account, events=["command.finished"])
        row = self.device.row
        self.facts = {
            "id": row.pk,
            "udid": row.udid,
            "serial_number": row.serial_number,
            "device_group_id": row.group_id,
        }

    def said(self, command: Command, state: str, **more: Any) -> dict[str, Any]:
        about = {"command_uuid": command.command_uuid, "request_type": command.request_type, "state": state}
        return {"device": self.facts, **about, "status": None, "error_chain": [], "error": None, **more}

    def test_what_the_device_answered(self):
        done, failed = make_command(self.device.channel), make_command(self.device.channel)
        with self.captureOnCommitCallbacks(execute=True):
            self.device.idle()
            self.device.acknowledge(done.command_uuid)
            self.device.error(failed.command_uuid, [ERROR])
        self.assertEqual(
            told("command.finished"),
            [
                self.said(done, "acknowledged", status="Acknowledged"),
                self.said(failed, "failed", status="Error", error_chain=[ERROR]),
            ],
        )
        self.assertEqual({row.order_key for row in WebhookDelivery.objects.all()}, {self.device.row.pk})

    def test_a_command_that_cannot_be_completed_says_why(self):
        command = make_command(self.device.channel, "InstallProfile", parameters={"Recipe": "profile", "profile": 99})
        self.assertIsNone(self.device.idle())
        (data,) = told("command.finished")
        self.assertTrue(data["error"])
        self.assertEqual(data, self.said(command, "failed", error=data["error"]))

    def test_expired_and_cancelled_ones(self):
        late = make_command(self.device.channel, expires_at=timezone.now() - timedelta(minutes=1))
        expire_commands()
        cancelled = make_command(self.device.channel)
        services.cancel(cancelled)
        self.assertEqual(told("command.finished"), [self.said(late, "expired"), self.said(cancelled, "cancelled")])

    def test_those_that_went_with_a_cleared_queue_are_told_one_by_one(self):
        commands = [make_command(self.device.channel) for _ in range(3)]
        with self.captureOnCommitCallbacks(execute=True):
            self.device.check_out()
        self.assertEqual(set(Command.objects.values_list("state", flat=True)), {State.CANCELLED})
        self.assertEqual(told("command.finished"), [self.said(command, "cancelled") for command in commands])
