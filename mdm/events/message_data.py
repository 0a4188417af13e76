"""`data` of each message to a webhook, made from lines of the log. Its keys are stable; what they mean: docs/webhooks.md."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mdm.events.models import Event

# Line of the log → what became of the command.
COMMAND_STATES = {
    "command.acknowledged": "acknowledged",
    "command.failed": "failed",
    "command.undeliverable": "failed",
    "command.expired": "expired",
    "command.cancelled": "cancelled",
}
# Line of the log → what it is that ends.
CERTIFICATES = {
    "push_certificate.expiring": "push",
    "vendor_certificate.expiring": "vendor",
    "installer_certificate.expiring": "installer",
    "trusted_authority.expiring": "trusted_authority",
}
TOKENS = {"dep_server.token_expiring": "dep_server", "content_token.expiring": "content_token"}


# --- The reference's ------------------------------------------------------------------------------------------------
def one_device(events: Sequence[Event]) -> dict[str, Any]:
    return {"device": _device(events[0])}


def devices(events: Sequence[Event]) -> dict[str, Any]:
    return {"devices": [_device(event) for event in events]}


def listed_device(events: Sequence[Event]) -> dict[str, Any]:
    """A device of Apple's list, which need not be one of ours yet."""
    facts = events[0].metadata
    return {
        "device": {
            "serial_number": events[0].serial_number or facts.get("serial_number"),
            "model": facts.get("model"),
        }
    }


def nothing(events: Sequence[Event]) -> dict[str, Any]:
    return {}


# --- Our own ----------------------------------------------------------------------------------------------------------
def command(events: Sequence[Event]) -> dict[str, Any]:
    """status is Apple's word; None where the device gave no answer, and `error` says why if there is anything to say."""
    event, facts = events[0], events[0].metadata
    return {
        "device": _device(event),
        "command_uuid": facts.get("command_uuid"),
        "request_type": facts.get("request_type"),
        "state": COMMAND_STATES[event.event_type],
        "status": facts.get("status"),
        "error_chain": facts.get("error_chain") or [],
        "error": facts.get("why"),
    }


def profile(events: Sequence[Event]) -> dict[str, Any]:
    return _item(events[0], "profile", "profile_id", ("version",))


def app(events: Sequence[Event]) -> dict[str, Any]:
    return _item(events[0], "app", "app_id", ("bundle_identifier",))


def _item(event: Event, key: str, id_name: str, more: Sequence[str]) -> dict[str, Any]:
    """action: a device may refuse to install something, and to let it go."""
    facts = event.metadata
    item = {"id": facts.get(id_name), "name": facts.get("name")} | {name: facts.get(name) for name in more}
    data = {"device": _device(event), key: item}
    if "why" in facts:
        data |= {"action": facts.get("action", "install"), "error": facts["why"]}
    return data


def script_job(events: Sequence[Event]) -> dict[str, Any]:
    names = ("job_id", "job_name", "script_name", "device_count", "success_count", "errored_count")
    return {"script_job": {name: events[0].metadata.get(name) for name in (*names, "cancelled_count")}}


def certificate(events: Sequence[Event]) -> dict[str, Any]:
    facts = events[0].metadata
    return {
        "certificate": {
            "kind": CERTIFICATES[events[0].event_type],
            "name": facts.get("subject") or facts.get("name"),
            "expires_at": _time(facts.get("not_after")),
        },
        "days_left": facts.get("days_left"),
    }


def token(events: Sequence[Event]) -> dict[str, Any]:
    kind, facts = TOKENS[events[0].event_type], events[0].metadata
    return {
        "token": {
            "kind": kind,
            "id": facts.get(f"{kind}_id"),
            "name": facts.get("name") or facts.get("location"),
            "expires_at": _time(facts.get("token_expires_at") or facts.get("expires_at")),
        },
        "days_left": facts.get("days_left"),
    }


def compliance(events: Sequence[Event]) -> dict[str, Any]:
    facts = events[0].metadata
    return {"devices": {name: facts.get(name) for name in ("enrolled", "compliant", "underway", "failed")}}


# --- Parts ------------------------------------------------------------------------------------------------------------
def _device(event: Event) -> Mapping[str, Any]:
    known = event.metadata.get("device_group_id") if has_group(event) else event.device and event.device.group_id
    return {
        "id": event.device_id,
        "udid": event.udid or None,
        "serial_number": event.serial_number or None,
        "device_group_id": known,
    }


def has_group(event: Event) -> bool:
    """Whether the line itself says which group the device was in then."""
    return "device_group_id" in event.metadata


def timestamp(at: datetime) -> str:
    """UTC with milliseconds, as the API writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(text: str | None) -> str | None:
    return timestamp(datetime.fromisoformat(text)) if text else None
