"""Which devices are marked to be compared with what they should have."""

from django.utils import timezone

from devices.models import Device, DueDevice


def mark(*devices: Device) -> None:
    """By itself, due now; a mark in an operation stays beside it."""
    for device in devices:
        DueDevice.objects.update_or_create(
            device=device,
            operation=None,
            defaults={"account_id": device.account_id, "due_at": timezone.now(), "attempts": 0},
        )


def is_marked(device: Device) -> bool:
    """By itself or in an operation."""
    return DueDevice.objects.filter(device=device).exists()


def marked() -> set[Device]:
    return {one.device for one in DueDevice.objects.select_related("device")}


def take_marks() -> set[Device]:
    """The marked devices; afterwards none is."""
    found = marked()
    DueDevice.objects.all().delete()
    return found
