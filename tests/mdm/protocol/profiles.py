"""Profiles as a device reads them."""

import plistlib
from typing import Any

from mdm.protocol.cms import open_signed
from mdm.protocol.mobileconfig import is_signed


def read_profile(data: bytes) -> dict[str, Any]:
    """As a dictionary; a signature must be right."""
    return plistlib.loads(open_signed(data)[0] if is_signed(data) else data)
