"""What is known of a package once it was read, in words that fit the database's columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps_catalog.packages.errors import BadPackage
from mdm.common.text import clean_text

MAX_IDENTIFIER = MAX_TITLE = 255
MAX_VERSION = 100
MAX_OS_VERSION = 32

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class PackageFacts:
    """kind: "ipa" or "pkg". platform: "iOS", "tvOS" or "macOS". is_signed: None for an ipa, which tells by its profile.

    is_signed says that there is a signature, not that anybody trusts it. details, JSON-safe; both kinds have `warnings`,
    sentences for the operator. An ipa has `device_families` (Apple's numbers: 1 iPhone, 2 iPad, 3 Apple TV) and
    `provisioning` (None, or `name`, `team`, `expires_at`, `all_devices`, `devices`). A pkg has `is_distribution`, `packages`
    (`identifier`, `version`), `bundles` (`identifier`, `version`, `short_version`, `path`: what the inventory will
    report after the install) and `architectures`. icon: a PNG that browsers show, b"" for none.
    """

    kind: str
    bundle_identifier: str
    title: str
    version: str
    short_version: str
    minimum_os_version: str
    platform: str
    is_signed: bool | None
    details: dict[str, Any] = field(default_factory=dict)
    icon: bytes = field(default=b"", repr=False)


def text_of(value: object, limit: int) -> str:
    """A value of a stranger's file as one line of text; "" for what is no text."""
    return clean_text(" ".join(value.split()), limit).strip() if isinstance(value, str) else ""


def identifier_of(value: object) -> str:
    """Raises BadPackage where a device would not take it for an identifier."""
    found = text_of(value, MAX_IDENTIFIER + 1)
    if len(found) > MAX_IDENTIFIER or not _IDENTIFIER.fullmatch(found):
        raise BadPackage("The identifier in this file is not made of letters, digits, dots and hyphens.")
    return found


def optional_identifier(value: object) -> str:
    found = text_of(value, MAX_IDENTIFIER + 1)
    return found if len(found) <= MAX_IDENTIFIER and _IDENTIFIER.fullmatch(found) else ""


def version_of(value: object) -> str:
    return text_of(value, MAX_VERSION)


def os_version_of(value: object) -> str:
    return text_of(value, MAX_OS_VERSION)


def version_key(version: str) -> tuple[int, ...]:
    """To compare versions by their numbers: 10.9 is before 10.13."""
    return tuple(int(number) for number in _NUMBER.findall(version))


def first_text(source: Mapping[str, Any], *keys: str) -> str:
    """The first of these keys that holds text, as a title."""
    return next((text for key in keys if (text := text_of(source.get(key), MAX_TITLE))), "")
