"""Webhooks and their deliveries in words, for lists and pages."""

import json
from collections.abc import Sequence

from django.utils.safestring import SafeString

from mdm.accounts.admin_html import badge
from mdm.events.kinds import KINDS
from mdm.events.micromdm import CONNECT, TOLD_CHECKINS
from mdm.events.models import DeliveryState, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.outbox import EVENT_WORDS, OWN_EVENTS, REFERENCE_EVENTS, TEST_EVENT
from mdm.events.webhook_standing import Standing, standing

STANDING_WORDS = {
    Standing.WORKING: ("Working", "valid"),
    Standing.FAILING: ("Refuses messages", "warning"),
    Standing.RESTING: ("Resting after failures", "warning"),
    Standing.PAUSED: ("Paused", "failed"),
    Standing.DISABLED: ("Disabled", ""),
}
FORMAT_WORDS = {
    WebhookFormat.NATIVE: (
        "Pomona",
        "Short messages about what happened, of the kinds that you choose: type, at and data.",
    ),
    WebhookFormat.MICROMDM: (
        "MicroMDM",
        "Everything that devices send, word for word, for tools that were written for MicroMDM. Passwords and keys can be "
        "in it.",
    ),
}
STATE_TONES = {DeliveryState.PENDING: "info", DeliveryState.DELIVERED: "done", DeliveryState.FAILED: "failed"}
TOPICS = (CONNECT, *sorted(f"mdm.{message_type}" for message_type in TOLD_CHECKINS))
TOLD_IN_A_LIST = 2
ALL_STANDARD = "All standard events"


def standing_badge(webhook: Webhook) -> SafeString:
    return badge(*STANDING_WORDS[standing(webhook)[0]])


def delivery_badge(delivery: WebhookDelivery) -> SafeString:
    """A message that was tried in vain and is tried again looks different from one that has yet to go."""
    if delivery.state == DeliveryState.PENDING and delivery.attempts:
        return badge("Tried again", "warning")
    return badge(delivery.get_state_display(), STATE_TONES[DeliveryState(delivery.state)])


def event_words(name: str) -> str:
    """What happened, for people; of MicroMDM's format, what the device sent."""
    if name == CONNECT:
        return "A device connected"
    topic = name.removeprefix("mdm.")
    return EVENT_WORDS.get(name, name if topic == name else f"A device sent {topic}")


def message_words(delivery: WebhookDelivery) -> str:
    """As the log says it, where it has the line: "A device carried out a command: DeviceLock". From `without_bodies`."""
    said = KINDS.get(delivery.kind or "") or event_words(delivery.event_type)
    return f"{said}: {delivery.request_type}" if delivery.request_type else said


def choices(names: Sequence[str]) -> list[str]:
    """Those that one can choose: a test goes to the webhook under test, whatever it is for."""
    return [name for name in names if name != TEST_EVENT]


def chosen_events(webhook: Webhook) -> list[str]:
    """The names that it is told of, in the order in which they are offered."""
    wanted = set(webhook.events or REFERENCE_EVENTS)
    return [name for name in choices([*REFERENCE_EVENTS, *OWN_EVENTS]) if name in wanted]


def events_in_short(webhook: Webhook) -> tuple[str, str]:
    """What it is told, in two lines of a list."""
    if webhook.format == WebhookFormat.MICROMDM:
        return "Everything that devices send", "in the format of MicroMDM"
    names = chosen_events(webhook)
    told = names[:TOLD_IN_A_LIST]
    more = len(names) - len(told)
    in_short = " · ".join(told + ([f"{more} more"] if more else []))
    if not webhook.events:
        return ALL_STANDARD, in_short
    return f"{len(names)} kind{'' if len(names) == 1 else 's'} of event", in_short


def pretty(body: str) -> str:
    """A message with line breaks; one that is no JSON as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
