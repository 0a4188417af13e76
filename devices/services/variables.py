"""Variables: `{{name}}` in profiles, app configurations and scripts, filled in for one device.

Spaces and tabs inside the braces, the case of the name and the older form `{{$name}}` make no difference. A custom attribute
wins over a fact of the same name; what is not known of the device is filled in as nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import AnyStr

from django.db.models import F

from devices.models import CustomAttribute, Device, DeviceGroup, DeviceUser
from devices.services.attributes import values_for
from devices.services.errors import NotPossible
from devices.services.memberships import Memberships
from mdm.channels.models import Channel, ChannelState

# A value may be as long as an attribute allows and a text name it often: what comes out needs a bound of its own.
MAX_FILLED_LENGTH = 16 * 1024 * 1024

COLUMNS = (
    "serial_number",
    "udid",
    "imei",
    "meid",
    "device_name",
    "name",
    "model",
    "model_name",
    "product_name",
    "os_version",
    "build_version",
    "wifi_mac",
    "bluetooth_mac",
    "ethernet_mac",
    "phone_number",
    "email",
)
USER_NAMES = ("user_short_name", "user_long_name")
NO_USER = dict.fromkeys(USER_NAMES, "")
BUILT_IN = frozenset({*COLUMNS, *USER_NAMES, "device_id", "device_group"})

# Every part is bounded, and none can match what its neighbour does: hostile text costs no more than its length.
_PATTERN = r"\{\{[ \t]{0,20}\$?([A-Za-z0-9_]{1,255})[ \t]{0,20}\}\}"
_IN_TEXT = re.compile(_PATTERN)
_IN_BYTES = re.compile(_PATTERN.encode())

# A carriage return would be read back as a line feed; what XML 1.0 cannot hold at all is left out.
_XML = {
    **{code: None for code in (*range(0x20), 0xFFFE, 0xFFFF) if chr(code) not in "\t\n\r"},
    **{
        ord(sign): text for sign, text in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}.items()
    },
    ord("\r"): "&#13;",
}


def variables_of(device: Device, *, user: Channel | None = None) -> dict[str, str]:
    """Name in lower case → value, secret attributes included: for what is delivered, not for what people read.

    user: whose names the user's ones are; without it those of the user who was seen last.
    """
    return variables_for([device])[device.pk] | (names_of(user) if user else {})


def variables_for(
    devices: Sequence[Device], *, groups: Memberships | None = None, names: Collection[str] | None = None
) -> dict[int, dict[str, str]]:
    """Device pk → as `variables_of`, in a constant number of statements.

    names: which attributes are asked for, in lower case; all if none are given. groups: see `assignment_groups_of`.
    """
    of_groups = dict(DeviceGroup.objects.filter(pk__in={one.group_id for one in devices}).values_list("pk", "name"))
    users, values = _last_users(devices), values_for(devices, groups=groups)
    found = {}
    for device in devices:
        facts = {column: getattr(device, column) for column in COLUMNS} | users.get(device.pk, NO_USER)
        facts |= {"device_id": str(device.pk), "device_group": of_groups[device.group_id]}
        found[device.pk] = facts | {
            name.lower(): value.value
            for name, value in values[device.pk].items()
            if names is None or name.lower() in names
        }
    return found


def names_in(content: bytes) -> list[str]:
    """The names of the variables in it, in lower case, each once, sorted."""
    return sorted({match[1].decode().lower() for match in _IN_BYTES.finditer(content)})


def unknown_names(names: Iterable[str], account_id: int) -> list[str]:
    """Those that are neither built in nor a custom attribute of the account: they would stay as they are."""
    attributes = CustomAttribute.objects.filter(account_id=account_id).values_list("name", flat=True)
    known = BUILT_IN | {name.lower() for name in attributes}
    return [name for name in names if name not in known]


def fill(content: AnyStr, variables: Mapping[str, str], *, escape: bool = False) -> AnyStr:
    """content with every known variable replaced; unknown ones stay as they are, and values are not searched again.

    variables: names in lower case. escape: the values become character data of XML. Bytes are UTF-8 or another superset
    of ASCII; in a binary property list or a signed file nothing can be replaced this way.
    Raises NotPossible when the result would be longer than MAX_FILLED_LENGTH.
    """
    is_text = isinstance(content, str)
    pattern = _IN_TEXT if is_text else _IN_BYTES
    ready: dict[str, AnyStr] = {}
    room = MAX_FILLED_LENGTH - len(content)

    def replacement(match: re.Match[AnyStr]) -> AnyStr:
        nonlocal room
        name = (match[1] if is_text else match[1].decode()).lower()
        if name not in variables:
            return match[0]
        if name not in ready:
            value = variables[name].translate(_XML) if escape else variables[name]
            ready[name] = value if is_text else value.encode()
        room -= len(ready[name])
        if room < 0:
            raise NotPossible(f"With its variables filled in this is longer than {MAX_FILLED_LENGTH} bytes.")
        return ready[name]

    return pattern.sub(replacement, content)


def names_of(user: Channel) -> dict[str, str]:
    return dict(zip(USER_NAMES, (user.user_short_name, user.user_long_name), strict=True))


def _last_users(devices: Sequence[Device]) -> dict[int, dict[str, str]]:
    """Device pk → the names of the managed user seen last, else of whoever is logged in."""
    channels = Channel.objects.filter(device__in=devices, state=ChannelState.OPEN).exclude(user_key="")
    # The last one of each device counts.
    channels = channels.order_by("device_id", F("last_seen_at").asc(nulls_first=True), "pk")
    logged_in = DeviceUser.objects.filter(device__in=devices, logged_in=True).order_by("device_id", "-pk")
    rows = [
        *logged_in.values_list("device_id", "username", "full_name"),
        *channels.values_list("device_id", "user_short_name", "user_long_name"),
    ]
    return {device_id: dict(zip(USER_NAMES, names, strict=True)) for device_id, *names in rows}
