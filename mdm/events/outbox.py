"""Events on their way out: what webhooks are told, and the rows by which they are told it.

A delivery is written with its event, in one transaction; `mdm.events.delivery` sends it. What `data` holds stands in
`message_data.py`; webhooks of MicroMDM's format are told other things: see `micromdm.py`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects
from django.utils.translation import gettext_noop as _

from mdm.common import rows
from mdm.common.batches import batches
from mdm.common.many_rows import insert_many
from mdm.common.nudge import nudge_named
from mdm.events import message_data
from mdm.events.kinds import KINDS
from mdm.events.models import SEVERAL_DEVICES, Event, Webhook, WebhookDelivery, WebhookFormat

Data = Callable[[Sequence[Event]], dict[str, Any]]
TEST_EVENT = "test_event"
# One message tells of so many devices that moved together at the most.
DEVICES_IN_A_MESSAGE = 500
FEW = 10

# Name of the message → what makes its `data`. Source of the first ones: the reference, "Webhooks".
_REFERENCE: dict[str, Data] = {
    "device.enrolled": message_data.one_device,
    "device.unenrolled": message_data.one_device,
    "device.changed_group": message_data.devices,
    "device.lock.enabled": message_data.one_device,
    "abm.device.added": message_data.listed_device,
    TEST_EVENT: message_data.nothing,
}
_OWN: dict[str, Data] = {
    "command.finished": message_data.command,
    "profile.installed": message_data.profile,
    "profile.failed": message_data.profile,
    "app.installed": message_data.app,
    "app.failed": message_data.app,
    "script_job.finished": message_data.script_job,
    "certificate.expiring": message_data.certificate,
    "token.expiring": message_data.token,
    "account.compliance": message_data.compliance,
}
WEBHOOK_EVENTS = _REFERENCE | _OWN
# What a webhook that names no events is told; the others go to those that ask for them.
REFERENCE_EVENTS = tuple(_REFERENCE)
OWN_EVENTS = tuple(_OWN)
EVENT_WORDS = {
    "device.enrolled": _("A device enrolled, or enrolled again"),
    "device.unenrolled": _("A device left management"),
    "device.changed_group": _("Devices moved to another device group"),
    "device.lock.enabled": _("A device was locked"),
    "abm.device.added": _("Apple lists a new device"),
    TEST_EVENT: _("Somebody asked for a test"),
    "command.finished": _("A command was carried out, failed, expired or was cancelled"),
    "profile.installed": _("A device installed a profile"),
    "profile.failed": _("A device could not install a profile, or not remove it"),
    "app.installed": _("A device installed an app"),
    "app.failed": _("A device could not install an app, or not remove it"),
    "script_job.finished": _("The last Mac of a script job is done with it"),
    "certificate.expiring": _("A certificate runs out in 30, 14, 7 days or one"),
    "token.expiring": _("A token of Apple runs out in 30, 14, 7 days or one"),
    "account.compliance": _("How many devices have all that they should have has changed"),
}
MERGED = {"device.changed_group"}
# Line of the log → the message that goes out for it. A test goes to the webhook under test alone.
OUTGOING = (
    {name: name for name in WEBHOOK_EVENTS if name in KINDS and name != TEST_EVENT}
    | {"device.reenrolled": "device.enrolled"}
    | dict.fromkeys(message_data.COMMAND_STATES, "command.finished")
    | dict.fromkeys(message_data.CERTIFICATES, "certificate.expiring")
    | dict.fromkeys(message_data.TOKENS, "token.expiring")
)


def write_deliveries(events: Sequence[Event]) -> None:
    """A row for each webhook that wants to know, in the caller's transaction; workers hear of them on commit.

    One statement looks for webhooks; where none wants to know, it stays the only one. Else they are held until the end of
    the transaction: one that somebody deletes meanwhile would take down with it what the event tells of.
    """
    outgoing = [event for event in events if event.event_type in OUTGOING]
    if not outgoing:
        return
    accounts = {event.account_id for event in outgoing}
    webhooks = list(
        Webhook.objects.filter(account_id__in=accounts, is_enabled=True, format=WebhookFormat.NATIVE)
        .only("pk", "account_id", "events", "format")
        .order_by("pk")
    )
    wanted = {(webhook.account_id, name) for webhook in webhooks for name in WEBHOOK_EVENTS if wants(webhook, name)}
    outgoing = [event for event in outgoing if (event.account_id, OUTGOING[event.event_type]) in wanted]
    if not outgoing:
        return
    webhooks = _held(webhooks)
    write_rows(
        delivery_of(webhook, name, some[0], text, order_key=order_key_of(some))
        for name, some, text in _messages(outgoing)
        for webhook in webhooks
        if webhook.account_id == some[0].account_id and wants(webhook, name)
    )


def _held(webhooks: Sequence[Webhook]) -> list[Webhook]:
    """Those that are still there and enabled, and can only be deleted after our transaction."""
    keys = [webhook.pk for webhook in webhooks]
    condition = f"id IN ({', '.join(['%s'] * len(keys))}) AND is_enabled ORDER BY id"
    return rows.hold(Webhook, condition, *keys)


def write_rows(deliveries: Iterable[WebhookDelivery]) -> list[WebhookDelivery]:
    """Up to `FEW` know their primary keys afterwards."""
    written = list(deliveries)
    if 0 < len(written) <= FEW:
        rows.insert(*written)
    elif written:
        insert_many(written)
    if written:
        # By name: the task sends, and what it could not send it writes into the log, which uses this module.
        transaction.on_commit(partial(nudge_named, "mdm.events.tasks.deliver_webhooks"))
    return written


def delivery_of(
    webhook: Webhook, name: str, event: Event, text: str, *, order_key: int | None = None
) -> WebhookDelivery:
    """A row not yet written. The receiver knows the message by the id of the line in the log."""
    return WebhookDelivery(
        account_id=webhook.account_id,
        webhook=webhook,
        event=event,
        event_type=name,
        message_id=event.log_id,
        order_key=order_key,
        body=text,
    )


def order_key_of(events: Sequence[Event]) -> int | None:
    """The device that a message is about; None where it is about none."""
    devices = {event.device_id for event in events}
    return devices.pop() if len(devices) == 1 else SEVERAL_DEVICES


def wants(webhook: Webhook, name: str) -> bool:
    return name in (webhook.events or REFERENCE_EVENTS)


def body(name: str, events: Sequence[Event]) -> str:
    """The message as it is sent."""
    at = message_data.timestamp(events[0].at)
    return json.dumps({"type": name, "at": at, "data": WEBHOOK_EVENTS[name](events)}, ensure_ascii=False)


def _messages(events: list[Event]) -> Iterator[tuple[str, list[Event], str]]:
    """Name, events and text of each message: all are about one event, but for devices that moved together."""
    devices = Event._meta.get_field("device").related_model.objects.only("group_id")
    prefetch_related_objects(
        [event for event in events if event.device_id and not message_data.has_group(event)],
        Prefetch("device", devices),
    )
    for (event_type, _account), group in groupby(events, key=lambda event: (event.event_type, event.account_id)):
        name = OUTGOING[event_type]
        for some in batches(list(group), DEVICES_IN_A_MESSAGE if name in MERGED else 1):
            yield name, some, body(name, some)
