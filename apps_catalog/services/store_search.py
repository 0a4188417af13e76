"""Finding apps of the App Store by their name: the question is a row, a worker asks, and the page waits for the answer.

An answer is good for a day, so that people who type the same do not ask Apple again: it wants few questions a minute.
"""

import logging
from dataclasses import asdict
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from apps_catalog.models import App, SearchState, StoreSearch
from apps_catalog.services.errors import CatalogError
from apps_catalog.store_lookup import NotInStore, StoreApp, StoreUnavailable, search, store_client
from mdm.accounts.models import Account
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text

TASK = "apps_catalog.tasks.search_app_store"
LEAST_LETTERS, MOST_LETTERS = 2, 100
GOOD_FOR = timedelta(days=1)
FAILED_FOR = timedelta(seconds=30)  # then the same words are asked anew
PER_MINUTE = 20  # of one account
LEASE = timedelta(minutes=2)
MOST_PER_RUN = 20

logger = logging.getLogger("pomona.apps")


def ask_store(account: Account, text: str) -> StoreSearch:
    """The question as a row: answered already, or to be answered by a worker in a moment.

    Raises CatalogError for too few letters, and when the account asks too often.
    """
    words = " ".join(clean_text(text, MOST_LETTERS).lower().split())
    if len(words) < LEAST_LETTERS:
        raise CatalogError(f"Type at least {LEAST_LETTERS} letters of the app's name.")
    country = account.apple_store_country_code
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        row = StoreSearch.objects.for_account(account).filter(country=country, words=words).first()
        if row is not None and not _is_stale(row):
            return row
        _check_rate(account)
        now = timezone.now()
        fresh = {"state": SearchState.WAITING, "results": [], "error": "", "due_at": now, "created_at": now}
        row, _ = StoreSearch.objects.update_or_create(account=account, country=country, words=words, defaults=fresh)
        transaction.on_commit(partial(nudge_named, TASK))
    return row


def answer_due() -> int:
    """Ask the store about what people wait for. Several may run at once: each claims its own. Returns how many."""
    count = 0
    while count < MOST_PER_RUN and (row := _claim()):
        _answer(row)
        count += 1
    StoreSearch.objects.filter(created_at__lt=timezone.now() - GOOD_FOR).delete()
    return count


def known_apps(search_row: StoreSearch) -> dict[int, int]:
    """Which of the found are in the catalogue: number in the store → key of the app."""
    numbers = [found["store_id"] for found in search_row.results]
    apps = App.objects.for_account(search_row.account_id).filter(itunes_store_id__in=numbers)
    return dict(apps.values_list("itunes_store_id", "pk"))


def _is_stale(row: StoreSearch) -> bool:
    age = timezone.now() - row.created_at
    return age > (FAILED_FOR if row.state == SearchState.FAILED else GOOD_FOR)


def _check_rate(account: Account) -> None:
    since = timezone.now() - timedelta(minutes=1)
    if StoreSearch.objects.for_account(account).filter(created_at__gt=since).count() >= PER_MINUTE:
        raise CatalogError(
            "The App Store has been asked very often just now. Wait a minute, or add the app by its link."
        )


def _claim() -> StoreSearch | None:
    now = timezone.now()
    with transaction.atomic():
        waiting = StoreSearch.objects.filter(state=SearchState.WAITING, due_at__lte=now).order_by("due_at", "pk")
        row = waiting.select_for_update(skip_locked=True).first()
        if row is not None:
            row.due_at = now + LEASE
            row.save(update_fields=["due_at"])
    return row


def _answer(row: StoreSearch) -> None:
    """Whoever asked looks at the page: what cannot be had now is said, not tried for hours."""
    try:
        with store_client() as client:
            found = search(client, country=row.country, words=row.words)
    except (NotInStore, StoreUnavailable) as error:
        logger.warning("the App Store could not be searched: %s", error)
        changes = {"state": SearchState.FAILED, "error": str(error)[:300]}
    else:
        changes = {"state": SearchState.DONE, "results": [_kept(app) for app in found]}
    StoreSearch.objects.filter(pk=row.pk, state=SearchState.WAITING, due_at=row.due_at).update(**changes)


def _kept(app: StoreApp) -> dict[str, object]:
    return {key: value for key, value in asdict(app).items() if key != "icon_url"}
