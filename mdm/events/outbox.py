"""Events on their way out: what webhooks are told, and the rows by which they are told it.

A delivery is written with its event, in one transaction; `mdm.events.delivery` sends it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from functools import partial
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, prefetch_related_objects

from mdm.common.batches import batches
from mdm.common.nudge import nudge_named
from mdm.events.models import Event, Webhook, WebhookDelivery

Data = Callable[[Sequence[Event]], dict[str, Any]]
TEST_EVENT = "test_event"
# One message tells of so many devices that moved together at the most.
DEVICES_IN_A_MESSAGE = 500


def _one_device(events: Sequence[Event]) -> dict[str, Any]:
    return {"device": _device(events[0])}


def _devices(events: Sequence[Event]) -> dict[str, Any]:
    return {"devices": [_device(event) for event in events]}


def _listed_device(events: Sequence[Event]) -> dict[str, Any]:
    """A device of Apple's list, which need not be one of ours yet."""
    facts = events[0].metadata
    return {
        "device": {
            "serial_number": events[0].serial_number or facts.get("serial_number"),
            "model": facts.get("model"),
        }
    }


def _nothing(events: Sequence[Event]) -> dict[str, Any]:
    return {}


# Name of the message → what makes its `data`. Source of the names: the reference, "Webhooks".
WEBHOOK_EVENTS: dict[str, Data] = {
    "device.enrolled": _one_device,
    "device.unenrolled": _one_device,
    "device.changed_group": _devices,
    "device.lock.enabled": _one_device,
    "abm.device.added": _listed_device,
    TEST_EVENT: _nothing,
}
MERGED = {"device.changed_group"}
# Line of the log → the message that goes out for it. A test goes to the webhook under test alone.
OUTGOING = {name: name for name in WEBHOOK_EVENTS if name != TEST_EVENT} | {"device.reenrolled": "device.enrolled"}


def write_deliveries(events: Sequence[Event]) -> None:
    """A row for each webhook that wants to know, in the caller's transaction; workers hear of them on commit.

    One statement looks for webhooks; where there is none, it stays the only one.
    """
    outgoing = [event for event in events if event.event_type in OUTGOING]
    if not outgoing:
        return
    accounts = {event.account_id for event in outgoing}
    webhooks = list(
        Webhook.objects.filter(account_id__in=accounts, is_enabled=True)
        .only("pk", "account_id", "events")
        .order_by("pk")
    )
    if not webhooks:
        return
    write_rows(
        delivery_of(webhook, name, event, text)
        for name, event, text in _messages(outgoing)
        for webhook in webhooks
        if webhook.account_id == event.account_id and wants(webhook, name)
    )


def write_rows(deliveries: Iterable[WebhookDelivery]) -> list[WebhookDelivery]:
    rows = WebhookDelivery.objects.bulk_create(deliveries, batch_size=500)
    if rows:
        # By name: the task sends, and what it could not send it writes into the log, which uses this module.
        transaction.on_commit(partial(nudge_named, "mdm.events.tasks.deliver_webhooks"))
    return rows


def delivery_of(webhook: Webhook, name: str, event: Event, text: str) -> WebhookDelivery:
    """A row not yet written."""
    return WebhookDelivery(account_id=webhook.account_id, webhook=webhook, event=event, event_type=name, body=text)


def wants(webhook: Webhook, name: str) -> bool:
    return not webhook.events or name in webhook.events


def body(name: str, events: Sequence[Event]) -> str:
    """The message as it is sent."""
    at = events[0].at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": name, "at": at, "data": WEBHOOK_EVENTS[name](events)}, ensure_ascii=False)


def _messages(events: list[Event]) -> Iterator[tuple[str, Event, str]]:
    """Name, first event and text of each message: all are about one event, but for devices that moved together."""
    devices = Event._meta.get_field("device").related_model.objects.only("group_id")
    prefetch_related_objects(
        [event for event in events if event.device_id and not _has_group(event)], Prefetch("device", devices)
    )
    for (event_type, _account), group in groupby(events, key=lambda event: (event.event_type, event.account_id)):
        name = OUTGOING[event_type]
        for some in batches(list(group), DEVICES_IN_A_MESSAGE if name in MERGED else 1):
            yield name, some[0], body(name, some)


def _device(event: Event) -> Mapping[str, Any]:
    known = event.metadata.get("device_group_id") if _has_group(event) else event.device and event.device.group_id
    return {
        "id": event.device_id,
        "udid": event.udid or None,
        "serial_number": event.serial_number or None,
        "device_group_id": known,
    }


def _has_group(event: Event) -> bool:
    return "device_group_id" in event.metadata
