"""How a channel stands, in words."""

from django.utils.translation import gettext as _

from mdm.channels.models import Channel, ChannelState


def push_words(channel: Channel) -> tuple[str, str]:
    """Whether the channel can be woken: a sentence and the tone it is said in."""
    if channel.state == ChannelState.CLOSED:
        return _("The device has left; it is not woken any more."), ""
    if channel.push_token_dead_at:
        return _("APNs no longer knows this device. Commands wait until it connects by itself."), "error"
    if not channel.push_token:
        return _("The device has not given a push token yet."), "warning"
    if channel.push_error:
        return _("The last push failed: %(push_error)s") % {"push_error": channel.push_error}, "warning"
    return _("Can be woken by push."), "open"
