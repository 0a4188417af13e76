"""ManagedApplicationFeedback: what an app tells its management. Source: Apple, "Managed Application Feedback Command"."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from apps_catalog.models import AppInstall
from apps_catalog.results.log import log
from devices.models import Device
from devices.results.facts import dictionaries, dictionary, jsonable, text
from devices.services.sending import send
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import ChannelState
from mdm.commands.models import Command
from mdm.commands.states import WAITING
from mdm.protocol.request_types import NotSupported
from mdm.protocol.request_types.managed_apps import managed_application_feedback

REQUEST_TYPE = "ManagedApplicationFeedback"
MAX_BYTES = 64 * 1024
TOO_LARGE = {"error": f"The feedback has more than {MAX_BYTES} bytes and was not kept."}


def ask_for_feedback(device: Device, identifiers: Sequence[str], command: Command) -> None:
    """Once: what waits is not asked for again. The feedback stays on the device, so that others may read it too."""
    channel = command.channel
    if not identifiers or channel.state != ChannelState.OPEN:
        return
    if channel.commands.filter(request_type=REQUEST_TYPE, state__in=WAITING).exists():
        return
    try:
        send(device, managed_application_feedback(identifiers), actor=SYSTEM)
    except NotSupported:
        return  # this kind of device lists feedback and has no command to fetch it


def feedback(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    rows = AppInstall.objects.filter(device=device).select_related("app", "device")
    by_identifier = {row.app.bundle_identifier: row for row in rows}
    # Each app once, whatever the device repeats: every change is a line of the log.
    items = {text(item, "Identifier"): item for item in dictionaries(answer, "ManagedApplicationFeedback")}
    for identifier, item in items.items():
        row = by_identifier.get(identifier)
        if row is None or "Feedback" not in item:
            continue
        said = jsonable(dictionary(item, "Feedback"))
        if len(json.dumps(said)) > MAX_BYTES:
            said = TOO_LARGE
        if said != row.feedback:
            log("app.feedback", row)
        row.feedback, row.feedback_at = said, timezone.now()
        row.save(update_fields=["feedback", "feedback_at", "updated_at"])
