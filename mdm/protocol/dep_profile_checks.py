"""Whether Apple will take an enrollment profile, key by key, in sentences for people.

Lengths are those at which Apple's service refuses. Source: Apple, "Profile", "Define a Profile".
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509

from mdm.protocol.dep_profile import CHOSEN, Key, Kind, complete
from mdm.protocol.setup_panes import PANES

MAX_CERTIFICATES = 20
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_REGION = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def faults(options: Mapping[str, Any]) -> dict[str, str]:
    """Name → what is wrong with it, in a sentence; empty if Apple will take them."""
    found = {name: f"There is no such key: {name}." for name in options if name not in CHOSEN}
    given = complete(options)
    found |= {name: fault for name, key in CHOSEN.items() if (fault := _fault(key, given[name]))}
    return found or _contradictions(given)


def _fault(key: Key, value: Any) -> str:
    match key.kind:
        case Kind.BOOLEAN:
            return "" if isinstance(value, bool) else "This is either on or off."
        case Kind.TEXT:
            return _text_fault(key, value)
        case Kind.PANES:
            return _pane_fault(value)
        case _:
            return _certificate_fault(value)


def _text_fault(key: Key, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        return "This must be a text of one line."
    if key.is_required and not value.strip():
        return "This is needed."
    if len(value) > key.max_length:
        return f"Apple takes at most {key.max_length} characters."
    if not value:
        return ""
    if key.name == "language" and not _LANGUAGE.fullmatch(value):
        return "A language is two or three small letters: en, fr, haw."
    if key.name == "region" and not _REGION.fullmatch(value):
        return "A region is two capital letters: US, GB, AU."
    if key.name == "support_email_address" and not _EMAIL.fullmatch(value):
        return "This is no e-mail address."
    return ""


def _pane_fault(value: Any) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        return "This must be a list of panes."
    unknown = sorted(set(value) - set(PANES))
    return f"Setup Assistant has no pane called {unknown[0]}." if unknown else ""


def _certificate_fault(value: Any) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        return "This must be a list of certificates."
    if len(value) > MAX_CERTIFICATES:
        return f"At most {MAX_CERTIFICATES} certificates can be given."
    for number, one in enumerate(value, start=1):
        try:
            x509.load_der_x509_certificate(base64.b64decode(one, validate=True))
        except ValueError:
            return f"Certificate {number} cannot be read: each is DER, in Base64."
    return ""


def _contradictions(given: Mapping[str, Any]) -> dict[str, str]:
    """Each key by itself is right, but not these together."""
    found = {}
    if not given["is_supervised"] and not given["is_mdm_removable"]:
        found["is_mdm_removable"] = "Only supervised devices can be kept from removing the management."
    if not given["is_supervised"] and given["supervising_host_certs"]:
        found["supervising_host_certs"] = "Only supervised devices look at these certificates."
    if given["auto_advance_setup"]:
        found |= {
            name: "Going through Setup Assistant by itself needs language and region."
            for name in ("language", "region")
            if not given[name]
        }
    return found
