"""The tab of a device's page that says what it should have, why, and how far that has come."""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from apps_catalog.services.items import Item, ItemKind, items_of, retry, stop
from devices.admin.device_page import Tab
from devices.models import Device, ItemState
from devices.services.errors import NotPossible
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.permissions import Action

PAGES = {ItemKind.PROFILE: "admin:devices_profile_change", ItemKind.APP: "admin:apps_catalog_app_change"}
HEADINGS = {ItemKind.PROFILE: ("Profile", "Profiles"), ItemKind.APP: ("App", "Apps")}


def assigned(device: Device) -> dict[str, Any]:
    """One section for profiles and one for apps, by name."""
    items = sorted(items_of(device), key=lambda item: (item.name.lower(), item.pk, item.user))
    now = timezone.now()
    sections = [(*HEADINGS[kind], [_line(item, now) for item in items if item.kind == kind]) for kind in ItemKind]
    return {
        "sections": [section for section in sections if section[2]],
        "is_moving": device.is_enrolled and any(_is_due(item, now) for item in items),
    }


ASSIGNED = Tab("assigned", "Assigned", "admin/devices/tabs/assigned.html", assigned)


class AssignedPages:
    """Part of the device admin: what can be done about one item. `kind` and `id` are posted."""

    assigned_pages = (
        Page("<int:pk>/assigned/retry/", "retry_item", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/assigned/stop/", "stop_item", Action.MANAGE_DEVICES, post_only=True),
    )

    def retry_item(self, request: HttpRequest, device: Device) -> HttpResponse:
        item = _posted_item(request, device)
        try:
            retry(device, item.kind, item.pk, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), self._assigned_url(device))
        return self.done(request, f"{item.name} is sent to the device again.", self._assigned_url(device))

    def stop_item(self, request: HttpRequest, device: Device) -> HttpResponse:
        item = _posted_item(request, device)
        try:
            stop(device, item.kind, item.pk, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), self._assigned_url(device))
        sentence = f"{item.name} is not sent to this device any more, until a newer version is sent or you retry it."
        return self.done(request, sentence, self._assigned_url(device))

    def _assigned_url(self, device: Device) -> str:
        return f"{self.url('change', device.pk)}?tab={ASSIGNED.key}"


def _posted_item(request: HttpRequest, device: Device) -> Item:
    """The line of the device that was clicked; 404 for whatever the device has nothing to do with."""
    wanted = (request.POST.get("kind", ""), row_number(request.POST.get("id")))
    item = next((one for one in items_of(device) if (one.kind, one.pk) == wanted), None)
    if item is None:
        raise Http404
    return item


def _line(item: Item, now: datetime) -> dict[str, Any]:
    """sources is empty for what is to go; its page may be gone then as well."""
    return {
        "item": item,
        "url": reverse(PAGES[item.kind], args=[item.pk]) if item.sources else "",
        "label": item.state.label,
        "is_retried_now": item.retry_at is not None and item.retry_at <= now,
        "gives_up": item.attempts > 0 and item.retry_at is None and not item.is_stopped,
        "is_bad": item.state == ItemState.FAILED or item.attempts > 0,
    }


def _is_due(item: Item, now: datetime) -> bool:
    """Whether something is about to be sent for it, so that the page should look again."""
    is_next = item.state == ItemState.PENDING and not item.note
    return is_next or (item.retry_at is not None and item.retry_at <= now)
