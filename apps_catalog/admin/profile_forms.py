"""What is asked about profiles: a file, how it is delivered, and where it should be."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.choosing import GroupChoice, NamedDevicesField, named_devices
from devices.models import AssignmentGroup, Device, DeviceGroup, Profile
from devices.services.due import MANY
from devices.services.group_numbers import with_numbers
from mdm.accounts.admin_forms import PageForm
from mdm.accounts.models import Account
from mdm.common.words import count_of
from mdm.protocol.mobileconfig import MAX_BYTES, MAX_MEBIBYTES

SETTINGS = ("user_scope", "attribute_support", "escape_attributes", "reinstall_after_os_update")


class ProfileFile(forms.FileField):
    """Its bytes. Looked at before they are read, as they come from anywhere."""

    def to_python(self, data: UploadedFile | None) -> UploadedFile | None:
        if data is not None and getattr(data, "size", 0) > MAX_BYTES:
            raise forms.ValidationError(
                _("The file is larger than %(most)s MiB, the most that a profile may have.") % {"most": MAX_MEBIBYTES}
            )
        return super().to_python(data)

    def clean(self, data: UploadedFile | None, initial: Any = None) -> bytes | None:
        file = super().clean(data, initial)
        return file.read() if file else None


class SettingsForm(PageForm):
    """The part that uploading and editing have in common."""

    name = forms.CharField(
        max_length=255,
        required=False,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What you call it here; devices show their own name."),
    )
    user_scope = forms.BooleanField(
        required=False,
        label=gettext_lazy("On Macs: for users instead of the whole Mac"),
        help_text=gettext_lazy(
            "Every managed user of the Mac gets it. Other devices always get it for the whole device."
        ),
    )
    attribute_support = forms.BooleanField(
        required=False,
        label=gettext_lazy("Fill in variables"),
        help_text=gettext_lazy(
            "{{serial_number}}, {{device_name}} or the name of a custom attribute becomes the value of the device when the "
            "profile is delivered. It works in plain XML files, not in signed or binary ones."
        ),
    )
    escape_attributes = forms.BooleanField(
        required=False,
        label=gettext_lazy("Escape what is filled in"),
        help_text=gettext_lazy(
            "A value with & or < stays a text and cannot break the file. Leave it on, unless your values are pieces of XML "
            "themselves."
        ),
    )
    reinstall_after_os_update = forms.BooleanField(
        required=False,
        label=gettext_lazy("Send it again after an update of the system"),
        help_text=gettext_lazy("For the few profiles that devices lose or forget when their system is updated."),
    )

    def settings(self) -> dict[str, bool]:
        return {name: self.cleaned_data[name] for name in SETTINGS}


class UploadForm(SettingsForm):
    file = ProfileFile(
        label=gettext_lazy("File"),
        help_text=format_lazy(
            gettext_lazy("A .mobileconfig file: XML or binary, signed or not, up to {most} MiB."), most=MAX_MEBIBYTES
        ),
    )
    device_groups = GroupChoice(
        DeviceGroup.objects.none(),
        required=False,
        label=gettext_lazy("Assign it to"),
        help_text=gettext_lazy("You can do this later, too."),
    )
    field_order = ("file", "name", *SETTINGS, "device_groups")

    def __init__(self, *args: Any, account: Account, **options: Any) -> None:
        super().__init__(*args, account=account, **options)
        self.fields["name"].help_text = _("What you call it here. Empty: the name that stands in the file.")
        self.fields["device_groups"].queryset = with_numbers(self.fields["device_groups"].queryset)


class EditForm(SettingsForm):
    file = ProfileFile(
        required=False, label=gettext_lazy("New file"), help_text=gettext_lazy("Empty: the present one stays.")
    )
    anyway = forms.BooleanField(required=False, label=gettext_lazy("Send it although variables are unknown"))
    field_order = ("name", "file", "anyway", *SETTINGS)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["name"].required = True
        self.box = self.fields.pop("anyway")
        if "anyway" in self.data:
            self.ask_anyway()

    def ask_anyway(self) -> None:
        """The box stands on the page only after somebody was told why."""
        self.fields["anyway"] = self.box
        self.order_fields(self.field_order)

    @property
    def is_meant(self) -> bool:
        return bool(self.cleaned_data.get("anyway"))


class AssignForm(PageForm):
    """Where else the profile should be. What it is assigned to already is not offered."""

    device_groups = GroupChoice(DeviceGroup.objects.none(), required=False, label=gettext_lazy("Device groups"))
    assignment_groups = GroupChoice(
        AssignmentGroup.objects.none(), required=False, label=gettext_lazy("Assignment groups")
    )
    devices = NamedDevicesField(label=gettext_lazy("Single devices"))

    def __init__(self, *args: Any, account: Account, profile: Profile, **options: Any) -> None:
        super().__init__(*args, account=account, **options)
        self.account = account
        present = profile.assignments.all()
        for name, column in (("device_groups", "device_group"), ("assignment_groups", "assignment_group")):
            field = self.fields[name]
            taken = present.filter(**{f"{column}__isnull": False}).values(column)
            field.queryset = field.queryset.exclude(pk__in=taken).order_by("name", "pk")
            if not field.queryset.exists():
                del self.fields[name]
        if "device_groups" in self.fields:
            self.fields["device_groups"].queryset = with_numbers(self.fields["device_groups"].queryset)

    def clean_devices(self) -> list[Device]:
        return named_devices(self.cleaned_data["devices"], self.account)

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors and not self.owners():
            raise forms.ValidationError(_("Choose a group, or name a device."))
        return given

    def owners(self) -> list[Device | DeviceGroup | AssignmentGroup]:
        return [
            one for name in ("device_groups", "assignment_groups", "devices") for one in self.cleaned_data.get(name, ())
        ]


def goes_to(count: int) -> str:
    """What a change of so many enrolled devices means, in a sentence."""
    if not count:
        return _("No enrolled device is concerned.")
    words = _("It goes to %(devices)s.") % {"devices": count_of(count, "device")}
    many = _("That is many: they get it little by little.")
    return f"{words} {many}" if count > MANY else words
