"""Where the picture of an app is: always at our own server, also when it came from the App Store. A page that shows the
catalogue causes no request to any other.

The name of the stored image is random, and the address needs nothing else: a page that shows icons has no time limit, and
a new icon has a new address, so that browsers may keep each for ever.
"""

from pathlib import PurePosixPath
from typing import NamedTuple

from django.conf import settings
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from apps_catalog.models import App
from apps_catalog.services.delivery import NoSuchAddress
from apps_catalog.services.storing import ICON_TYPES


class Icon(NamedTuple):
    content: bytes
    content_type: str


def icon_address(app: App) -> str:
    """An absolute URL that needs no session, "" for none. Asks the database nothing."""
    path = icon_path(app)
    return settings.BASE_URL + path if path else ""


def icon_path(app: App) -> str:
    """The same for our own pages, whichever of our names they were opened by."""
    return reverse("app-icon", args=[app.pk, PurePosixPath(app.icon.name).name]) if app.icon else ""


def read_icon(pk: int, name: str) -> Icon:
    """The stored image, by its name with the ending. Raises NoSuchAddress; FileNotFoundError when the storage has lost it."""
    app = App.objects.filter(pk=pk, removed_at=None).only("icon").first()
    if app is None or not app.icon or not constant_time_compare(PurePosixPath(app.icon.name).name, name):
        raise NoSuchAddress
    with default_storage.open(app.icon.name) as file:
        return Icon(file.read(), ICON_TYPES[PurePosixPath(app.icon.name).suffix])
