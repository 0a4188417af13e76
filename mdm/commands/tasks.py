"""What the schedule does for the queue."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from mdm.channels.models import Channel, ChannelState
from mdm.channels.services import request_push
from mdm.commands.models import Command
from mdm.commands.states import FINAL, WAITING, State
from mdm.events.services import build, emit_many
from mdm.push.tasks import wake_soon

SETTLED = timedelta(minutes=10)
PUSH_AGAIN = timedelta(hours=1)
BATCH = 1000


@shared_task
def nudge_waiting() -> int:
    """Push again to channels whose commands wait: the push or its message may have been lost on the way."""
    now = timezone.now()
    waiting = Command.objects.filter(channel=OuterRef("pk"), state__in=WAITING, created_at__lte=now - SETTLED)
    channels = (
        Channel.objects.filter(Exists(waiting), state=ChannelState.OPEN, push_due_at=None, push_token_dead_at=None)
        .exclude(push_token=b"")
        .filter(Q(last_push_at=None) | Q(last_push_at__lte=now - PUSH_AGAIN))
    )
    count = request_push(list(channels.values_list("pk", flat=True)))
    if count:
        wake_soon()
    return count


@shared_task
def expire_commands() -> int:
    """Close commands whose time ran out before the device took them. Running twice does nothing more."""
    total = 0
    while count := _expire_batch():
        total += count
    return total


def _expire_batch() -> int:
    with transaction.atomic():
        commands = list(
            Command.objects.filter(state=State.QUEUED, expires_at__lte=timezone.now())
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("channel__device")
            .defer("result")[:BATCH]
        )
        Command.objects.filter(pk__in=[command.pk for command in commands]).update(
            state=State.EXPIRED, finished_at=timezone.now()
        )
        emit_many(
            build(
                "command.expired",
                account_id=command.account_id,
                device=command.channel.device,
                metadata={"request_type": command.request_type, "command_uuid": command.command_uuid},
            )
            for command in commands
        )
    return len(commands)


@shared_task
def prune_results() -> int:
    """Forget raw answers (not the commands) after RESULT_RETENTION_DAYS."""
    limit = timezone.now() - timedelta(days=settings.RESULT_RETENTION_DAYS)
    return Command.objects.filter(state__in=FINAL, finished_at__lte=limit).exclude(result=None).update(result=None)
