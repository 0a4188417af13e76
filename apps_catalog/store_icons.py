"""Fetching the picture of an app from where the App Store has it. Whoever calls this is a worker, outside of any transaction."""

from typing import NamedTuple

from apps_catalog.store_lookup import is_at_store
from mdm.common.addresses import OutboundError
from mdm.common.http import OutboundClient

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024
# How the image begins decides what it is: the server's word for it is not asked. No SVG, which may hold scripts.
_BEGINNINGS = {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff"}


class IconUnavailable(Exception):
    """There is no image that could be kept; the text says why."""


class Picture(NamedTuple):
    """ending: "png" or "jpg"."""

    content: bytes
    ending: str


def fetch_icon(url: str) -> Picture:
    """url: as StoreApp has it. It names a server that the store chose, so only a test store's may be private.

    Redirects are not followed. Raises IconUnavailable.
    """
    headers = {"Accept": "image/png, image/jpeg", "User-Agent": "Pomona"}
    try:
        with OutboundClient(
            allows_private=is_at_store(url), timeout_seconds=TIMEOUT_SECONDS, max_answer_bytes=MAX_BYTES
        ) as client:
            answer = client.send("GET", url, headers=headers)
    except OutboundError as error:
        raise IconUnavailable(str(error)) from error
    if answer.status != 200:
        raise IconUnavailable(f"The server answered {answer.status}.")
    if not answer.is_complete:
        raise IconUnavailable(f"The image has more than {MAX_BYTES} bytes.")
    for ending, beginning in _BEGINNINGS.items():
        if answer.body.startswith(beginning):
            return Picture(answer.body, ending)
    raise IconUnavailable("The answer is neither a PNG nor a JPEG image.")
