"""Devices that wait in Setup Assistant get what is assigned to them, then they are told to go on.

Rows alone decide, each time anew: a task that runs twice, late or not at all changes nothing about how it ends. "First" means
that the device has answered the commands; what it goes on to download after that does not keep its person waiting. After
AWAIT_CONFIGURATION_SECONDS it is let go whatever is left. Source: Apple, "Device Configured Command", "User Configured Command".
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps_catalog.models import AppInstall, LicenceAssignment, LicenceState
from devices.models import Device, DueDevice, Followed, ItemState, OperationState, ProfileInstall
from mdm.accounts.actors import DEVICE, SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import Prepared, enqueue_each, prepare
from mdm.commands.states import ApplyState, State
from mdm.events.models import Event, Level
from mdm.events.services import build, emit, emit_many
from mdm.protocol.request_types.setup import device_configured, user_configured

RELEASES = ("DeviceConfigured", "UserConfigured")
BATCH = 100
FACTS = ("device__information", "device__security", "device__location")  # long, and not asked for
REFUSED_PAUSE = timedelta(minutes=1)
MOST_REFUSALS = 5
MOST_NAMED = 20


def release_due() -> int:
    """Let go on whatever has got everything, or has waited long enough; returns how many. Several workers may run."""
    total, after = 0, 0
    while some := list(_due().filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        total += _release(some)
        after = some[-1]
    return total


def configured(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    """An acknowledged DeviceConfigured or UserConfigured. One that has said since that it waits (again) goes on waiting."""
    waiting = Channel.objects.filter(pk=command.channel_id, awaiting_configuration=True)
    if waiting.filter(token_updated_at__lte=command.finished_at).update(
        awaiting_configuration=False, awaiting_since=None
    ):
        _log("setup.finished", command.channel, device)


def not_configured(device: Device, command: Command, why: str) -> None:
    """The device refuses to go on. It is told a few times more, as nothing else helps whoever sits in front of it."""
    channel = Channel.objects.filter(pk=command.channel_id, awaiting_configuration=True).first()
    if channel is None:
        return
    refused = Command.objects.filter(channel=channel, request_type__in=RELEASES, state=State.FAILED)
    if channel.awaiting_since is not None:
        refused = refused.filter(created_at__gte=channel.awaiting_since)
    if refused.count() < MOST_REFUSALS:
        return
    Channel.objects.filter(pk=channel.pk).update(awaiting_configuration=False, awaiting_since=None)
    _log("setup.refused", channel, device, level=Level.WARNING, why=why)


def _release(ids: Sequence[int]) -> int:
    """One transaction: the order and its line in the log, or neither."""
    with transaction.atomic():
        waiting = Channel.objects.filter(pk__in=ids, awaiting_configuration=True).order_by("pk")
        locked = waiting.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
        # Asked anew, as another worker may have been here between the look and the lock.
        due = _due().filter(pk__in=list(locked)).select_related("device").order_by("pk")
        channels = list(due.defer("unlock_token", "bootstrap_token", *FACTS))
        enqueue_each([(channel, _order(channel)) for channel in channels], actor=SYSTEM)
        emit_many(_released(channels))
    return len(channels)


def _order(channel: Channel) -> Prepared:
    return prepare(user_configured() if channel.is_user_channel else device_configured())


def _due() -> QuerySet[Channel]:
    """Channels that are to be told now, with `is_ready`: whether they have got everything."""
    now = timezone.now()
    since = now - timedelta(seconds=settings.AWAIT_CONFIGURATION_SECONDS)
    waiting = Channel.objects.filter(awaiting_configuration=True, state=ChannelState.OPEN)
    waiting = waiting.exclude(_was_told(now)).annotate(is_ready=_has_everything(now))
    is_late = Q(awaiting_since__lte=since) | Q(awaiting_since=None, enrolled_at__lte=since)
    return waiting.filter(Q(is_ready=True) | is_late)


def _was_told(now: datetime) -> Exists:
    """It has the order or has obeyed it since it last said that it waits, or has refused it a moment ago."""
    orders = Command.objects.filter(channel=OuterRef("pk"), request_type__in=RELEASES)
    is_done = Q(state=State.ACKNOWLEDGED, finished_at__gte=OuterRef("token_updated_at"))
    is_refused = Q(state=State.FAILED, finished_at__gt=now - REFUSED_PAUSE)
    return Exists(orders.filter(_still_waits(now) | is_done | is_refused))


def _has_everything(now: datetime) -> Q:
    """Nothing is to be worked out for it, nothing waits for it, and no answer of it is still to be read."""
    commands = Command.objects.filter(channel=OuterRef("pk"))
    unread = Q(apply_state=ApplyState.PENDING, apply_attempts=0)
    mine = {"device": OuterRef("device")}
    has_apps = ~Exists(_on_the_way(AppInstall).filter(**mine)) & ~Exists(_licences_to_come().filter(**mine))
    return (
        ~Exists(commands.filter(_still_waits(now) | unread))
        & ~Exists(_due_marks(now).filter(**mine))
        & ~Exists(_on_the_way(ProfileInstall).filter(user_key=OuterRef("user_key"), **mine))
        & (has_apps | ~Q(user_key=""))
    )


def _still_waits(now: datetime) -> Q:
    is_current = Q(expires_at=None) | Q(expires_at__gt=now)
    return Q(state=State.SENT) | Q(is_current, state=State.QUEUED)


def _due_marks(now: datetime) -> QuerySet[DueDevice]:
    """Those of retries to come are no reason to wait, those of a comparison that broke off are."""
    is_now = Q(due_at__lte=now) | Q(attempts__gt=0)
    return DueDevice.objects.filter(is_now, Q(operation=None) | Q(operation__state=OperationState.RUNNING))


def _on_the_way(model: type[Followed]) -> QuerySet[Followed]:
    """Wanted, and its command is still to be queued; `error` says what it waits for where that may take long."""
    return model.objects.filter(state=ItemState.PENDING, is_stopped=False, error="")


def _licences_to_come() -> QuerySet[LicenceAssignment]:
    """Those that an app waits for; not where none is left, or Apple has refused one before."""
    states = (LicenceState.WANTED, LicenceState.ASKING)
    return LicenceAssignment.objects.filter(state__in=states, is_short=False, attempts=0)


def _released(channels: Sequence[Channel]) -> list[Event]:
    """A line for each; what it names is looked up for all of them together."""
    names = _names(channels)
    late = [channel for channel in channels if not channel.is_ready]
    waiting = _waiting(late) if late else {}
    events = []
    for channel in channels:
        left = names[channel.device_id, channel.user_key]
        if channel.is_ready:
            failed = [name for state, name in left if state == ItemState.FAILED]
            events.append(_event("setup.released", channel, failed=failed[:MOST_NAMED]))
            continue
        facts = {"left": [name for _, name in left][:MOST_NAMED], "commands": waiting[channel.pk][:MOST_NAMED]}
        events.append(_event("setup.released_early", channel, level=Level.WARNING, **facts))
    return events


def _names(channels: Sequence[Channel]) -> dict[tuple[int, str], list[tuple[str, str]]]:
    """Device and user key → states and names of the profiles and apps that are not there."""
    devices = {channel.device_id for channel in channels}
    states = (ItemState.PENDING, ItemState.PUSHED, ItemState.FAILED)
    names: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)
    profiles = ProfileInstall.objects.filter(device__in=devices, state__in=states).order_by("pk")
    for device, user_key, state, name in profiles.values_list("device", "user_key", "state", "profile__name"):
        names[device, user_key].append((state, name))
    apps = AppInstall.objects.filter(device__in=devices, state__in=states).order_by("pk")
    for device, state, name in apps.values_list("device", "state", "app__name"):
        names[device, ""].append((state, name))
    return names


def _waiting(channels: Sequence[Channel]) -> dict[int, list[str]]:
    """Channel → request types of what it has not answered."""
    waiting: dict[int, list[str]] = defaultdict(list)
    commands = Command.objects.filter(_still_waits(timezone.now()), channel__in=channels)
    for channel, request_type in commands.order_by("pk").values_list("channel", "request_type"):
        if request_type not in RELEASES:
            waiting[channel].append(request_type)
    return waiting


def _log(kind: str, channel: Channel, device: Device, *, level: Level = Level.INFO, **facts: Any) -> None:
    emit(kind, account_id=channel.account_id, actor=DEVICE, device=device, level=level, **_user(channel), **facts)


def _event(kind: str, channel: Channel, *, level: Level = Level.INFO, **facts: Any) -> Event:
    metadata = {**_user(channel), **facts}
    return build(kind, account_id=channel.account_id, device=channel.device, level=level, metadata=metadata)


def _user(channel: Channel) -> dict[str, str]:
    """Whose line it is, on a user's."""
    return {"user": channel.user_short_name or channel.user_key} if channel.is_user_channel else {}
