"""The way of a command as people follow it: queued, device woken, delivered, put off, answered, read."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import ApplyState, State


@dataclass(frozen=True)
class Step:
    """at is empty for what has no time of its own, or is still to come (`is_next`). tone: "", good, warn or bad."""

    title: str
    at: datetime | None = None
    more: str = ""
    tone: str = ""
    is_next: bool = False


def steps_of(command: Command) -> list[Step]:
    """In order; the last one is what is waited for, as long as something is. Needs the channel, asks nothing else."""
    steps = [Step(_("Queued"), command.created_at, command.actor_label or command.source)]
    steps += _waking(command, command.channel)
    if command.sent_at:
        steps.append(Step(_("Handed to the device"), command.sent_at))
    if command.not_now_at:
        steps.append(Step(_("Put off by the device"), command.not_now_at, put_off_words(command), "warn"))
    if command.is_waiting:
        return [*steps, _awaited(command)]
    steps.append(_end(command))
    if command.apply_state == ApplyState.PENDING:
        steps.append(Step(_("The answer is being read"), is_next=True))
    elif command.apply_state == ApplyState.FAILED:
        steps.append(Step(_("The answer could not be read"), None, command.apply_error, "bad"))
    return steps


def put_off_words(command: Command) -> str:
    """Counted since this server counts; a command that is older was put off at least once."""
    number = max(command.not_now_count, 1)
    return ngettext("%(number)d time, busy or locked", "%(number)d times, busy or locked", number) % {"number": number}


def _waking(command: Command, channel: Channel) -> list[Step]:
    """A push wakes the device for whatever waits, so the channel knows of it and not the command: the last one counts."""
    pushed = channel.last_push_at
    until = command.sent_at or command.finished_at
    if pushed and pushed >= command.created_at and (until is None or pushed <= until):
        return [Step(_("Device woken by push"), pushed)]
    if not command.is_waiting or command.sent_at:
        return []
    if channel.push_token_dead_at:
        return [
            Step(_("Cannot be woken"), None, _("Apple no longer knows the device; it must connect by itself."), "bad")
        ]
    if channel.push_error:
        return [Step(_("The push failed"), None, channel.push_error, "warn")]
    return []


def _awaited(command: Command) -> Step:
    if command.status == "NotNow":
        return Step(_("Taken up again when the device has time"), is_next=True)
    if command.state == State.SENT:
        return Step(_("Waiting for the answer"), is_next=True)
    return Step(_("Waiting for the device to connect"), is_next=True)


def _end(command: Command) -> Step:
    match command.state:
        case State.ACKNOWLEDGED:
            return Step(_("Done by the device"), command.finished_at, tone="good")
        case State.FAILED if not command.status:
            return Step(_("Could not be delivered"), command.finished_at, command.apply_error, "bad")
        case State.FAILED:
            return Step(_("Refused by the device"), command.finished_at, tone="bad")
        case State.CANCELLED:
            return Step(_("Taken back"), command.finished_at)
    return Step(_("Ran out"), command.finished_at, _("The device did not connect in time."), "warn")
