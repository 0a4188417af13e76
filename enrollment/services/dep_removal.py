"""What somebody deleted goes: first at Apple, so that no device asks for settings that nobody has, then here.

Enrollment settings go when Apple has taken them from all devices. A server goes in any case: if Apple cannot be asked, its
devices keep what they were given there, and the log says so.
"""

import logging
import time
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from enrollment.dep_client import ASSIGN_LIMIT, BadAnswer, DepClient, DepError, Unreachable
from enrollment.models import AssignState, DepServer, DepSettings
from enrollment.services.dep_access import client_of, lock_server
from enrollment.services.dep_devices import forget_devices
from mdm.common.leases import Lease, TurnIsOver
from mdm.events.models import Level
from mdm.events.services import emit

logger = logging.getLogger("pomona.dep")

BATCH = 1000
MOST_REMOVAL_ATTEMPTS = 5
REMOVAL_PAUSE = timedelta(minutes=2)


def take_back(
    settings: DepSettings, lease: Lease[DepSettings] | Lease[DepServer], client: DepClient, until: float
) -> None:
    """Leave every device that has these settings without any, a batch at a time. Raises DepError, TurnIsOver, TakenOver."""
    server = settings.server
    given = server.dep_devices.exclude(profile_uuid="").filter(profile_uuid=settings.profile_uuid)
    while some := list(given.order_by("pk").values_list("pk", "serial_number")[:ASSIGN_LIMIT]):
        statuses = client.remove_profile([serial for _, serial in some]).statuses
        # A device that Apple does not let us reach, or does not name, is no longer this server's.
        done = [pk for pk, serial in some if statuses.get(serial, "NOT_ACCESSIBLE") in ("SUCCESS", "NOT_ACCESSIBLE")]
        if not done:
            raise BadAnswer("Apple's enrollment service did not take the settings back from the devices.")
        with transaction.atomic():
            lock_server(server)
            with lease.holding():
                given.filter(pk__in=done).update(profile_uuid="", profile_status="empty")
                emit(
                    "dep_settings.taken_back",
                    account_id=server.account_id,
                    dep_server_id=server.pk,
                    name=server.name,
                    devices=len(done),
                )
        if time.monotonic() > until:
            raise TurnIsOver


def remove_settings_row(settings: DepSettings) -> None:
    """In the caller's transaction, once they are taken back."""
    left = {"assign_state": AssignState.NONE, "assign_error": "", "assign_attempts": 0, "assign_due_at": None}
    settings.server.dep_devices.exclude(**left).update(**left)
    settings.delete()


def remove_everything(lease: Lease[DepServer], until: float) -> None:
    """The server with its list; enrolled devices stay. Raises TurnIsOver, TakenOver."""
    server = lease.row
    settings = DepSettings.objects.filter(server=server).first()
    if settings and settings.profile_uuid:
        settings.server = server
        try:
            with client_of(server) as client:
                take_back(settings, lease, client, until)
        except DepError as error:
            if isinstance(error, Unreachable) and server.sync_attempts < MOST_REMOVAL_ATTEMPTS:
                lease.release(
                    sync_attempts=server.sync_attempts + 1,
                    sync_error=str(error)[:500],
                    due_at=timezone.now() + max(REMOVAL_PAUSE, timedelta(seconds=error.retry_after_seconds)),
                )
                return
            _leave_at_apple(server, error)
    while some := list(server.dep_devices.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with lease.holding():
            rows = server.dep_devices.filter(pk__in=some)
            forget_devices(server, rows)
            rows.delete()
        if time.monotonic() > until:
            raise TurnIsOver
    with lease.holding():
        server.delete()
    logger.info("DEP server %s is gone with its list", server.pk)


def _leave_at_apple(server: DepServer, error: DepError) -> None:
    emit(
        "dep_settings.left_at_apple",
        account_id=server.account_id,
        level=Level.WARNING,
        dep_server_id=server.pk,
        name=server.name,
        reason=str(error),
    )
