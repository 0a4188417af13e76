"""The ledger of a device: every command, newest first, with what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from devices.models import Device
from mdm.accounts.admin_base import row_number
from mdm.commands.again import why_not_again
from mdm.commands.models import Command
from mdm.commands.permissions import is_destructive
from mdm.commands.states import WAITING, State
from mdm.commands.timeline import Step, steps_of
from mdm.commands.words import LARGE, error_text, label_of

PAGE = 25
# What the ledger can be narrowed to: the key in the address, its words, which commands.
FILTERS = {
    "": (_("All"), Q()),
    "open": (_("Waiting"), Q(state__in=WAITING)),
    "done": (_("Done"), Q(state=State.ACKNOWLEDGED)),
    "failed": (_("Failed"), Q(state__in=(State.FAILED, State.EXPIRED))),
    "cancelled": (_("Cancelled"), Q(state=State.CANCELLED)),
}


@dataclass(frozen=True)
class Line:
    """One command. needs_destroy: sending it once more is for those who may destroy."""

    command: Command
    label: str
    error: str
    steps: list[Step]
    can_be_sent_again: bool
    needs_destroy: bool

    @property
    def is_put_off(self) -> bool:
        return self.command.is_waiting and self.command.status == "NotNow"

    @property
    def times_put_off(self) -> int:
        """At least once for a command that is older than the count."""
        return max(self.command.not_now_count, 1) if self.command.not_now_at else 0


def ledger(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of it, by two statements at most."""
    chosen = query.get("state", "") if query.get("state", "") in FILTERS else ""
    before = row_number(query.get("before"))
    channels = {channel.pk: channel for channel in device.channels.all()}
    commands = Command.objects.filter(FILTERS[chosen][1], channel__in=channels).defer(*LARGE)
    if before:
        commands = commands.filter(pk__lt=before)
    found = list(commands.order_by("-id")[: PAGE + 1])
    for command in found:
        command.channel = channels[command.channel_id]
    return {
        "ledger": [_line(command) for command in found[:PAGE]],
        "filters": [(key, words, key == chosen, _address(state=key)) for key, (words, _condition) in FILTERS.items()],
        "older": _address(state=chosen, before=found[PAGE - 1].pk) if len(found) > PAGE else "",
        "newest": _address(state=chosen) if before else "",
        "is_filtered": bool(chosen or before),
        "all_url": f"{reverse('admin:mdm_commands_command_changelist')}?device={device.pk}",
    }


def _line(command: Command) -> Line:
    return Line(
        command=command,
        label=label_of(command),
        error=error_text(command),
        steps=steps_of(command),
        can_be_sent_again=not why_not_again(command),
        needs_destroy=is_destructive(command.request_type),
    )


def _address(**parts: object) -> str:
    return "?" + urlencode({"tab": "commands", **{name: part for name, part in parts.items() if part}})
