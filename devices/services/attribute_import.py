"""Values of a custom attribute from a CSV file: a line for each device, read and checked first, and applied when a person agrees.

Between the two the values wait in the cache, encrypted, for an hour: what is forgotten there is only to be uploaded again.
"""

import csv
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.core.cache import cache
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from devices.models import AttributeValue, BulkOperation, CustomAttribute, Device
from devices.services.attributes import MAX_VALUE_BYTES, set_values
from devices.services.bulk import start
from devices.services.bulk_orders import set_attribute_of_each
from devices.services.due import MANY
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor
from mdm.common import crypto
from mdm.common.batches import batches
from mdm.common.tokens import new_token

MAX_LINES = 100_000
MAX_BYTES = 10 * 1024 * 1024
LINES_AT_ONCE = 2000
FAULTS_KEPT = 200
SAMPLES_KEPT = 100
KEPT_SECONDS = 3600

_DEVICE_HEADINGS = {"device", "serial", "serial number", "serial_number", "udid", "name", "device name", "device_name"}
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Line:
    """number: as a text editor counts. fault: why it is refused; empty: it is not."""

    number: int
    device: str
    value: str
    fault: str = ""


@dataclass(frozen=True)
class Sample:
    """before is None where the device has no value of its own; of a secret attribute it is not opened."""

    device: Device
    before: str | None
    after: str


@dataclass
class Plan:
    """What the file would do. values: device pk → its new value, empty to take it back; only where something changes.

    faults: the first ones of fault_total lines that are refused; the others count all the same.
    """

    values: dict[int, str] = field(default_factory=dict, repr=False)
    added: int = 0
    replaced: int = 0
    cleared: int = 0
    same: int = 0
    fault_total: int = 0
    faults: list[Line] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list, repr=False)

    def refuse(self, line: Line, fault: str) -> None:
        self.fault_total += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(Line(line.number, line.device[:100], "", fault))


def plan_of(attribute: CustomAttribute, file: BinaryIO) -> Plan:
    """Reads the file line by line; nothing is changed. Raises NotPossible for what is no such file, or is too long."""
    plan = Plan()
    first_lines: dict[int, int] = {}
    some: list[Line] = []
    for line in _lines(file, attribute.name):
        some.append(line)
        if len(some) == LINES_AT_ONCE:
            _add(plan, attribute, some, first_lines)
            some = []
    _add(plan, attribute, some, first_lines)
    return plan


def keep(plan: Plan, attribute: CustomAttribute) -> str:
    """Under the word that is returned the values wait for the person to agree."""
    token = new_token()
    content = zlib.compress(json.dumps(plan.values).encode())
    cache.set(_key(attribute, token), crypto.encrypt(content, place=_place(attribute)), KEPT_SECONDS)
    return token


def take(attribute: CustomAttribute, token: str) -> dict[int, str] | None:
    """What was kept, once; None when it is not there any more."""
    key = _key(attribute, token)
    stored = cache.get(key)
    if stored is None or not cache.delete(key):
        return None
    values = json.loads(zlib.decompress(crypto.decrypt(stored, place=_place(attribute))))
    return {int(pk): value for pk, value in values.items()}


def apply(attribute: CustomAttribute, values: Mapping[int, str], actor: Actor) -> BulkOperation | int:
    """Set them now and say how many changed; of many it becomes an operation, which goes through them.

    Raises NotPossible when the attribute was deleted meanwhile, or none of the devices is left.
    """
    if len(values) > MANY:
        wanted = set_attribute_of_each(attribute, values)
        return start(_with_keys(sorted(values)), wanted, account_id=attribute.account_id, actor=actor)
    devices = Device.objects.for_account(attribute.account_id).filter(pk__in=values)
    return set_values([(one, attribute, values[one.pk]) for one in devices.without_facts()], actor)


def _key(attribute: CustomAttribute, token: str) -> str:
    return f"attribute-import:{attribute.pk}:{token}"


def _place(attribute: CustomAttribute) -> str:
    return f"attribute-import:{attribute.pk}"


def _with_keys(pks: Sequence[int]) -> QuerySet[Device]:
    """More devices than a statement takes values: their keys come as one JSON text."""
    table = "jsonb_array_elements_text(%s::jsonb)" if connection.vendor == "postgresql" else "json_each(%s)"
    keys = RawSQL(f"SELECT CAST(value AS bigint) FROM {table}", [json.dumps(list(pks))])  # noqa: S608, S611 no word of it comes from outside
    return Device.objects.filter(pk__in=keys)


# --- Reading ----------------------------------------------------------------------------------------------------------
def _lines(file: BinaryIO, attribute_name: str) -> Iterator[Line]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        start_of_file = text.readline(10_000)
        text.seek(0)
        delimiter = max(_DELIMITERS, key=start_of_file.count)
        yield from _rows(csv.reader(text, delimiter=delimiter), attribute_name)
    except UnicodeDecodeError as error:
        raise NotPossible(_("The file is not text in UTF-8. Save it as “CSV UTF-8” and choose it again.")) from error
    finally:
        text.detach()  # the upload is not ours to close


