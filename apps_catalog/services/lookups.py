"""Filling in what the App Store knows of apps that were added by store id or bundle identifier, and asking again daily.

The row says what is due (`lookup_due_at`); a claim is a lease, so a lost worker delays a lookup and loses none.
"""

import logging
import random
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Case, QuerySet, When
from django.utils import timezone

from apps_catalog.models import App, ProcessingStatus
from apps_catalog.services.installs import devices_of_app
from apps_catalog.services.storing import set_icon, store_icon
from apps_catalog.store_icons import IconUnavailable, Picture, fetch_icon
from apps_catalog.store_lookup import NotInStore, StoreApp, StoreUnavailable, look_up, store_client
from devices.services.due import mark_due
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit

BATCH = 10
MOST_PER_RUN = 50  # the beat starts a run every minute, and Apple wants few questions a minute
AGAIN_HOURS = (20, 28)  # between two questions about an app that is known: those added together drift apart
LEASE = timedelta(minutes=10)
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 6 * 3600
ERROR_LENGTH = 300

logger = logging.getLogger("pomona.apps")


def look_up_due() -> int:
    """Ask about apps that are due, MOST_PER_RUN of them or until the store has enough of us. Returns how many it were.

    Icons come last: other servers have them, and no device waits for a picture.
    """
    asked = _ask_about_due()
    for app, found in asked:
        if found is not None:
            renew_icon(app.pk, found)
    return len(asked)


def _ask_about_due() -> list[tuple[App, StoreApp | None]]:
    """Those that were asked about, with what the store said of them."""
    asked: list[tuple[App, StoreApp | None]] = []
    with store_client() as client:
        while len(asked) < MOST_PER_RUN and (claimed := claim_due(min(BATCH, MOST_PER_RUN - len(asked)))):
            for number, app in enumerate(claimed):
                found = None
                try:
                    found = look_up(
                        client,
                        country=app.account.apple_store_country_code,
                        store_id=app.itunes_store_id,
                        bundle_identifier=app.bundle_identifier,
                    )
                except StoreUnavailable as error:
                    postpone(app, error)
                    _release(claimed[number + 1 :])
                    return [*asked, (app, None)]
                except NotInStore as error:
                    give_up(app, str(error))
                else:
                    fill_in(app, found)
                asked.append((app, found))
    return asked


def claim_due(limit: int = BATCH) -> list[App]:
    """Take due apps for this worker: their `lookup_due_at` becomes the end of the lease. New ones first, people wait for them."""
    now = timezone.now()
    lease = now + LEASE
    with transaction.atomic():
        apps = list(
            App.objects.filter(lookup_due_at__lte=now, removed_at=None)
            .order_by(Case(When(processing_status=ProcessingStatus.QUEUED, then=0), default=1), "lookup_due_at")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("account")[:limit]
        )
        App.objects.filter(pk__in=[app.pk for app in apps]).update(lookup_due_at=lease)
    for app in apps:
        app.lookup_due_at = lease
    return apps


def fill_in(claimed: App, found: StoreApp) -> None:
    """Keep what the store said; devices that wait for the app get it now. Without news only the next question is noted."""
    try:
        with transaction.atomic():
            app = _locked(claimed)
            if app is not None:
                _fill_in(app, found)
    except IntegrityError:
        # Another app got this store id at the same moment. The lease runs out, and the next lookup says which one.
        logger.warning("app %s was looked up at the same moment as another with its store id", claimed.pk)


def give_up(claimed: App, why: str) -> None:
    """The store does not know it; an app that was found before stays as it is."""
    with transaction.atomic():
        app = _locked(claimed)
        if app is not None:
            _fail(app, why)


def postpone(claimed: App, error: StoreUnavailable) -> None:
    """Ask again later: after a minute, then less and less often; never before the store wants to be asked."""
    wait = pause_seconds(
        claimed.lookup_attempts,
        first=FIRST_RETRY_SECONDS,
        longest=LONGEST_RETRY_SECONDS,
        asked_for=error.retry_after_seconds,
    )
    logger.warning("app %s could not be looked up, again in %.0f seconds: %s", claimed.pk, wait, error)
    _mine(claimed).update(
        lookup_due_at=timezone.now() + timedelta(seconds=wait),
        lookup_attempts=min(claimed.lookup_attempts + 1, 1000),
        lookup_error=str(error)[:ERROR_LENGTH],
    )


