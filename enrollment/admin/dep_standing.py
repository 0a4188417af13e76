"""How a DEP server and its enrollment settings stand, for its page: words, counts, and whether the page should follow."""

from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import DeviceState
from enrollment.models import AssignState, DepServer, DepSettings
from enrollment.services.dep_watch import settings_standing, standing
from mdm.accounts.admin_html import badge

MOST_REASONS = 10
SERVER_BADGES = {
    "expired": (gettext_lazy("Token expired"), "expired"),
    "terms": (gettext_lazy("Terms not accepted"), "warning"),
    "failing": (gettext_lazy("Sync fails"), "failed"),
    "expiring": (gettext_lazy("Token expires soon"), "expiring"),
    "waiting": (gettext_lazy("First sync"), "info"),
    "valid": (gettext_lazy("In sync"), "valid"),
}
SETTINGS_BADGES = {
    "missing": (gettext_lazy("Not set up"), "warning"),
    "removing": (gettext_lazy("Being deleted"), "removing"),
    "failing": (gettext_lazy("Fails"), "failed"),
    "waiting": (gettext_lazy("On its way"), "info"),
    "valid": (gettext_lazy("At Apple"), "valid"),
}
ASSIGN_BADGES = {
    AssignState.NONE: (gettext_lazy("No settings"), ""),
    AssignState.WAITING: (gettext_lazy("Waiting"), "info"),
    AssignState.ASSIGNED: (gettext_lazy("Assigned"), "valid"),
    AssignState.REFUSED: (gettext_lazy("Refused"), "failed"),
}


def server_badge(server: DepServer) -> SafeString:
    return badge(*SERVER_BADGES[standing(server)[0]])


def assign_badge(state: str) -> SafeString:
    return badge(*ASSIGN_BADGES[AssignState(state)])


def overview(server: DepServer) -> dict[str, Any]:
    settings = DepSettings.objects.select_related("device_group").filter(server=server).first()
    state, sentence = standing(server)
    settings_state, settings_sentence = settings_standing(settings)
    counts = _counts(server)
    return {
        "server": server,
        "state": state,
        "sentence": sentence,
        "badge_html": server_badge(server),
        "settings": settings,
        "settings_sentence": settings_sentence,
        "settings_badge": badge(*SETTINGS_BADGES[settings_state]),
        "settings_state": settings_state,
        "counts": counts,
        "boxes": _boxes(server, counts) if settings else [],
        "reasons": _reasons(server) if counts["refused"] or counts["waiting"] else [],
        "devices_url": _devices_url(server),
        "is_syncing": _is_syncing(server),
        "is_busy": _is_syncing(server) or _is_assigning(settings),
        "mark": server_mark(server, counts),
    }


def server_mark(server: DepServer, counts: dict[str, int] | None = None) -> str:
    """Another one whenever the page would look different. counts: where they are known already."""
    settings = DepSettings.objects.filter(server=server).first()
    numbers = (counts or _counts(server)).values()
    parts = [server.last_synced_at, server.sync_error, _is_syncing(server), *numbers]
    if settings:
        parts += [settings.profile_uuid, settings.error, settings.removed_at, _is_assigning(settings)]
    return "|".join(str(part) for part in parts)


def _counts(server: DepServer) -> dict[str, int]:
    return server.dep_devices.aggregate(
        total=Count("pk"),
        enrolled=Count("pk", filter=Q(device__state=DeviceState.ENROLLED)),
        assigned=Count("pk", filter=Q(assign_state=AssignState.ASSIGNED)),
        waiting=Count("pk", filter=Q(assign_state=AssignState.WAITING)),
        refused=Count("pk", filter=Q(assign_state=AssignState.REFUSED)),
    )


def _boxes(server: DepServer, counts: dict[str, int]) -> list[dict[str, Any]]:
    words = (
        (AssignState.ASSIGNED, _("Assigned"), _("they ask for these settings when they are set up"), "installed"),
        (AssignState.WAITING, _("Waiting"), _("Apple is asked for them next"), ""),
        (AssignState.REFUSED, _("Refused"), _("tried again by itself, later each time"), "failed"),
    )
    return [
        {
            "number": f"{counts[state.value]:,}",
            "title": title,
            "text": text,
            "tone": tone,
            "url": f"{_devices_url(server)}&assignment={state.value}",
        }
        for state, title, text, tone in words
    ]


def _reasons(server: DepServer) -> list[tuple[str, int]]:
    """What Apple said, with how many devices it said it of; the most frequent first."""
    rows = server.dep_devices.exclude(assign_error="").values_list("assign_error").annotate(number=Count("pk"))
    return list(rows.order_by("-number", "assign_error")[:MOST_REASONS])


def _devices_url(server: DepServer) -> str:
    return f"{reverse('admin:enrollment_depdevice_changelist')}?server={server.pk}"


def _is_syncing(server: DepServer) -> bool:
    is_due = server.sync_due_at is not None and server.sync_due_at <= timezone.now()
    return server.sync_started_at is not None or is_due


def _is_assigning(settings: DepSettings | None) -> bool:
    if settings is None:
        return False
    is_due = settings.due_at is not None and settings.due_at <= timezone.now()
    return settings.started_at is not None or is_due
