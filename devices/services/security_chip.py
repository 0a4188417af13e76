"""Whether a Mac has Apple silicon or a T2 chip: those erase themselves without a PIN."""

import re

from devices.models import Device

# ProductName, "MacBookPro15,2": the first number of each family that has one of the chips.
# Source: Apple Support, "Mac models with the Apple T2 Security Chip".
_FIRST = {"MacBookPro": 15, "MacBookAir": 8, "Macmini": 8, "MacPro": 7, "iMacPro": 1, "iMac": 20, "Mac": 13}
_NEVER = {"MacBook", "Xserve"}
_PRODUCT = re.compile(r"([A-Za-z]+)([0-9]{1,4}),[0-9]+")


def has_security_chip(device: Device) -> bool | None:
    """None where nothing that is known of the Mac tells."""
    if device.information.get("IsAppleSilicon") is True:
        return True
    by_product = _by_product(device.product_name)
    return _by_secure_boot(device) if by_product is None else by_product


def _by_product(product_name: str) -> bool | None:
    match = _PRODUCT.fullmatch(product_name)
    if match is None or match[1] not in _FIRST.keys() | _NEVER:
        return None
    return match[1] in _FIRST and int(match[2]) >= _FIRST[match[1]]


def _by_secure_boot(device: Device) -> bool | None:
    """The chips are what makes secure boot possible."""
    boot = device.security.get("SecureBoot")
    level = boot.get("SecureBootLevel") if isinstance(boot, dict) else None
    return level != "not supported" if level in ("off", "medium", "full", "not supported") else None
