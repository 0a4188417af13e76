"""Choosing devices and groups in a form: boxes to tick with a number beside each, and lines that name single devices."""

from typing import Any

from django import forms
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device
from mdm.accounts.admin_forms import PageForm
from mdm.accounts.models import Account
from mdm.common.words import count_of

MAX_NAMED = 200  # devices in one form
FAULTS_SHOWN = 5


class GroupChoice(forms.ModelMultipleChoiceField):
    """Boxes to tick, each with the number of its devices. noun: what is counted there."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, *args: Any, noun: str = "device", **options: Any) -> None:
        super().__init__(*args, **options)
        self.noun = noun

    def label_from_instance(self, obj: Any) -> str:
        number = getattr(obj, "number", None)
        return str(obj) if number is None else f"{obj} ({count_of(number, self.noun)})"


class NamedDevicesField(forms.CharField):
    """Lines that name devices. Cleans to text; the form makes devices of it by `named_devices`, as it knows the account."""

    def __init__(self, **options: Any) -> None:
        defaults = {
            "required": False,
            "max_length": MAX_NAMED * 100,
            "widget": forms.Textarea(attrs={"rows": 3}),
            "help_text": gettext_lazy("One on each line: serial number, UDID or name."),
        }
        super().__init__(**(defaults | options))


def with_numbers(groups: Any, counted: Q | None = None) -> Any:
    """With the number of devices of each, as `number`. counted: which of them, by `devices__`."""
    return groups.annotate(number=Count("devices", filter=counted or Q(devices__removed_at=None))).order_by(
        "name", "pk"
    )


def without_empty(form: PageForm, *names: str) -> None:
    """Take the choices of rows away of which the account has none."""
    for name in names:
        if not form.fields[name].queryset.exists():
            del form.fields[name]


def named_devices(text: str, account: Account) -> list[Device]:
    """The devices of these lines, or an error that says which line names none or several."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(lines) > MAX_NAMED:
        raise forms.ValidationError(
            _("At most %(max_named)s devices at once. For more, use a group.") % {"max_named": MAX_NAMED}
        )
    devices = Device.objects.for_account(account).without_facts()
    spellings = {*lines, *(line.upper() for line in lines)}
    named = Q(serial_number__in=spellings) | Q(udid__in=spellings) | Q(name__in=lines)
    found = list(devices.filter(named).order_by("pk")[: MAX_NAMED * 5])
    chosen, faults = [], []
    for line in lines:
        exact = [one for one in found if {line, line.upper()} & {one.serial_number, one.udid}]
        matching = exact or [one for one in found if one.name == line]
        if len(matching) == 1:
            chosen.append(matching[0])
        else:
            fault = _("“%(line)s” is the name of several devices.") if matching else _("“%(line)s” is no device.")
            faults.append(fault % {"line": line[:80]})
    if faults:
        raise forms.ValidationError(faults[:FAULTS_SHOWN])
    return list({one.pk: one for one in chosen}.values())
