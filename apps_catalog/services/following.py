"""Apps that devices took over and have not shown yet: asked for again until they are there, or too long not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Subquery
from django.utils import timezone

from apps_catalog.models import AppInstall
from devices.models import Device, ItemState
from devices.services.retries import note_failure
from devices.services.sending import plain_target
from mdm.accounts.actors import DEVICE
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import enqueue_many
from mdm.commands.states import WAITING
from mdm.common.batches import rows_by_key
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.request_types import NotSupported, Target, check_target
from mdm.protocol.request_types.lists import installed_application_list
from mdm.protocol.request_types.managed_apps import managed_application_list

PAUSE = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)
NEVER_SEEN = "The device took the command a day ago, and has not shown the app since."
BATCH = 500


def ask_about_installs() -> int:
    """Queue the lists of apps for each device with such apps, unless a command waits for it anyway.

    Soon at first, then less and less often, as an install may take minutes or a night. The managed list tells of a failure,
    the other one of versions. Returns how many devices were asked.
    """
    now = timezone.now()
    mine = AppInstall.objects.filter(device=OuterRef("device"), state=ItemState.PUSHED, answered_at__lte=now - PAUSE)
    waiting = Command.objects.filter(channel=OuterRef("pk"), state__in=WAITING)
    lines = Channel.objects.filter(~Exists(waiting), Exists(mine), state=ChannelState.OPEN, user_key="")
    lines = lines.annotate(since=Subquery(mine.order_by("-answered_at").values("answered_at")[:1]))
    total = 0
    for channels in rows_by_key(lines.select_related("device"), BATCH):
        asked = _last_asked(channels)
        due = [one for one in channels if _is_time(one.since, asked.get(one.pk), now)]
        with transaction.atomic():
            enqueue_many(
                [one for one in due if _has_managed_apps(plain_target(one.device))], [managed_application_list()]
            )
            enqueue_many(due, [installed_application_list()])
        total += len(due)
    return total


def _last_asked(channels: Sequence[Channel]) -> dict[int, datetime]:
    """Channel pk → when its device was last asked for its apps."""
    asked = Command.objects.filter(channel__in=channels, request_type="InstalledApplicationList")
    return dict(asked.order_by().values_list("channel").annotate(at=Max("created_at")))


def _is_time(since: datetime, asked: datetime | None, now: datetime) -> bool:
    """since: when the device took over the install that is the newest."""
    pause = min(max(PAUSE, (now - since) / 2), LONGEST_PAUSE)
    return asked is None or now - asked >= pause


def give_up_unseen() -> int:
    """Installs that were promised and never seen count as failed, and are tried again later. Returns how many."""
    unseen = AppInstall.objects.filter(state=ItemState.PUSHED, answered_at__lte=timezone.now() - GIVEN_UP_AFTER)
    total = 0
    while ids := list(unseen.order_by("device_id").values_list("device_id", flat=True).distinct()[:BATCH]):
        with transaction.atomic():
            devices = Device.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
            by_pk = {device.pk: device for device in devices}
            for row in unseen.filter(device__in=by_pk).select_related("app"):
                note_failure(row, NEVER_SEEN, at=timezone.now())
                emit(
                    "app.failed",
                    account_id=row.account_id,
                    actor=DEVICE,
                    device=by_pk[row.device_id],
                    level=Level.WARNING,
                    app_id=row.app_id,
                    name=row.app.name,
                    bundle_identifier=row.app.bundle_identifier,
                    why=NEVER_SEEN,
                )
                total += 1
    return total


@lru_cache(maxsize=1024)
def _has_managed_apps(target: Target) -> bool:
    try:
        check_target("ManagedApplicationList", {}, target)
    except NotSupported:
        return False
    return True
