from celery import shared_task

from mdm.running.heartbeats import forget_silent
from mdm.running.probes import probe_storage


@shared_task
def look_after_status() -> str:
    """Try the storage, and forget processes that are gone. Returns the kind of error of the storage, "" when it works."""
    forget_silent()
    return probe_storage()
