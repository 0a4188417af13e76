"""Asking every device for its inventory from time to time: what it has lost, and what it has become, shows there alone."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from devices.models import Device, DeviceState
from devices.services.actions import inventory_requests
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import enqueue_many, prepare
from mdm.commands.states import WAITING
from mdm.common.batches import rows_by_key
from mdm.protocol.request_types.lists import profile_list

BATCH = 200
# In one run, so that the devices of a large account are not all woken in the same minute.
MOST = 10_000


def ask_due() -> int:
    """Queue the inventory where the last one is older than INVENTORY_HOURS; a device that something waits for anyway has not
    connected, and is asked when it has. Users of Macs are asked for their profiles. Returns how many devices were asked.
    """
    if not settings.INVENTORY_HOURS:
        return 0
    before = timezone.now() - timedelta(hours=settings.INVENTORY_HOURS)
    lines = Channel.objects.filter(
        ~Exists(Command.objects.filter(channel=OuterRef("pk"), state__in=WAITING)),
        Q(device__information_at=None) | Q(device__information_at__lte=before),
        Q(device__inventory_asked_at=None) | Q(device__inventory_asked_at__lte=before),
        enrolled_at__lte=before,
        state=ChannelState.OPEN,
        user_key="",
        device__state=DeviceState.ENROLLED,
        device__removed_at=None,
    )
    total = 0
    for channels in rows_by_key(lines.select_related("device"), BATCH):
        with transaction.atomic():
            total += _ask(channels, before)
        if total >= MOST:
            break
    return total


def _ask(channels: list[Channel], before: datetime) -> int:
    """By kind of device, as each kind can tell other things. The log keeps the answers; the asking is no news."""
    # Devices are locked before their channels, as by everybody. Of two runs at once, the second finds them asked already.
    devices = Device.objects.filter(Q(inventory_asked_at=None) | Q(inventory_asked_at__lte=before))
    devices = devices.filter(pk__in=[channel.device_id for channel in channels]).order_by("pk")
    due = set(devices.select_for_update(no_key=True).values_list("pk", flat=True))
    channels = [channel for channel in channels if channel.device_id in due]
    # A device that does not answer DeviceInformation is not asked again every quarter of an hour.
    Device.objects.filter(pk__in=due).update(inventory_asked_at=timezone.now())
    of_kind: dict[tuple[str, ...], list[Channel]] = {}
    requests = {}
    for channel in channels:
        wanted = inventory_requests(channel.device)
        names = tuple(request.request_type for request in wanted)
        requests[names] = wanted
        of_kind.setdefault(names, []).append(channel)
    for names, some in of_kind.items():
        enqueue_many(some, [prepare(request) for request in requests[names]], is_logged=False)
    waiting = Command.objects.filter(channel=OuterRef("pk"), state__in=WAITING)
    users = Channel.objects.filter(~Exists(waiting), device__in=due, state=ChannelState.OPEN)
    enqueue_many(list(users.exclude(user_key="").select_related("device")), [profile_list()], is_logged=False)
    return len(channels)
