"""Content tokens, what their locations own, and licences."""

from datetime import timedelta

from django.utils import timezone

from apps_catalog.models import ContentAsset, ContentToken, LicenceAssignment, LicenceState
from devices.models import Device
from mdm.accounts.models import Account
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_content_token(account: Account | None = None, **fields: object) -> ContentToken:
    """Of a location that is synced; it is not due."""
    n = number()
    values = {
        "token": f"dG9rZW4{n}",
        "organization_name": "ORG12345",
        "location_id": str(10_000 + n),
        "location_name": f"Location {n}",
        "expires_at": timezone.now() + timedelta(days=365),
        "notification_token": f"secret{n}",
        "is_ours": True,
        "sync_due_at": timezone.now() + timedelta(hours=4),
        "counted_at": timezone.now(),
        "last_synced_at": timezone.now(),
    }
    return ContentToken.objects.create(account=account or make_account(), **(values | fields))


def make_content_asset(token: ContentToken | None = None, adam_id: int | None = None, **fields: object) -> ContentAsset:
    token = token or make_content_token()
    values = {
        "adam_id": adam_id or 700_000 + number(),
        "pricing_param": "STDQ",
        "product_type": "App",
        "is_device_assignable": True,
        "total": 10,
        "available": 10,
        "seen_at": timezone.now(),
    }
    return ContentAsset.objects.create(account_id=token.account_id, token=token, **(values | fields))


def make_licence(asset: ContentAsset, device: Device | None = None, **fields: object) -> LicenceAssignment:
    values = {
        "serial_number": device.serial_number if device else f"LIC{number():08d}",
        "device": device,
        "is_ours": device is not None,
        "state": LicenceState.ASSIGNED,
        "seen_at": timezone.now(),
    }
    return LicenceAssignment.objects.create(account_id=asset.account_id, asset=asset, **(values | fields))
