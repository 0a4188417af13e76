"""Files that nobody needs any more, and apps of the App Store that nobody asks about: once a day.

Each run does a bounded amount, does nothing twice, and leaves the rest to the next one.
"""

import random
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from apps_catalog.models import App, AppInstall, AppType, AppVersion, ProcessingStatus
from apps_catalog.models.app import STORED_APPS
from apps_catalog.services.storing import delete_files
from mdm.commands.models import Command
from mdm.commands.states import WAITING
from mdm.common import stored_files
from mdm.common.batches import rows_by_key

# Longer than any upload takes: what is stored and has no row yet may still get it.
LEFT_BEHIND = timedelta(days=1)
MOST_FOLDERS = 1000  # by chance which, if there are more accounts
MOST_FILES = 2000
KEPT_VERSIONS = 3
KEPT_FOR = timedelta(days=30)
MOST_VERSIONS = 1000
MOST_LOOKUPS = 5000
BATCH = 500


def tidy_up() -> dict[str, int]:
    """Returns how many of each went, or will be asked about."""
    return {
        "superseded": drop_superseded(),
        "left_behind": drop_left_behind(),
        "temporary": drop_stale_uploads(),
        "lookups": resume_lookups(),
    }


def drop_superseded() -> int:
    """Versions that others took the place of lose their file; their rows stay. Returns how many did.

    Kept are the newest KEPT_VERSIONS of each app, what was uploaded within KEPT_FOR, what a device has from us, and what a
    command in the queue is about. Nobody orders another than the newest: what is found here stays so.
    """
    total = 0
    for some in rows_by_key(_superseded().only("pk", "file"), BATCH):
        wanted = _wanted_by_commands([version.pk for version in some])
        gone = [version for version in some if version.pk not in wanted]
        with transaction.atomic():
            AppVersion.objects.filter(pk__in=[version.pk for version in gone]).update(file="")
            delete_files(gone)
        total += len(gone)
        if total >= MOST_VERSIONS:
            break
    return total


def drop_left_behind() -> int:
    """Files that no row names: whoever stored them was ended before the commit. Returns how many went."""
    return stored_files.drop_left_behind(
        STORED_APPS,
        _named_by_rows,
        before=timezone.now() - LEFT_BEHIND,
        most_folders=MOST_FOLDERS,
        most_files=MOST_FILES,
    )


def drop_stale_uploads() -> int:
    """What a process that was ended in the middle of an upload left in FILE_UPLOAD_TEMP_DIR. Returns how many files went."""
    before = (timezone.now() - LEFT_BEHIND).timestamp()
    total = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*"):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                total += 1
        except FileNotFoundError:
            continue  # its process was quicker
    return total


def resume_lookups() -> int:
    """Known apps of the App Store that would not be asked about again: an earlier version of this server asked only once.

    Returns how many there were.
    """
    forgotten = App.objects.filter(
        app_type=AppType.STORE, processing_status=ProcessingStatus.PROCESSED, removed_at=None, lookup_due_at=None
    )
    apps = list(forgotten.only("pk")[:MOST_LOOKUPS])
    for app in apps:
        app.lookup_due_at = timezone.now() + timedelta(days=1) * random.random()  # noqa: S311 - to spread them over a day
    App.objects.bulk_update(apps, ["lookup_due_at"], batch_size=BATCH)
    return len(apps)


def _superseded() -> QuerySet[AppVersion]:
    newest = AppVersion.objects.filter(app=OuterRef("app")).order_by("-pk").values("pk")
    last_kept = Subquery(newest[KEPT_VERSIONS - 1 : KEPT_VERSIONS])
    return AppVersion.objects.filter(
        ~Exists(AppInstall.objects.filter(version=OuterRef("pk"))),
        pk__lt=last_kept,
        created_at__lt=timezone.now() - KEPT_FOR,
    ).exclude(file="")


def _wanted_by_commands(versions: list[int]) -> set[int]:
    waiting = Command.objects.filter(state__in=WAITING, parameters__Recipe="app", parameters__version__in=versions)
    return set(waiting.values_list("parameters__version", flat=True))


def _named_by_rows(account_id: int) -> set[str]:
    files = AppVersion.objects.filter(account_id=account_id).exclude(file="").values_list("file", flat=True)
    icons = App.objects.filter(account_id=account_id).exclude(icon="").values_list("icon", flat=True)
    return {*files, *icons}
