"""Licences that nobody needs any more go back, and devices that waited for theirs are looked at again."""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from apps_catalog.models import AppInstall, ContentToken, LicenceAssignment, LicenceState
from apps_catalog.services.licence_needs import is_needed
from devices.models import Device, ItemState
from devices.services.due import mark_due
from mdm.events.services import emit

BATCH = 500


def release_unneeded() -> int:
    """Of devices whose app is gone, that left or were removed: what is assigned is to be given back, what was waited for is
    forgotten. Only licences that were wanted here: those that others gave out are theirs. Returns how many.
    """
    return sum(_release(rows) for rows in _unneeded_batches())


def wake_licensed(token: ContentToken) -> int:
    """Devices for which an app waits whose licence is there: the reconciler sends it. Returns how many.

    Also those of apps that turned out to need none: it is known now what the location owns, or its asset went.
    """
    licensed = LicenceAssignment.objects.filter(
        asset__token=token.pk,
        state=LicenceState.ASSIGNED,
        device__app_installs__awaits_licence=True,
        device__app_installs__app__itunes_store_id=F("asset__adam_id"),
    )
    total = _mark(licensed)
    return total if token.is_unread else total + _mark(_without_row(token.account_id))


def _without_row(account_id: int) -> QuerySet[AppInstall]:
    mine = LicenceAssignment.objects.filter(device=OuterRef("device"), asset__adam_id=OuterRef("app__itunes_store_id"))
    waiting = AppInstall.objects.filter(account=account_id, awaits_licence=True, state=ItemState.PENDING)
    return waiting.filter(~Exists(mine))


def _mark(rows: QuerySet) -> int:
    """The devices of these rows as due, a batch at a time."""
    devices = rows.order_by("device").values_list("device", flat=True).distinct()
    total, last = 0, 0
    while some := list(devices.filter(device__gt=last)[:BATCH]):
        total += mark_due(Device.objects.filter(pk__in=some))
        last = some[-1]
    return total


def finish_leaving(token: ContentToken) -> bool:
    """Remove a token that was to go, once all that we had given out is back."""
    with transaction.atomic():
        going = ContentToken.objects.select_for_update().filter(pk=token.pk, is_leaving=True).first()
        if going is None or LicenceAssignment.objects.filter(asset__token=going, is_ours=True).exists():
            return False
        remove_rows(going)
        emit("content_token.removed", account_id=going.account_id, location=str(going), are_given_back=True)
    return True


def remove_rows(token: ContentToken) -> None:
    """The token and all that hangs on it. In a transaction of the caller."""
    LicenceAssignment.objects.filter(asset__token=token).delete()
    token.delete()


def _unneeded_batches() -> Iterator[list[int]]:
    rows = _unneeded()
    last = 0
    while some := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield some
        last = some[-1]


def _unneeded() -> QuerySet[LicenceAssignment]:
    states = (LicenceState.WANTED, LicenceState.ASSIGNED)
    return LicenceAssignment.objects.filter(~is_needed(), is_ours=True, state__in=states)


def _release(keys: list[int]) -> int:
    """The devices are held meanwhile, so that the reconciler does not send an app whose licence goes at that moment."""
    with transaction.atomic():
        devices = Device.objects.filter(licences__in=keys).order_by("pk")
        list(devices.select_for_update(no_key=True, of=("self",)).values_list("pk"))
        rows = _unneeded().filter(pk__in=keys)
        locked = rows.order_by("pk").select_for_update(no_key=True, of=("self",)).values_list("pk", "state")
        states = dict(locked)
        mine = LicenceAssignment.objects.filter(pk__in=states)
        mine.filter(state=LicenceState.WANTED).delete()
        mine.filter(state=LicenceState.ASSIGNED).update(state=LicenceState.LEAVING, due_at=timezone.now(), attempts=0)
    return len(states)
