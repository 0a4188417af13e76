"""The search window of the admin: from anywhere to a device or a page by a few letters."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from devices.models import Device
from mdm.accounts.permissions import Action, may

MOST_DEVICES = 20


def search_everything(request: HttpRequest, sidebar: list[dict[str, Any]], words: str) -> list[SearchResult]:
    """Pages whose title contains the words, then devices of the account, newest first."""
    account = request.get_account()
    if account is None or not may(request.get_role(), Action.VIEW):
        return []
    items = [item for group in sidebar for item in group["items"]]
    pages = [
        SearchResult(str(item["title"]), "page", str(item["link"]), item["icon"])
        for item in items
        if words.lower() in str(item["title"]).lower()
    ]
    devices = Device.objects.for_account(account).search(words).defer("information", "security").order_by("-id")
    return pages + [_result(device) for device in devices[:MOST_DEVICES]]


def _result(device: Device) -> SearchResult:
    description = " ".join(part for part in (device.serial_number, device.get_state_display().lower()) if part)
    return SearchResult(str(device), description, reverse("admin:devices_device_change", args=[device.pk]), "devices")
