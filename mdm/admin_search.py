"""The search window of the admin: from anywhere to a device or a page by a few letters."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from devices.models import Device
from devices.services.finding import found_by
from mdm.accounts.permissions import Action, may

MOST_DEVICES = 20


def search_everything(request: HttpRequest, sidebar: list[dict[str, Any]], words: str) -> list[SearchResult]:
    """Pages whose title contains the words, then devices of the account (also by their users), newest first."""
    account = request.get_account()
    if account is None or not may(request.get_role(), Action.VIEW):
        return []
    items = [item for group in sidebar for item in group["items"]]
    pages = [
        SearchResult(str(item["title"]), _("page"), str(item["link"]), item["icon"])
        for item in items
        if words.lower() in str(item["title"]).lower()
    ]
    found = found_by(Device.objects.for_account(account), account, words) if words else Device.objects.none()
    devices = found.without_facts().order_by("-id")
    return pages + [_result(device) for device in devices[:MOST_DEVICES]]


def _result(device: Device) -> SearchResult:
    description = " ".join(part for part in (device.serial_number, str(device.get_state_display()).lower()) if part)
    return SearchResult(str(device), description, reverse("admin:devices_device_change", args=[device.pk]), "devices")