def _rows(reader: Any, attribute_name: str) -> Iterator[Line]:
    column, count = 1, 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise NotPossible(_("Line %(number)s cannot be read as CSV.") % {"number": reader.line_num}) from error
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if count == 0 and row[0].strip().lower() in _DEVICE_HEADINGS:
            column = _value_column(row, attribute_name)
            continue
        count += 1
        if count > MAX_LINES:
            raise NotPossible(
                _("The file has more than %(most)s lines. Split it into several files.") % {"most": f"{MAX_LINES:,}"}
            )
        yield _line(reader.line_num, row, column)


def _value_column(headings: Sequence[str], attribute_name: str) -> int:
    """The one called "value" or like the attribute, else the second."""
    names = [heading.strip().lower() for heading in headings]
    wanted = (name for name in ("value", attribute_name.lower()) if name in names[1:])
    return names.index(next(wanted, names[1] if len(names) > 1 else ""), 1) if len(names) > 1 else 1


def _line(number: int, row: Sequence[str], column: int) -> Line:
    device = row[0].strip()
    if len(row) <= column:
        return Line(number, device, "", _("There is no value beside the device."))
    value = row[column]
    if not device:
        return Line(number, device, value, _("No device is named."))
    if "\x00" in value or "\x00" in device:
        return Line(number, "", "", _("There is a character in it that no text can hold."))
    if len(value.encode()) > MAX_VALUE_BYTES:
        return Line(number, device, "", _("The value is longer than %(most)s bytes.") % {"most": MAX_VALUE_BYTES})
    return Line(number, device, value)


# --- Comparing --------------------------------------------------------------------------------------------------------
def _add(plan: Plan, attribute: CustomAttribute, lines: Sequence[Line], first_lines: dict[int, int]) -> None:
    """first_lines: device pk → the line that named it first."""
    found = _devices_named(attribute.account_id, [line.device for line in lines if not line.fault])
    chosen: dict[int, tuple[Device, str]] = {}
    for line in lines:
        devices = found.get(line.device, [])
        if line.fault:
            plan.refuse(line, line.fault)
        elif not devices:
            plan.refuse(line, _("No device has this serial number, UDID or name."))
        elif len(devices) > 1:
            plan.refuse(line, _("Several devices are called so: name its serial number instead."))
        elif devices[0].pk in first_lines:
            plan.refuse(
                line, _("The device has a value in line %(number)s already.") % {"number": first_lines[devices[0].pk]}
            )
        else:
            first_lines[devices[0].pk] = line.number
            chosen[devices[0].pk] = (devices[0], line.value)
    _compare(plan, attribute, chosen)


def _compare(plan: Plan, attribute: CustomAttribute, chosen: Mapping[int, tuple[Device, str]]) -> None:
    """Secret values are not opened: whoever may set them need not learn by this which they are."""
    rows = AttributeValue.objects.filter(attribute=attribute, device__in=list(chosen))
    present = dict(rows.values_list("device", "plain"))
    for pk, (device, value) in chosen.items():
        before = present.get(pk)
        is_known = before is not None and not attribute.is_secret
        if (before is None and not value) or (is_known and before == value):
            plan.same += 1
            continue
        plan.values[pk] = value
        if not value:
            plan.cleared += 1
        elif before is None:
            plan.added += 1
        else:
            plan.replaced += 1
        if len(plan.samples) < SAMPLES_KEPT:
            plan.samples.append(Sample(device, before, value))


def _devices_named(account_id: int, names: Sequence[str]) -> dict[str, list[Device]]:
    """Name as it was written → the devices that it fits: by serial number or UDID, whatever its case, else by name."""
    devices = Device.objects.for_account(account_id).only("pk", "name", "serial_number", "udid", "device_name")
    found: dict[str, list[Device]] = {}
    for some in batches(list(dict.fromkeys(names))):
        # One after the other: each has an index of its own, but for names, and those are few.
        for column in ("serial_number", "udid", "name"):
            left = [name for name in some if name not in found]
            if left:
                found |= _named_by(devices, column, left)
    return found


def _named_by(devices: QuerySet[Device], column: str, names: Sequence[str]) -> dict[str, list[Device]]:
    fold = str if column == "name" else str.upper
    spellings = {*names, *map(fold, names)}
    by_name: dict[str, list[Device]] = {}
    for one in devices.filter(**{f"{column}__in": spellings}).exclude(**{column: ""}):
        by_name.setdefault(fold(getattr(one, column)), []).append(one)
    return {name: by_name[fold(name)] for name in names if fold(name) in by_name}
