"""Sending a command once more that came to nothing: a new row of the same recipe; the old one stays as it ended."""

from django.utils.translation import gettext as _

from mdm.accounts.actors import SYSTEM, Actor
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import store
from mdm.commands.states import State

CAME_TO_NOTHING = (State.FAILED, State.CANCELLED, State.EXPIRED)
# Recipes of what stands on a list elsewhere: a second command beside that list would be answered, and counted for nothing.
FOLLOWED = frozenset({"profile", "app", "app_configuration", "script_agent", "agent_package", "account_configuration"})


class NotAgain(Exception):
    """The command cannot be sent once more; the text says why, for people."""


def queue_again(command: Command, actor: Actor = SYSTEM) -> Command:
    """Queue the same command anew, secrets and all, for the same channel. Raises NotAgain; then nothing is queued."""
    if reason := why_not_again(command):
        raise NotAgain(reason)
    channel = Channel.objects.select_related("device").get(pk=command.channel_id)
    if channel.state != ChannelState.OPEN:
        raise NotAgain(_("The device is not enrolled any more."))
    again = Command(
        account_id=command.account_id,
        channel=channel,
        request_type=command.request_type,
        parameters=command.parameters,
        secrets=command.secrets,
        raw_plist=command.raw_plist,
        actor_label=actor.label,
        source=actor.source,
    )
    return store(channel, again, actor)


def why_not_again(command: Command) -> str:
    """As a sentence; empty if it can be. Asks the database nothing."""
    if command.state not in CAME_TO_NOTHING:
        return _("Only what failed, was taken back or ran out can be sent again.")
    if command.parameters.get("Recipe") in FOLLOWED:
        return _("It belongs to what the device should have: retry it under Profiles, Apps or Scripts.")
    if command.request_type == "SetAutoAdminPassword":
        return _("A new password is made for each attempt: change it under Security.")
    return ""
