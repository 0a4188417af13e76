"""The way in: which kind of file it is, told by its content."""

from typing import BinaryIO

from apps_catalog.packages import ipa, pkg
from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.facts import PackageFacts
from apps_catalog.packages.reading import size_of

_ZIP = b"PK"
_XAR = b"xar!"
_DISK_IMAGE_END = b"koly"
_DISK_IMAGE_END_BYTES = 512
_FIRST_BYTES = 512


def inspect(file: BinaryIO, file_name: str) -> PackageFacts:
    """What this .ipa or .pkg says of itself. file can seek; its position afterwards is anywhere.

    file_name is the operator's, and only used to say what is wrong. Raises BadPackage.
    """
    size = size_of(file)
    file.seek(0)
    start = file.read(_FIRST_BYTES)
    if not start:
        raise BadPackage("This file is empty.")
    if start.startswith(_XAR):
        return pkg.read(file)
    if not start.startswith(_ZIP):
        raise BadPackage(_what_else(file, start, size))
    if file_name.lower().removesuffix(".zip").endswith((".pkg", ".mpkg")):
        raise BadPackage("This is a zip archive, probably with an old bundle-style package in it: upload a flat .pkg.")
    return ipa.read(file)


def _what_else(file: BinaryIO, start: bytes, size: int) -> str:
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "This is a web page and not an app: the download before the upload went wrong."
    if len(start) < len(_XAR):
        return "This file ends before it says what it is."
    if size >= _DISK_IMAGE_END_BYTES:
        file.seek(size - _DISK_IMAGE_END_BYTES)
        if file.read(len(_DISK_IMAGE_END)) == _DISK_IMAGE_END:
            return "This is a disk image: open it and upload the .pkg inside."
    return "This is neither an iOS app (.ipa) nor a flat macOS package (.pkg)."
