"""Profiles as files that people save."""

import re

MEDIA_TYPE = "application/x-apple-aspen-config"
SUFFIX = ".mobileconfig"

_UNFIT_FOR_FILE_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:"]')


def file_name(name: str) -> str:
    """The name of a profile as one that every file system takes."""
    return _UNFIT_FOR_FILE_NAMES.sub("_", name.removesuffix(SUFFIX)) + SUFFIX
