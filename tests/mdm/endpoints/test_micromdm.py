"""Webhooks of MicroMDM's format: told of what devices say, word for word, and of nothing else."""

import base64
import json
import plistlib
from typing import Any
from unittest.mock import patch

from django.db import connection

from enrollment.services.admission import Refused
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.endpoints.renderers import CannotRender
from mdm.events import micromdm
from mdm.events.models import WebhookDelivery, WebhookFormat
from mdm.events.services import emit
from mdm.events.webhooks import send_test
from tests.factories import make_command, make_webhook
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import CHECKIN, CONNECT, SignedDevice


class MicroMdmTest(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.webhook = make_webhook(self.account, format=WebhookFormat.MICROMDM)
        make_webhook(self.other_account, format=WebhookFormat.MICROMDM)

    def told(self) -> list[dict[str, Any]]:
        rows = WebhookDelivery.objects.filter(webhook=self.webhook).order_by("pk")
        return [json.loads(row.sealed_body) for row in rows]

    def topics(self) -> list[str]:
        return [message["topic"] for message in self.told()]

    def forget(self) -> None:
        WebhookDelivery.objects.all().delete()

    def quiet(self, platform: str = "iOS", **options: Any) -> SignedDevice:
        device = self.enrolled_device(platform, **options)
        self.forget()
        return device

    def payload(self, message: dict[str, Any]) -> dict[str, Any]:
        event = message.get("checkin_event") or message["acknowledge_event"]
        return plistlib.loads(base64.b64decode(event["raw_payload"]))

    def test_check_ins_are_told_with_the_message_unchanged(self) -> None:
        device = self.new_device()
        body = plistlib.dumps({"MessageType": "Authenticate", "Topic": "com.example", **device.ids}, sort_keys=False)
        body += b"\n\n"
        self.assertEqual(device.put(f"{CHECKIN}?station=7", body).status_code, 200)
        device.token_update(UnlockToken=b"unlock")
        device.check_out()
        first, second, third = self.told()
        self.assertEqual(list(first), ["topic", "event_id", "created_at", "checkin_event"])
        self.assertEqual(
            first["checkin_event"],
            {
                "udid": device.device_key,
                "url_params": {"station": "7"},
                "raw_payload": base64.b64encode(body).decode(),
            },
        )
        self.assertRegex(first["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(self.topics(), ["mdm.Authenticate", "mdm.TokenUpdate", "mdm.CheckOut"])
        self.assertEqual(self.payload(second)["UnlockToken"], b"unlock")
        self.assertEqual(third["checkin_event"]["url_params"], {})
        rows = list(WebhookDelivery.objects.order_by("pk"))
        self.assertEqual([row.message_id for row in rows], [message["event_id"] for message in self.told()])
        self.assertEqual({row.order_key for row in rows}, {device.row.pk})
        self.assertEqual({(row.webhook, row.event, row.body) for row in rows}, {(self.webhook, None, "")})

    def test_bootstrap_tokens_stored_and_asked_for(self) -> None:
        mac = self.quiet("macOS")
        mac.checkin("SetBootstrapToken", BootstrapToken=b"boot")
        mac.checkin("GetBootstrapToken")
        self.assertEqual(self.topics(), ["mdm.SetBootstrapToken", "mdm.GetBootstrapToken"])

    def test_idle_answers_and_not_now_are_told(self) -> None:
        device = self.quiet()
        first, second = make_command(device.channel), make_command(device.channel)
        device.idle()
        device.not_now(first.command_uuid)
        device.acknowledge(second.command_uuid, QueryResponses={"DeviceName": "Jane's"})
        idle, postponed, answer = (message["acknowledge_event"] for message in self.told())
        self.assertEqual(set(self.topics()), {"mdm.Connect"})
        self.assertEqual(list(idle), ["udid", "status", "command_uuid", "url_params", "raw_payload"])
        self.assertEqual(
            [(one["udid"], one["status"], one["command_uuid"]) for one in (idle, postponed, answer)],
            [
                (device.device_key, "Idle", ""),
                (device.device_key, "NotNow", first.command_uuid),
                (device.device_key, "Acknowledged", second.command_uuid),
            ],
        )
        self.assertEqual(self.payload(self.told()[2])["QueryResponses"], {"DeviceName": "Jane's"})
        self.assertEqual(len({message["event_id"] for message in self.told()}), 3)

    def test_a_user_enrollment_is_named_by_its_enrollment_id(self) -> None:
        device = self.new_device(enrollment_id="E-1").enroll()
        device.idle()
        events = [message.get("checkin_event") or message["acknowledge_event"] for message in self.told()]
        self.assertEqual({(event["udid"], event["enrollment_id"]) for event in events}, {("", "E-1")})

    def test_users_lines_are_told_under_their_device(self) -> None:
        mac = self.quiet("macOS")
        user = mac.user()
        user.token_update(UserShortName="jane")
        user.idle()
        self.assertEqual(self.topics(), ["mdm.TokenUpdate", "mdm.Connect"])
        self.assertEqual(self.told()[1]["acknowledge_event"]["udid"], mac.device_key)
        self.assertEqual(self.payload(self.told()[1])["UserID"], user.ids["UserID"])

    def test_what_a_device_entrusts_is_sealed_at_rest(self) -> None:
        mac = self.quiet("macOS")
        mac.checkin("SetBootstrapToken", BootstrapToken=b"the-bootstrap-token")
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM mdm_events_webhookdelivery")
            (row,) = cursor.fetchall()
        stored = b"".join(
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in row
        )
        raw = WebhookDelivery.objects.get().sealed_body
        for secret in (b"the-bootstrap-token", base64.b64encode(b"the-bootstrap-token"), raw[:40].encode()):
            self.assertNotIn(secret, stored)
        self.assertNotIn(json.loads(raw)["checkin_event"]["raw_payload"][:40].encode(), stored)

    def test_refused_messages_are_not_told(self) -> None:
        device, other = self.quiet(), self.quiet()
        self.assertEqual(device.put(CONNECT, b"not a message").status_code, 400)
        stranger = other.with_certificate(device.certificate, device.key)
        self.assertEqual(stranger.connect("Idle").status_code, 403)
        self.assertEqual(stranger.token_update().status_code, 403)
        self.assertEqual(stranger.check_out().status_code, 403)
        self.assertEqual(self.new_device().connect("Idle").status_code, 403)
        self.assertEqual(self.new_device().token_update().status_code, 403)
        for state, status in ((ChannelState.LEAVING, 401), (ChannelState.CLOSED, 403)):
            Channel.objects.filter(pk=device.channel.pk).update(state=state)
            self.assertEqual(device.connect("Idle").status_code, status)
            self.assertEqual(device.checkin("SetBootstrapToken", BootstrapToken=b"boot").status_code, status)
        with patch("enrollment.services.lifecycle.check_licences", side_effect=Refused("there is no licence left")):
            self.assertEqual(self.new_device().authenticate().status_code, 403)
        self.assertEqual(self.events("enrollment.refused")[-1].metadata["why"], "there is no licence left")
        self.assertEqual(WebhookDelivery.objects.count(), 0)

    def test_the_message_comes_and_goes_with_what_it_changes(self) -> None:
        device = self.quiet()
        command = make_command(device.channel)
        device.idle()
        self.forget()
        with patch.object(micromdm, "write_rows", side_effect=ZeroDivisionError), self.assertRaises(ZeroDivisionError):
            device.acknowledge(command.command_uuid)
        self.assertEqual(Command.objects.get(pk=command.pk).state, "sent")
        with patch.object(micromdm, "write_rows", side_effect=ZeroDivisionError), self.assertRaises(ZeroDivisionError):
            device.check_out()
        self.assertEqual(device.channel.state, ChannelState.OPEN)
        self.assertEqual(self.events("device.unenrolled"), [])

    def test_a_message_is_told_once_though_the_next_command_cannot_be_completed(self) -> None:
        device = self.quiet()
        for _ in range(2):
            make_command(device.channel)
        with patch("mdm.endpoints.connect.complete", side_effect=CannotRender("it is gone")):
            self.assertIsNone(device.idle())
        self.assertEqual(self.topics(), ["mdm.Connect"])

    def test_only_enabled_webhooks_of_the_account_and_each_of_them(self) -> None:
        device = self.quiet()
        second = make_webhook(self.account, format=WebhookFormat.MICROMDM, events=["device.enrolled"])
        make_webhook(self.account, format=WebhookFormat.MICROMDM, is_enabled=False)
        make_webhook(self.account)
        device.idle()
        rows = list(WebhookDelivery.objects.order_by("pk"))
        self.assertEqual([row.webhook for row in rows], [self.webhook, second])
        self.assertEqual(len({row.message_id for row in rows}), 1)
        self.assertEqual({row.sealed_body for row in rows}, {rows[0].sealed_body})

    def test_lines_of_the_log_are_not_told(self) -> None:
        device = self.quiet()
        emit("device.enrolled", account_id=self.account.pk, device=device.row)
        self.assertFalse(WebhookDelivery.objects.exists())

    def test_a_test_has_the_same_form_and_is_about_no_device(self) -> None:
        delivery = send_test(self.webhook, SYSTEM)
        message = json.loads(delivery.body)
        self.assertEqual(list(message), ["topic", "event_id", "created_at"])
        self.assertEqual((message["topic"], message["event_id"]), ("test_event", delivery.message_id))

    def test_workers_hear_of_it_on_commit(self) -> None:
        device = self.quiet()
        with patch("mdm.events.outbox.nudge_named") as nudge, self.captureOnCommitCallbacks(execute=True):
            device.idle()
            nudge.assert_not_called()
        nudge.assert_called_once_with("mdm.events.tasks.deliver_webhooks")
