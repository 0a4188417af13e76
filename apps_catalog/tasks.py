"""What workers do for the catalogue and for what devices should have."""

from celery import shared_task

from apps_catalog.services import compliance, vpp_work
from apps_catalog.services.following import ask_about_installs, give_up_unseen
from apps_catalog.services.forgetting import forget_deleted
from apps_catalog.services.licence_tokens import warn_expiring
from apps_catalog.services.lookups import look_up_due
from apps_catalog.services.reconcile import compare_all, reconcile_due
from apps_catalog.services.store_search import answer_due
from apps_catalog.services.upkeep import tidy_up
from mdm.common.nudge import nudge_later

LICENCES_SECONDS = 60  # see `mdm/celery.py`


@shared_task
def reconcile_due_devices() -> int:
    """Bring marked devices to what they should have. Several may run at once: each claims its own devices."""
    return reconcile_due()


@shared_task
def compare_all_devices() -> int:
    """The daily look at every device, whatever has changed: what was missed by mistake or accident is made good."""
    return compare_all()


@shared_task
def follow_installs() -> int:
    """Ask devices again about apps that were sent a while ago: installing takes time, and nobody tells when it is done.

    Those that are not seen for a day count as failed.
    """
    give_up_unseen()
    return ask_about_installs()


@shared_task
def look_up_store_apps() -> int:
    """Ask the App Store about apps whose details are due. Several may run at once: each claims its own apps."""
    return look_up_due()


@shared_task
def search_app_store() -> int:
    """Ask the App Store for the apps that somebody looks for by name. Several may run at once: each claims its own."""
    return answer_due()


@shared_task
def forget_deleted_items() -> int:
    """Drop deleted profiles and apps that are on no device any more."""
    return forget_deleted()


@shared_task
def tidy_up_files() -> dict[str, int]:
    """Remove files that nobody needs any more. Running twice does nothing more."""
    return tidy_up()


@shared_task
def manage_licences() -> int:
    """Licences of Apps and Books: give them out and back, follow what was asked. Several may run at once: each claims its own
    locations. What Apple is still at is looked after sooner than the schedule would.
    """
    count = vpp_work.manage_due()
    wait = vpp_work.seconds_to_next()
    if wait is not None and wait < LICENCES_SECONDS:
        nudge_later(manage_licences, max(wait, 1.0))
    return count


@shared_task
def report_compliance() -> int:
    """Log how many devices have all that they should have, where that has changed. Running twice adds nothing."""
    return compliance.report_changes()


@shared_task
def watch_content_tokens() -> int:
    """Log a warning for each content token that comes near its end."""
    return warn_expiring()
