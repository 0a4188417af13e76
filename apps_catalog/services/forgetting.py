"""Deleted profiles and apps stay as hidden rows until they are off the last device; here their rows go."""

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from apps_catalog.models import App, AppInstall
from devices.models import DeviceState, Profile, ProfileInstall

KEPT = timedelta(days=1)  # longer than any reconciliation that was under way takes
BATCH = 500


def forget_deleted() -> int:
    """Running twice does nothing more. Returns how many rows went."""
    before = timezone.now() - KEPT
    # Devices that left have nothing of ours any more, whatever their rows say; one that enrolls again begins anew.
    is_here = {"device__state": DeviceState.ENROLLED, "device__removed_at": None}
    on_devices = {
        Profile: ProfileInstall.objects.filter(profile=OuterRef("pk"), **is_here),
        App: AppInstall.objects.filter(app=OuterRef("pk"), **is_here),
    }
    total = 0
    for model, installs in on_devices.items():
        gone = model.objects.filter(~Exists(installs), removed_at__lte=before)
        while ids := list(gone.values_list("pk", flat=True)[:BATCH]):
            model.objects.filter(pk__in=ids).delete()
            total += len(ids)
    return total
