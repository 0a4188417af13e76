"""The icon of an app, as its Info.plist names it. It is decoration: without one, nothing is wrong with the app.

Source: Apple, "CFBundleIcons", "CFBundleIconFiles", "CFBundleIconFile" in "Information Property List".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.png import header_of, plain_png
from apps_catalog.packages.zip_directory import Entry, read_entry

MAX_ICON_BYTES = 1024 * 1024  # as it is in the app; made anew it may be some times as large
MAX_CANDIDATES = 12
MAX_ATTEMPTS = 3  # the one that succeeds may take some seconds; a bad one shows itself before
MAX_NAMES = 50
MAX_FILE_NAME = 255

_PRIMARY = "CFBundlePrimaryIcon"
_SUFFIX = re.compile(r"(?:@[23]x)?(?:~(?:ipad|iphone))?\.png", re.ASCII | re.IGNORECASE)


def may_be_icon(name: str) -> bool:
    """Whether this file of the app's folder is worth being remembered; name: its path there."""
    return len(name) <= MAX_FILE_NAME and "/" not in name and name.lower().endswith(".png")


def read_icon(file: BinaryIO, info: Mapping[str, Any], images: Mapping[str, Entry], warnings: list[str]) -> bytes:
    """A plain PNG, of all icons the one with most pixels; b"" if there is none, or none that can be shown: then with a warning.

    images: the files of the app's folder that `may_be_icon`.
    """
    found: list[tuple[int, bytes]] = []
    trouble = ""
    for entry in _candidates(info, images):
        try:
            content = read_entry(file, entry, MAX_ICON_BYTES)
            found.append((header_of(content).width, content))
        except BadPackage as error:
            trouble = trouble or str(error)
    largest = sorted(found, key=lambda one: one[0], reverse=True)[:MAX_ATTEMPTS]
    for _, content in largest:
        try:
            return plain_png(content)
        except BadPackage as error:
            trouble = trouble or str(error)
    if trouble:
        warnings.append(f"The app's icon cannot be shown. {trouble}")
    return b""


def _candidates(info: Mapping[str, Any], images: Mapping[str, Entry]) -> list[Entry]:
    names = {name for name, _ in zip(_named(info), range(MAX_NAMES), strict=False)}
    found = [entry for name, entry in images.items() if name in names or _SUFFIX.sub("", name) in names]
    return found[:MAX_CANDIDATES]


def _named(info: Mapping[str, Any]) -> Iterator[str]:
    """Names of icon files without size and device, mostly without .png: what stands in the folder is Name@2x~ipad.png."""
    for key in ("CFBundleIcons", "CFBundleIcons~ipad"):
        icons = info.get(key)
        primary = icons.get(_PRIMARY) if isinstance(icons, dict) else None
        # A name alone stands for a set of images in the app's asset catalogue.
        yield from _texts(primary.get("CFBundleIconFiles") if isinstance(primary, dict) else primary)
    for key in ("CFBundleIconFiles", "CFBundleIconFiles~ipad", "CFBundleIconFile"):
        yield from _texts(info.get(key))


def _texts(value: object) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one:
            yield one
            yield _SUFFIX.sub("", one)