def renew_icon(pk: int, found: StoreApp) -> None:
    """Keep the store's picture in our storage, unless it is there. Without a new one the old one stays.

    App.icon_url is the address that the kept one was fetched from: whatever goes wrong is tried again after the next lookup.
    """
    known = App.objects.filter(
        pk=pk, removed_at=None, processing_status=ProcessingStatus.PROCESSED, itunes_store_id=found.store_id
    )
    app = known.only("account", "icon", "icon_url").first()
    if app is None or not found.icon_url or (app.icon and app.icon_url == found.icon_url):
        return
    try:
        _keep_icon(known, found.icon_url, app.account_id, fetch_icon(found.icon_url))
    except IconUnavailable as error:
        logger.warning("the icon of app %s could not be fetched: %s", pk, error)
    except App.DoesNotExist:
        logger.info("app %s was deleted while its icon was fetched", pk)
    except Exception:  # each storage has its own errors, and the next app's picture may be stored
        logger.warning("the icon of app %s could not be stored", pk, exc_info=True)


def _keep_icon(known: QuerySet[App], url: str, account_id: int, picture: Picture) -> None:
    with store_icon(account_id, picture.content, picture.ending) as name, transaction.atomic():
        app = known.select_for_update(no_key=True).get()
        set_icon(app, name)
        app.icon_url = url
        app.save(update_fields=["icon", "icon_url", "updated_at"])
        _tell(app, "icon of the App Store")


def _fill_in(app: App, found: StoreApp) -> None:
    twin = App.objects.for_account(app.account_id).filter(itunes_store_id=found.store_id).exclude(pk=app.pk).first()
    if twin is not None:
        _fail(app, f"This is the same app of the App Store as {twin.name} (app {twin.pk}), which is in the catalogue.")
        return
    was_new = app.processing_status != ProcessingStatus.PROCESSED
    identity, shown = _identity(app), _shown(app)
    app.itunes_store_id = found.store_id
    app.bundle_identifier = found.bundle_identifier
    app.name = app.name if app.has_own_name else found.name
    app.version = found.version
    app.platform_support = found.platform
    app.processing_status = ProcessingStatus.PROCESSED
    app.lookup_due_at, app.lookup_attempts, app.lookup_error = _next_question(), 0, ""
    if not was_new and (identity, shown) == (_identity(app), _shown(app)):
        app.save(update_fields=["lookup_due_at", "lookup_attempts", "lookup_error"])
        return
    app.save()
    _tell(app, "found in the App Store" if was_new else "changed in the App Store")
    if was_new or identity != _identity(app):
        mark_due(devices_of_app(app))


def _identity(app: App) -> tuple[object, ...]:
    """What decides which devices can have it, and by which name they report it."""
    return app.itunes_store_id, app.bundle_identifier, app.platform_support


def _shown(app: App) -> tuple[str, ...]:
    return app.name, app.version


def _tell(app: App, why: str) -> None:
    emit(
        "app.updated",
        account_id=app.account_id,
        app_id=app.pk,
        name=app.name,
        bundle_identifier=app.bundle_identifier,
        itunes_store_id=app.itunes_store_id,
        version=app.version,
        why=why,
    )


def _next_question() -> datetime:
    return timezone.now() + timedelta(hours=random.uniform(*AGAIN_HOURS))  # noqa: S311


def _release(claimed: list[App]) -> None:
    """Those that were claimed and not asked about: soon, as another app's trouble is not theirs."""
    if claimed:
        soon = timezone.now() + timedelta(seconds=FIRST_RETRY_SECONDS)
        ids = [app.pk for app in claimed]
        App.objects.filter(pk__in=ids, lookup_due_at=claimed[0].lookup_due_at).update(lookup_due_at=soon)


def _fail(app: App, why: str) -> None:
    """One that was known stays as it is and is asked about again, as it may come back; people are told once."""
    why = why[:ERROR_LENGTH]
    is_news = app.lookup_error != why
    if app.processing_status == ProcessingStatus.QUEUED:
        app.processing_status = ProcessingStatus.FAILED
    is_known = app.processing_status == ProcessingStatus.PROCESSED
    app.lookup_due_at, app.lookup_error = _next_question() if is_known else None, why
    app.save(update_fields=["processing_status", "lookup_due_at", "lookup_error", "updated_at"])
    if not is_news:
        return
    emit(
        "app.lookup_failed",
        account_id=app.account_id,
        level=Level.WARNING,
        app_id=app.pk,
        name=app.name,
        why=why,
    )


def _locked(claimed: App) -> App | None:
    """The row as it is now; None when it was deleted, or when the lease ran out and others took it."""
    return _mine(claimed).select_for_update(no_key=True).first()


def _mine(claimed: App) -> QuerySet[App]:
    return App.objects.filter(pk=claimed.pk, removed_at=None, lookup_due_at=claimed.lookup_due_at)
