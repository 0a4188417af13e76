"""Identity certificates are renewed before they run out: the device is sent its enrollment profile again."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from devices.models import DeviceState
from enrollment.models import IdentityCertificate
from enrollment.services.ca import log_identity
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import enqueue_recipe
from mdm.commands.states import WAITING
from mdm.common.batches import rows_by_key

RECIPE = {"Recipe": "enrollment_profile"}
ASK_AGAIN_AFTER = timedelta(days=1)
BATCH = 500


def ask_for_renewals() -> int:
    """Queue the profile for every enrolled device whose identity runs out soon. Returns how many were asked.

    The command is a recipe: `profile.renewal_profile` makes the profile when it is delivered, with a challenge of then.
    """
    now = timezone.now()
    return sum(_ask(identity, now) for some in rows_by_key(_due(now), BATCH) for identity in some)


def _due(now: datetime) -> QuerySet[IdentityCertificate]:
    """Identities that speak for an open device channel (not those already replaced) and were not asked about today."""
    soon = now + timedelta(days=settings.IDENTITY_RENEWAL_DAYS)
    return IdentityCertificate.objects.select_related("device").filter(
        _not_asked(now),
        revoked_at=None,
        not_after__gt=now,
        not_after__lte=soon,
        device__state=DeviceState.ENROLLED,
        device__removed_at=None,
        device__channels__fingerprint=F("fingerprint"),
        device__channels__user_key="",
        device__channels__state=ChannelState.OPEN,
    )


def _not_asked(now: datetime) -> Q:
    return Q(renewal_asked_at=None) | Q(renewal_asked_at__lte=now - ASK_AGAIN_AFTER)


def _ask(identity: IdentityCertificate, now: datetime) -> bool:
    """False when another worker was quicker, or the last request still waits for the device."""
    with transaction.atomic():
        mine = IdentityCertificate.objects.filter(_not_asked(now), pk=identity.pk).update(renewal_asked_at=now)
        channel = Channel.objects.select_related("device").get(device=identity.device, user_key="")
        waits = Command.objects.filter(
            channel=channel, state__in=WAITING, request_type="InstallProfile", parameters=RECIPE
        )
        if not mine or waits.exists():
            return False
        enqueue_recipe(channel, "InstallProfile", RECIPE, actor=SYSTEM)
        log_identity("certificate.renewal_asked", identity, SYSTEM)
    return True
