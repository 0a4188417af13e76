"""Webhooks of MicroMDM's format: told of each message of a device that was accepted, with the message itself.

The message holds what a device entrusts to its management (unlock token, recovery keys), so that the row that waits for its
delivery keeps it sealed. Source of the form: MicroMDM, "webhook".
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from mdm.common import rows
from mdm.events.models import Event, Webhook, WebhookDelivery
from mdm.events.outbox import TEST_EVENT, write_rows
from mdm.protocol.ids import ChannelKey
from mdm.protocol.report import Report

CONNECT = "mdm.Connect"
# Those of MicroMDM's own. Source: MicroMDM, "webhook".
TOLD_CHECKINS = {"Authenticate", "TokenUpdate", "CheckOut", "SetBootstrapToken", "GetBootstrapToken"}

# Both as the index `webhook_of_raw_messages` wants it: asked for each message of a device, and of most accounts there is none.
_CONDITION = "account_id = %s AND format = 'micromdm' AND is_enabled"
# For the one statement of the hot path, which knows the account as `ch.account_id`: whether anybody is told.
IS_TOLD_SQL = (
    "EXISTS (SELECT 1 FROM mdm_events_webhook w"
    " WHERE w.account_id = ch.account_id AND w.format = 'micromdm' AND w.is_enabled)"
)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a device: raw is the body as it came, url_params what stood in the query of its URL."""

    topic: str
    key: ChannelKey
    raw: bytes = field(repr=False)
    url_params: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    command_uuid: str = ""


def heard_report(report: Report, url_params: Mapping[str, str]) -> Heard:
    return Heard(CONNECT, report.key, report.raw, url_params, report.status, report.command_uuid)


def heard_checkin(message_type: str, key: ChannelKey, raw: bytes, url_params: Mapping[str, str]) -> Heard | None:
    """None for a message that nobody is told of."""
    return Heard(f"mdm.{message_type}", key, raw, url_params) if message_type in TOLD_CHECKINS else None


def tell(heard: Heard, *, account_id: int, device_id: int) -> None:
    """A row for each webhook that wants it, in the caller's transaction: one statement where there is none."""
    found = rows.hold(Webhook, _CONDITION, account_id)
    if not found:
        return
    message_id, now = str(uuid.uuid4()), timezone.now()
    text = _body(heard.topic, message_id, now, _told(heard))
    write_rows(
        WebhookDelivery(
            account_id=account_id,
            webhook=webhook,
            event_type=heard.topic,
            message_id=message_id,
            order_key=device_id,
            sealed_body=text,
        )
        for webhook in found
    )


def body_of_test(event: Event) -> str:
    """A message of no meaning: a topic that receivers do not know, about no device."""
    return _body(TEST_EVENT, event.log_id, event.at, {})


def _told(heard: Heard) -> dict[str, Any]:
    who = {"enrollment_id" if heard.key.is_user_enrollment else "udid": heard.key.device_id}
    last = {"url_params": dict(heard.url_params), "raw_payload": base64.b64encode(heard.raw).decode()}
    if heard.topic != CONNECT:
        return {"checkin_event": {"udid": "", **who, **last}}
    answer = {"status": heard.status, "command_uuid": heard.command_uuid}
    return {"acknowledge_event": {"udid": "", **who, **answer, **last}}


def _body(topic: str, event_id: str, at: datetime, told: Mapping[str, Any]) -> str:
    created_at = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"topic": topic, "event_id": event_id, "created_at": created_at, **told})
