"""Webhooks and their deliveries in words, for lists and pages."""

import json
from collections.abc import Sequence

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mdm.accounts.admin_html import badge
from mdm.events.kinds import KINDS
from mdm.events.micromdm import CONNECT, TOLD_CHECKINS
from mdm.events.models import DeliveryState, Webhook, WebhookDelivery, WebhookFormat
from mdm.events.outbox import EVENT_WORDS, OWN_EVENTS, REFERENCE_EVENTS, TEST_EVENT
from mdm.events.webhook_standing import Standing, standing

STANDING_WORDS = {
    Standing.UNTRIED: (gettext_lazy("Not tried yet"), "info"),
    Standing.WORKING: (gettext_lazy("Working"), "valid"),
    Standing.FAILING: (gettext_lazy("Refuses messages"), "warning"),
    Standing.RESTING: (gettext_lazy("Resting after failures"), "warning"),
    Standing.PAUSED: (gettext_lazy("Paused"), "failed"),
    Standing.DISABLED: (gettext_lazy("Disabled"), ""),
}
FORMAT_WORDS = {
    WebhookFormat.NATIVE: (
        "Pomona",
        gettext_lazy("Short messages about what happened, of the kinds that you choose: type, at and data."),
    ),
    WebhookFormat.MICROMDM: (
        "MicroMDM",
        gettext_lazy(
            "Everything that devices send, word for word, for tools that were written for MicroMDM. "
            "Passwords and keys can be in it."
        ),
    ),
}
STATE_TONES = {DeliveryState.PENDING: "info", DeliveryState.DELIVERED: "done", DeliveryState.FAILED: "failed"}
TOPICS = (CONNECT, *sorted(f"mdm.{message_type}" for message_type in TOLD_CHECKINS))
TOLD_IN_A_LIST = 2
ALL_STANDARD = gettext_lazy("All standard events")


def standing_badge(webhook: Webhook) -> SafeString:
    return badge(*STANDING_WORDS[standing(webhook)[0]])


def delivery_badge(delivery: WebhookDelivery) -> SafeString:
    """A message that was tried in vain and will be tried again looks different from one that has yet to go."""
    if delivery.state == DeliveryState.PENDING and delivery.attempts:
        return badge(_("Will be tried again"), "warning")
    return badge(delivery.get_state_display(), STATE_TONES[DeliveryState(delivery.state)])


def event_words(name: str) -> str:
    """What happened, for people; of MicroMDM's format, what the device sent."""
    if name == CONNECT:
        return _("A device connected")
    topic = name.removeprefix("mdm.")
    if name in EVENT_WORDS:
        return _(EVENT_WORDS[name])
    return name if topic == name else _("A device sent %(message)s") % {"message": topic}


def message_words(delivery: WebhookDelivery) -> str:
    """As the log says it, where it has the line: "A device carried out a command: DeviceLock". From `without_bodies`."""
    said = _(KINDS[delivery.kind]) if delivery.kind in KINDS else event_words(delivery.event_type)
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
        return _("Everything that devices send"), _("in the format of MicroMDM")
    names = chosen_events(webhook)
    told = names[:TOLD_IN_A_LIST]
    more = len(names) - len(told)
    in_short = " · ".join(told + ([_("%(number)s more") % {"number": more}] if more else []))
    if not webhook.events:
        return str(ALL_STANDARD), in_short
    kinds = ngettext("%(number)s kind of event", "%(number)s kinds of event", len(names)) % {"number": len(names)}
    return kinds, in_short


def pretty(body: str) -> str:
    """A message with line breaks; one that is no JSON as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
