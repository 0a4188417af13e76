"""A small catalogue of real models, and the facts of one imagined device of such a model."""

import random
import string
import uuid
from dataclasses import dataclass
from typing import Literal

Platform = Literal["ios", "macos"]
SERIAL_LETTERS = "".join(c for c in string.ascii_uppercase + string.digits if c not in "IO01")


@dataclass(frozen=True)
class Model:
    platform: Platform
    product_name: str
    model_name: str
    marketing_name: str
    order_number: str
    chip: str
    capacity_gb: int
    has_battery: bool = True
    has_cellular: bool = False

    @property
    def is_apple_silicon(self) -> bool:
        return bool(self.chip)


@dataclass(frozen=True)
class OSRelease:
    version: str
    build: str


MODELS = (
    Model("ios", "iPhone14,6", "iPhone", "iPhone SE (3rd generation)", "MMXF3", "00008110", 64, has_cellular=True),
    Model("ios", "iPhone15,4", "iPhone", "iPhone 15", "MTP03", "00008120", 128, has_cellular=True),
    Model("ios", "iPhone16,1", "iPhone", "iPhone 15 Pro", "MTUV3", "00008130", 256, has_cellular=True),
    Model("ios", "iPhone17,3", "iPhone", "iPhone 16", "MYE73", "00008140", 128, has_cellular=True),
    Model("ios", "iPad13,18", "iPad", "iPad (10th generation)", "MPQ03", "00008101", 64),
    Model("macos", "Mac14,2", "MacBook Air", "MacBook Air (M2, 2022)", "MLY33", "00008112", 256),
    Model("macos", "Mac15,6", "MacBook Pro", "MacBook Pro (14-inch, M3 Pro)", "MRX33", "00006030", 512),
    Model("macos", "Mac14,3", "Mac mini", "Mac mini (M2, 2023)", "MMFJ3", "00008112", 256, has_battery=False),
    Model("macos", "Mac15,4", "iMac", "iMac (24-inch, M3)", "MQRA3", "00008122", 256, has_battery=False),
    Model("macos", "MacBookPro16,1", "MacBook Pro", "MacBook Pro (16-inch, 2019)", "MVVJ2", "", 512),
)
# Present and next release per platform: a fresh device runs the first and is offered the second.
RELEASES: dict[Platform, tuple[OSRelease, OSRelease]] = {
    "ios": (OSRelease("18.5", "22F76"), OSRelease("18.6", "22G86")),
    "macos": (OSRelease("15.5", "24F74"), OSRelease("15.6", "24G84")),
}
DEFAULT_FAMILY = {"ios": "iPhone", "macos": "Mac"}


@dataclass(frozen=True)
class Facts:
    """What never changes on a device, not even when it is erased."""

    model: Model
    serial: str
    udid: str
    provisioning_udid: str
    imei: str
    iccid: str
    eid: str
    phone_number: str
    wifi_mac: str
    bluetooth_mac: str
    ethernet_mac: str
    eas_identifier: str


def choose_model(platform: Platform, rng: random.Random, product_name: str | None = None) -> Model:
    """A model by its product name ("Mac15,6"), or any iPhone / any Mac. Raises ValueError for an unknown one."""
    if product_name is not None:
        found = [m for m in MODELS if m.platform == platform and m.product_name == product_name]
        if not found:
            raise ValueError(f"no {platform} model {product_name!r} in the catalogue")
        return found[0]
    return rng.choice([m for m in MODELS if m.platform == platform and m.model_name != "iPad"])


def make_facts(model: Model, rng: random.Random, serial: str | None = None, udid: str | None = None) -> Facts:
    short = "".join(rng.choices("0123456789ABCDEF", k=16))
    chip_udid = f"{model.chip or '00008020'}-{short}"
    hardware_uuid = str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper()
    return Facts(
        model=model,
        serial=serial or "".join(rng.choices(SERIAL_LETTERS, k=10)),
        udid=udid or (chip_udid if model.platform == "ios" else hardware_uuid),
        provisioning_udid=chip_udid,
        imei=_imei(rng) if model.has_cellular else "",
        iccid="8949" + _digits(rng, 15) if model.has_cellular else "",
        eid="8904903200" + _digits(rng, 22) if model.has_cellular else "",
        phone_number="+4915" + _digits(rng, 9) if model.has_cellular else "",
        wifi_mac=_mac(rng),
        bluetooth_mac=_mac(rng),
        ethernet_mac=_mac(rng),
        eas_identifier="".join(rng.choices(string.ascii_uppercase + string.digits, k=26)),
    )


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _imei(rng: random.Random) -> str:
    """15 digits, the last one by Luhn, in the groups that devices report."""
    body = "35" + _digits(rng, 12)
    total = 0
    for position, digit in enumerate(body):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    whole = body + str(-total % 10)
    return f"{whole[:2]} {whole[2:8]} {whole[8:14]} {whole[14]}"


def _mac(rng: random.Random) -> str:
    return ":".join(f"{byte:02x}" for byte in (0xAC, 0xBC, 0x32, *rng.randbytes(3)))
