"""What changes on a device's or user's line to us."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mdm.channels.models import Channel, ChannelState
from mdm.common.batches import batches


def bind_identity(channel: Channel, fingerprint: str) -> None:
    """From now on this certificate speaks for the device and its users; whoever was bound to it before is not any more.

    Call in a transaction. Source: Apple, "Authenticate": a new enrollment replaces the identity.
    """
    same_device = Q(account_id=channel.account_id, device_key=channel.device_key)
    Channel.objects.filter(fingerprint=fingerprint).exclude(same_device).update(fingerprint="")
    Channel.objects.filter(same_device).update(fingerprint=fingerprint)
    channel.fingerprint = fingerprint


def unbind_identity(fingerprint: str) -> int:
    """From now on this certificate speaks for nobody: it was revoked."""
    return Channel.objects.filter(fingerprint=fingerprint).update(fingerprint="")


def take_token(channel: Channel, *, topic: str, token: bytes, push_magic: str, unlock_token: bytes | None) -> list[str]:
    """Keep what TokenUpdate brought; returns the columns to be saved.

    What is absent never overwrites what is stored: devices send UnlockToken once.
    """
    channel.topic = topic or channel.topic
    channel.push_token = token or channel.push_token
    channel.push_magic = push_magic or channel.push_magic
    channel.token_updated_at = timezone.now()
    channel.push_token_dead_at = None
    channel.push_error = ""
    changed = ["topic", "push_token", "push_magic", "token_updated_at", "push_token_dead_at", "push_error"]
    if unlock_token:
        channel.unlock_token = unlock_token
        changed.append("unlock_token")
    return changed


def close(channels: Q, *, state: ChannelState = ChannelState.CLOSED) -> int:
    """Close the channels that match; they get no push and no command any more."""
    return (
        Channel.objects.filter(channels)
        .exclude(state=state)
        .update(state=state, closed_at=timezone.now(), push_due_at=None)
    )


def request_push(channel_ids: list[int], *, at: datetime | None = None) -> int:
    """Mark channels to be pushed, now by default; several reasons are one push, the earliest. Returns how many are marked."""
    due = at or timezone.now()
    pushable = Channel.objects.filter(
        state__in=(ChannelState.OPEN, ChannelState.LEAVING), push_token_dead_at=None
    ).exclude(push_token=b"")
    if at is not None:
        pushable = pushable.filter(Q(push_due_at=None) | Q(push_due_at__gt=at))
    total = 0
    for some in batches(channel_ids):
        # Locked in the order of their keys: an UPDATE takes them as they lie on the disk.
        in_order = pushable.filter(pk__in=some).order_by("pk").select_for_update(no_key=True).values("pk")
        with transaction.atomic(savepoint=False):
            total += Channel.objects.filter(pk__in=in_order).update(push_due_at=due, push_attempts=0)
    return total
