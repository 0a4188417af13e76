"""What is asked about custom attributes: their name and default, a value and for whom, and a file of values."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.choosing import GroupChoice, NamedDevicesField, named_devices
from devices.models import AssignmentGroup, CustomAttribute, Device, DeviceGroup
from devices.services.attribute_import import MAX_BYTES, MAX_LINES
from devices.services.attribute_rows import Owner
from devices.services.attributes import MAX_NAME_LENGTH, MAX_VALUE_BYTES
from devices.services.group_numbers import with_numbers
from devices.services.variables import BUILT_IN
from mdm.accounts.admin_forms import PageForm, SmallFileField
from mdm.accounts.models import Account


class ValueField(forms.CharField):
    """A text as it is, spaces and all; several lines are possible, but most values are short."""

    def __init__(self, **options: Any) -> None:
        defaults = {
            "required": False,
            "strip": False,
            "max_length": MAX_VALUE_BYTES,
            "widget": forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        }
        super().__init__(**(defaults | options))

    def to_python(self, value: Any) -> str:
        """Browsers send a line end as two characters."""
        return super().to_python(value).replace("\r\n", "\n")


class NewForm(PageForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME_LENGTH,
        help_text=gettext_lazy(
            "Letters from a to z, digits and underscores, for example room_number. Profiles and scripts name it as "
            "{{room_number}}. It cannot be changed later."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    default_value = ValueField(
        label=gettext_lazy("Default"),
        help_text=gettext_lazy(
            "What counts for devices where neither they nor a group of theirs has a value. Empty: none."
        ),
    )
    is_secret = forms.BooleanField(
        label=gettext_lazy("Its values are secret"),
        required=False,
        help_text=gettext_lazy(
            "For passwords and keys: values are encrypted and shown to nobody unasked, and whoever looks at one stands in "
            "the log."
        ),
    )

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if name.lower() in BUILT_IN:
            raise forms.ValidationError(
                _("{{%(name)s}} is filled in with what the device itself says. Choose another name.") % {"name": name}
            )
        return name


class EditForm(PageForm):
    """The default and the secrecy. A secret default is not shown: what is typed takes its place."""

    default_value = ValueField(label=gettext_lazy("Default"))
    no_default = forms.BooleanField(label=gettext_lazy("Take the default away"), required=False)
    is_secret = forms.BooleanField(label=gettext_lazy("Its values are secret"), required=False)
    anyway = forms.BooleanField(label=gettext_lazy("Yes, send it to all of them"), required=False)

    def __init__(self, *args: Any, attribute: CustomAttribute, may_open: bool, **options: Any) -> None:
        """may_open: whether the person may make the values of a secret attribute visible to everybody."""
        first = {"is_secret": attribute.is_secret, "default_value": "" if attribute.is_secret else attribute.value}
        super().__init__(*args, initial=first, **options)
        self.attribute = attribute
        self.box = self.fields.pop("anyway")
        if "anyway" in self.data:
            self.ask_anyway()
        if attribute.is_secret and attribute.is_set:
            self.fields["default_value"].help_text = _("Empty: the present one stays. It is not shown here.")
        else:
            del self.fields["no_default"]
        if attribute.is_secret and not may_open:
            del self.fields["is_secret"]

    def ask_anyway(self) -> None:
        """The box stands on the page only after somebody was told why."""
        self.fields["anyway"] = self.box

    @property
    def is_meant(self) -> bool:
        return bool(self.cleaned_data.get("anyway"))

    def new_default(self) -> str | None:
        """None: it stays."""
        given = self.cleaned_data["default_value"]
        if self.cleaned_data.get("no_default"):
            return ""
        keeps = self.attribute.is_secret and self.attribute.is_set and not given
        return None if keeps else given

    def wants_secret(self) -> bool:
        return self.cleaned_data.get("is_secret", self.attribute.is_secret)


class ValueForm(PageForm):
    """A value, and whose it becomes. owner: when that is decided already."""

    value = ValueField(
        label=gettext_lazy("Value"),
        help_text=gettext_lazy("Empty: the value that is set there is taken back, and the next one counts."),
    )
    device_groups = GroupChoice(DeviceGroup.objects.none(), required=False, label=gettext_lazy("Device groups"))
    assignment_groups = GroupChoice(
        AssignmentGroup.objects.none(), required=False, label=gettext_lazy("Assignment groups")
    )
    devices = NamedDevicesField(label=gettext_lazy("Single devices"))
    anyway = forms.BooleanField(label=gettext_lazy("Yes, send it to all of them"), required=False)

    def __init__(self, *args: Any, account: Account, owner: Owner | None, **options: Any) -> None:
        super().__init__(*args, account=account, **options)
        self.account, self.owner = account, owner
        self.box = self.fields.pop("anyway")
        if "anyway" in self.data:
            self.ask_anyway()
        if owner is not None:
            for name in ("device_groups", "assignment_groups", "devices"):
                del self.fields[name]
            return
        groups = self.fields["device_groups"]
        groups.queryset = with_numbers(groups.queryset)
        self.fields["assignment_groups"].queryset = self.fields["assignment_groups"].queryset.order_by("name", "pk")
        if not self.fields["assignment_groups"].queryset.exists():
            del self.fields["assignment_groups"]

    def ask_anyway(self) -> None:
        self.fields["anyway"] = self.box

    @property
    def is_meant(self) -> bool:
        return bool(self.cleaned_data.get("anyway"))

    def clean_devices(self) -> list[Device]:
        return named_devices(self.cleaned_data["devices"], self.account)

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors and not self.kinds():
            raise forms.ValidationError(_("Choose a group, or name a device."))
        return given

    def kinds(self) -> list[list[Owner]]:
        """Those that get the value, each kind by itself."""
        if self.owner is not None:
            return [[self.owner]]
        given = (list(self.cleaned_data.get(name, ())) for name in ("device_groups", "assignment_groups", "devices"))
        return [some for some in given if some]


class ImportForm(PageForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = _(
            "Up to %(most)s lines. Nothing is changed before you have seen what would be."
        ) % {"most": f"{MAX_LINES:,}"}

    file = SmallFileField(
        what=gettext_lazy("a file of values"),
        most_bytes=MAX_BYTES,
        label=gettext_lazy("CSV file"),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )
