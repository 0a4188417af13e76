"""Packages of the agent that nobody needs any more, and files of them that no row names: once a day.

Each run does a bounded amount, does nothing twice, and leaves the rest to the next one.
"""

from datetime import timedelta

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from devices.models import AgentPackage
from devices.models.agent import STORED_AGENTS
from devices.services.agent_package import current_packages
from mdm.common import stored_files
from mdm.common.stored_files import delete_stored

# A Mac that has just been told of a package still fetches it; a worker that has just stored one still writes its row.
KEPT_FOR = timedelta(days=2)
MOST_ROWS = 1000
MOST_FOLDERS = 1000  # by chance which, if there are more accounts
MOST_FILES = 2000


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
    return stored_files.drop_left_behind(
        STORED_AGENTS,
        _named_by_rows,
        before=timezone.now() - KEPT_FOR,
        most_folders=MOST_FOLDERS,
        most_files=MOST_FILES,
    )


def _named_by_rows(account_id: int) -> set[str]:
    return set(AgentPackage.objects.filter(account_id=account_id).values_list("file", flat=True))
