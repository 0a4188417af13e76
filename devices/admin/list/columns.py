"""What the list can show of each device: one entry for each column, for the page and for the exported file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list.facts import Facts
from devices.admin.list.known import Known
from devices.admin.list.order import BY_LAST_SEEN, Ordering, by_answer, by_text, by_time, by_version
from devices.models import Device
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines

ATTRIBUTE = "attribute-"
MOST_COLUMNS = 40
USERS_SHOWN = 5  # of a device on the page; a file has all of them
FIRST = ("device", "state", "system", "group", "serial", "supervised", "seen")


@dataclass(frozen=True)
class Column:
    """plain: the value itself, for the file (a time, an answer, a number or a text). cell: how the page shows it.

    fields: what it reads of the device. ordering: None where the list cannot be ordered by it.
    file_title: its heading in the file, where a number needs its unit.
    """

    key: str
    title: str | Promise
    plain: Callable[[Device, Facts], Any]
    cell: Callable[[Device, Facts], SafeString | str] | None = None
    fields: tuple[str, ...] = ()
    ordering: Callable[[Known], Ordering] | None = None
    file_title: str | Promise = ""
    is_number: bool = False

    def shown(self, device: Device, facts: Facts) -> SafeString | str:
        if self.cell:
            return self.cell(device, facts)
        value = self.plain(device, facts)
        return words_of(value) or NOTHING if not isinstance(value, datetime) else time_tag(value)


def words_of(value: Any) -> str:
    """A value for people; empty for none."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return "" if value is None else str(value)


def model_words(device: Device) -> str:
    return device.model_name or device.product_name or (str(device.get_platform_display()) if device.platform else "")


def _text(key: str, title: str | Promise, name: str, **more: Any) -> Column:
    """A column of the device as it is."""
    return Column(
        key,
        title,
        lambda device, facts: getattr(device, name),
        fields=(name,),
        ordering=lambda known: by_text(name),
        **more,
    )


def _answer(key: str, title: str | Promise, name: str) -> Column:
    return Column(
        key, title, lambda device, facts: getattr(device, name), fields=(name,), ordering=lambda known: by_answer(name)
    )


def _system(device: Device, facts: Facts) -> str:
    return f"{device.platform} {device.os_version}".strip()


def _users_cell(device: Device, facts: Facts) -> str:
    names = facts.users.get(device.pk, [])
    return ", ".join([*names[:USERS_SHOWN], *(["…"] if len(names) > USERS_SHOWN else [])]) or NOTHING


def _storage_cell(device: Device, facts: Facts) -> str:
    free, total = facts.storage(device)
    if free is None:
        return NOTHING
    facts_of = {"free": f"{free:.0f}", "total": f"{total:.0f}" if total is not None else ""}
    return _("%(free)s of %(total)s GB") % facts_of if total is not None else _("%(free)s GB") % facts_of


def _battery_cell(device: Device, facts: Facts) -> str:
    level = facts.battery(device)
    return NOTHING if level is None else f"{level} %"


BUILT_IN: tuple[Column, ...] = (
    Column(
        "device",
        gettext_lazy("Device"),
        lambda device, facts: str(device),
        lambda device, facts: two_lines(device, model_words(device)),
        ordering=lambda known: by_text("name"),
    ),
    Column(
        "state",
        gettext_lazy("State"),
        lambda device, facts: str(device.get_state_display()),
        lambda device, facts: badge(device.get_state_display(), device.state),
        fields=("state",),
        ordering=lambda known: Ordering(str, F("state")),
    ),
    Column("system", gettext_lazy("System"), _system, fields=("platform", "os_version"), ordering=by_version),
    Column(
        "group",
        gettext_lazy("Group"),
        lambda device, facts: device.group.name,
        fields=("group__name",),
        ordering=lambda known: by_text("group__name"),
    ),
    _text("serial", gettext_lazy("Serial number"), "serial_number"),
    _answer("supervised", gettext_lazy("Supervised"), "is_supervised"),
    Column(
        "seen",
        gettext_lazy("Last seen"),
        lambda device, facts: facts.last_seen.get(device.pk),
        lambda device, facts: time_tag(facts.last_seen.get(device.pk), _("never")),
        ordering=lambda known: BY_LAST_SEEN,
    ),
    Column(
        "enrolled",
        gettext_lazy("Enrolled"),
        lambda device, facts: device.enrolled_at,
        fields=("enrolled_at",),
        ordering=lambda known: by_time("enrolled_at"),
    ),
    _text("email", gettext_lazy("E-mail"), "email"),
    Column(
        "users", gettext_lazy("Users"), lambda device, facts: "; ".join(facts.users.get(device.pk, ())), _users_cell
    ),
    Column(
        "assignment_groups",
        gettext_lazy("Assignment groups"),
        lambda device, facts: "; ".join(facts.assignment_groups.get(device.pk, ())),
        lambda device, facts: ", ".join(facts.assignment_groups.get(device.pk, ())) or NOTHING,
    ),
    _text("name_on_device", gettext_lazy("Name on the device"), "device_name"),
    _text("model", gettext_lazy("Model"), "model_name"),
    _text("model_number", gettext_lazy("Model number"), "model"),
    _text("product", gettext_lazy("Product"), "product_name"),
    _text("build", gettext_lazy("Build"), "build_version"),
    Column(
        "storage",
        gettext_lazy("Storage free"),
        lambda device, facts: facts.storage(device)[0],
        _storage_cell,
        file_title=gettext_lazy("Storage free (GB)"),
        is_number=True,
    ),
    Column(
        "battery",
        gettext_lazy("Battery"),
        lambda device, facts: facts.battery(device),
        _battery_cell,
        file_title=gettext_lazy("Battery (%)"),
        is_number=True,
    ),
    _answer("filevault", gettext_lazy("FileVault"), "has_filevault"),
    _answer("dep", gettext_lazy("Automated enrollment"), "is_dep_enrollment"),
    _text("udid", gettext_lazy("UDID"), "udid"),
    _text("imei", gettext_lazy("IMEI"), "imei"),
    _text("phone", gettext_lazy("Phone number"), "phone_number"),
    _text("wifi", gettext_lazy("Wi-Fi address"), "wifi_mac"),
    _text("bluetooth", gettext_lazy("Bluetooth address"), "bluetooth_mac"),
    _text("ethernet", gettext_lazy("Ethernet addresses"), "ethernet_mac"),
)
BY_KEY = {one.key: one for one in BUILT_IN}


def columns_of(known: Known, keys: Sequence[str]) -> list[Column]:
    """Those of the keys that there are, each once, in their order; the device's name is always there."""
    wanted = dict.fromkeys(key for key in keys if isinstance(key, str))
    has_attributes = any(key.startswith(ATTRIBUTE) for key in wanted)
    there_are = BY_KEY | ({one.key: one for one in of_attributes(known)} if has_attributes else {})
    found = [there_are[key] for key in wanted if key in there_are][:MOST_COLUMNS]
    return found if any(one.key == "device" for one in found) else [BY_KEY["device"], *found]


def all_columns(known: Known) -> list[Column]:
    return [*BUILT_IN, *of_attributes(known)]


def of_attributes(known: Known) -> list[Column]:
    """Secret ones are no columns."""
    return [
        Column(f"{ATTRIBUTE}{pk}", attribute.name, _value_of(attribute.name))
        for pk, attribute in known.attributes.items()
    ]


def _value_of(name: str) -> Callable[[Device, Facts], str]:
    def value(device: Device, facts: Facts) -> str:
        found = facts.attributes[device.pk].get(name)
        return found.plain if found else ""

    return value
