"""Trying what pages must not wait for: the storage, which may be a service on the network."""

import logging
import time
import uuid
from collections.abc import Callable

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from mdm.running.models import Probe

STORAGE = "storage"
WORDS = b"Pomona tries whether files can be written here, and removes this one at once.\n"
logger = logging.getLogger(__name__)


def probe_storage() -> str:
    """Write, read and remove a small file. Returns the kind of error that came of it, "" when it works."""
    return _probe(STORAGE, _write_and_read)


def _write_and_read() -> None:
    name = default_storage.save(f"probe/{uuid.uuid4().hex}.txt", ContentFile(WORDS))
    try:
        with default_storage.open(name) as file:
            if file.read() != WORDS:
                raise OSError("the storage gave back something else than was written")
    finally:
        default_storage.delete(name)


def _probe(name: str, attempt: Callable[[], None]) -> str:
    began, error = time.monotonic(), ""
    try:
        attempt()
    except Exception as failure:  # whatever a storage raises is what is to be told
        error = type(failure).__name__
        logger.warning("%s does not work: %s: %s", name, error, failure)
    row = Probe(name=name, at=timezone.now(), took_ms=int((time.monotonic() - began) * 1000), error=error)
    Probe.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["name"], update_fields=["at", "took_ms", "error"]
    )
    return error
