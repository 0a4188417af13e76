"""Packages of the agent that nobody needs any more, and files of them that no row names: once a day.

Each run does a bounded amount, does nothing twice, and leaves the rest to the next one.
"""

import logging
import random
from collections.abc import Iterator
from datetime import timedelta

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from devices.models import AgentPackage
from devices.models.agent import STORED_AGENTS
from devices.services.agent_package import current_packages
from mdm.common.stored_files import delete_stored

# A Mac that has just been told of a package still fetches it; a worker that has just stored one still writes its row.
KEPT_FOR = timedelta(days=2)
MOST_ROWS = 1000
MOST_FOLDERS = 1000  # by chance which, if there are more accounts
MOST_FILES = 2000

logger = logging.getLogger(__name__)


def tidy_packages() -> int:
    """Returns how many packages and files went."""
    return drop_superseded() + drop_lost() + drop_left_behind()


def drop_superseded() -> int:
    """What another has been in the place of for KEPT_FOR."""
    before = timezone.now() - KEPT_FOR
    successors = current_packages().filter(account=OuterRef("account"), created_at__lt=before)
    old = AgentPackage.objects.filter(Exists(successors), created_at__lt=before)
    rows = list(old.exclude(pk__in=current_packages().values("pk")).order_by("pk")[:MOST_ROWS])
    with transaction.atomic():
        AgentPackage.objects.filter(pk__in=[row.pk for row in rows]).delete()
    delete_stored(row.file.name for row in rows if row.file)
    return len(rows)


def drop_lost() -> int:
    """Rows whose file the storage has no more, as after a restored backup: they are built anew."""
    some = list(current_packages().order_by("?")[:MOST_FILES])
    lost = [package.pk for package in some if not default_storage.exists(package.file.name)]
    AgentPackage.objects.filter(pk__in=lost).delete()
    return len(lost)


def drop_left_behind() -> int:
    """Files without a row: of accounts that were deleted, and of workers that were ended before the commit."""
    total = 0
    for name in _left_behind():
        delete_stored([name])
        total += 1
        if total == MOST_FILES:
            break
    return total


def _left_behind() -> Iterator[str]:
    before = timezone.now() - KEPT_FOR
    folders = _folders()
    for account_id in random.sample(folders, min(len(folders), MOST_FOLDERS)):
        folder = f"{STORED_AGENTS}/{account_id}"
        names = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
        # Read after the listing: what is in it and was committed meanwhile has its row.
        known = AgentPackage.objects.filter(account_id=account_id).values_list("file", flat=True)
        for name in sorted(names - set(known)):
            try:
                is_old = default_storage.get_modified_time(name) < before
            except Exception:  # each storage has its own errors; a file that has just gone is no trouble
                logger.exception("The age of %s in the storage is not known", name)
                continue
            if is_old:
                yield name


def _folders() -> list[int]:
    """Accounts that have something in the storage, those that were deleted too."""
    try:
        names, _ = default_storage.listdir(STORED_AGENTS)
    except FileNotFoundError:
        return []  # nothing was ever built
    return [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 19]
