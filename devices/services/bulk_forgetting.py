"""What many devices were told is not kept for ever: secrets of what was ordered go first, then the operations.

Nothing of one that is still running, or held back: it would have to be carried out with them.
"""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from devices.models import BulkOperation, DueDevice, OperationDevice, OperationOrder, OperationState
from mdm.common.crypto import CannotDecrypt

SECRETS_KEPT = timedelta(days=7)
BATCH = 5000  # steps in a transaction
# A task ends before its time limit; what is left goes with the next run.
RUN_SECONDS = 300
# Between two batches others get to write, which on SQLite they can only then.
PAUSE_SECONDS = 0.005


def forget_secrets() -> int:
    """Delete the secrets of orders whose operations ended SECRETS_KEPT ago, one in a transaction. Returns how many."""
    orders = OperationOrder.objects.filter(
        secrets__isnull=False, operation__in=_finished_before(timezone.now() - SECRETS_KEPT)
    )
    count = 0
    for pk in list(orders.order_by("pk").values_list("pk", flat=True)):
        count += _forget_secrets_of(pk)
    return count


def forget_operations(*, seconds: float = RUN_SECONDS) -> int:
    """Delete operations that ended RESULT_RETENTION_DAYS ago, with their steps. Returns how many; 0 days keep them."""
    if not settings.RESULT_RETENTION_DAYS:
        return 0
    ends_at = time.monotonic() + seconds
    old = _finished_before(timezone.now() - timedelta(days=settings.RESULT_RETENTION_DAYS))
    count = 0
    for pk in list(old.order_by("pk").values_list("pk", flat=True)):
        if time.monotonic() > ends_at or not _delete_rows(pk, ends_at):
            break
        with transaction.atomic():
            BulkOperation.objects.filter(pk=pk).delete()
        count += 1
    return count


def _finished_before(moment: datetime) -> QuerySet[BulkOperation]:
    return BulkOperation.objects.filter(state=OperationState.DONE, finished_at__lt=moment)


def _forget_secrets_of(pk: int) -> bool:
    """An order without secrets stays as it is, for it can be given again; older ones have an encrypted nothing."""
    with transaction.atomic():
        order = OperationOrder.objects.select_for_update().filter(pk=pk).first()
        if order is None:
            return False
        had_secrets = _has_secrets(order)
        order.secrets = None
        order.forgotten_at = timezone.now() if had_secrets else None
        order.save(update_fields=["secrets", "forgotten_at"])
    return had_secrets


def _has_secrets(order: OperationOrder) -> bool:
    try:
        return bool(order.secrets)
    except CannotDecrypt:  # the key is gone: whatever they were, they cannot be sent any more
        return True


def _delete_rows(operation_pk: int, ends_at: float) -> bool:
    """What belongs to the operation, BATCH rows in a transaction: there may be as many as devices. Whether it was all of it."""
    for model in (OperationDevice, DueDevice):
        rows = model.objects.filter(operation=operation_pk).order_by("pk")
        while pks := list(rows.values_list("pk", flat=True)[:BATCH]):
            if time.monotonic() > ends_at:
                return False
            with transaction.atomic():
                some = model.objects.filter(pk__in=pks)
                some._raw_delete(some.db)
            time.sleep(PAUSE_SECONDS)
    return True
