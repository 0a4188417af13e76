import pytest

from devices.models import Device
from devices.services.security_chip import has_security_chip


@pytest.mark.parametrize(
    ("product", "has_one"),
    [
        ("MacBookPro14,3", False),
        ("MacBookPro15,1", True),
        ("MacBookPro18,4", True),
        ("MacBookAir7,2", False),
        ("MacBookAir8,1", True),
        ("Macmini7,1", False),
        ("Macmini8,1", True),
        ("MacPro6,1", False),
        ("MacPro7,1", True),
        ("iMac19,1", False),
        ("iMac20,2", True),
        ("iMacPro1,1", True),
        ("MacBook10,1", False),
        ("Xserve3,1", False),
        ("Mac14,2", True),
        ("VMware7,1", None),
        ("Mac٩,1", None),
        ("", None),
    ],
)
def test_the_product_tells(product: str, has_one: bool | None) -> None:
    assert has_security_chip(Device(product_name=product)) is has_one


@pytest.mark.parametrize(
    ("level", "has_one"), [("full", True), ("medium", True), ("off", True), ("not supported", False), ({"a": 1}, None)]
)
def test_secure_boot_tells_where_the_product_does_not(level: object, has_one: bool | None) -> None:
    security = {"SecureBoot": {"SecureBootLevel": level}} if isinstance(level, str) else {"SecureBoot": [level]}
    assert has_security_chip(Device(product_name="VMware7,1", security=security)) is has_one


def test_apple_silicon_tells_first() -> None:
    device = Device(information={"IsAppleSilicon": True}, security={"SecureBoot": {"SecureBootLevel": "not supported"}})
    assert has_security_chip(device) is True
    assert has_security_chip(Device(information={"IsAppleSilicon": "yes"})) is None
