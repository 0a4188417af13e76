"""What is asked about scripts: the text itself, and where, as whom and for how long it runs."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.choosing import GroupChoice, NamedDevicesField, named_devices, with_numbers, without_empty
from devices.models import AssignmentGroup, CustomAttribute, Device, DeviceGroup, DeviceState, Platform, RunAs
from devices.services.errors import NotPossible
from devices.services.script_jobs import (
    MAX_REGEX_LENGTH,
    MAX_TIMEOUT_SECONDS,
    TIMEOUT_SECONDS,
    check_regex,
    failed_macs,
)
from devices.services.scripts import MAX_BYTES, read_content
from mdm.accounts.admin_forms import PageForm, SmallFileField
from mdm.accounts.models import Account

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600}
UNIT_WORDS = {"seconds": gettext_lazy("seconds"), "minutes": gettext_lazy("minutes"), "hours": gettext_lazy("hours")}
FIRST_LINES = "#!/bin/sh\n"
MACS = Q(devices__removed_at=None, devices__platform=Platform.MACOS, devices__state=DeviceState.ENROLLED)


class ScriptForm(PageForm):
    """Cleans to `name`, `content` (bytes) and `variable_support`. Browsers send line ends that no shell takes: they go."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=255,
        help_text=gettext_lazy("For you and your colleagues; Macs do not see it."),
    )
    content = forms.CharField(
        label=gettext_lazy("Script"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 20,
                "data-code": "",
                "wrap": "off",
                "spellcheck": "false",
                "autocapitalize": "off",
                "autocomplete": "off",
                "class": "pm-editor",
            }
        ),
        help_text=gettext_lazy(
            "The first line says what runs it, for example #!/bin/sh, #!/bin/zsh or #!/usr/bin/python3."
        ),
    )
    file = SmallFileField(
        what=gettext_lazy("a script"),
        most_bytes=MAX_BYTES * 2,  # what is a little too large is told so below, with the number
        label=gettext_lazy("or a file"),
        required=False,
        widget=forms.FileInput(attrs={"data-code-file": "content"}),
        help_text=format_lazy(
            gettext_lazy("Takes the place of the text above. UTF-8, up to {most} KiB."), most=MAX_BYTES // 1024
        ),
    )
    variable_support = forms.BooleanField(
        required=False,
        label=gettext_lazy("Fill in variables"),
        help_text=gettext_lazy(
            "{{serial_number}}, {{device_name}} or the name of a custom attribute becomes the value of the "
            "Mac when it fetches the script. Values stand there as they are: quote them, and do not trust "
            "those that a user can choose."
        ),
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        file = given.get("file")
        where = "file" if file else "content"
        if self.has_error("file"):
            return given
        data = file.read() if file else given.get("content", "").encode()
        try:
            given["content"] = read_content(data.replace(b"\r\n", b"\n")).encode()
        except NotPossible as error:
            self.add_error(where, str(error))
        return given

    def script(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("name", "content", "variable_support")}


class RunForm(PageForm):
    """again: a job; then the Macs on which it did not end well can be chosen by one box."""

    failed = forms.BooleanField(required=False)
    device_groups = GroupChoice(
        DeviceGroup.objects.none(), noun="Mac", required=False, label=gettext_lazy("All Macs of device groups")
    )
    assignment_groups = GroupChoice(
        AssignmentGroup.objects.none(), noun="Mac", required=False, label=gettext_lazy("All Macs of assignment groups")
    )
    devices = NamedDevicesField(label=gettext_lazy("Single Macs"))
    run_as = forms.ChoiceField(
        label=gettext_lazy("Run as"),
        choices=[
            (RunAs.ROOT.value, gettext_lazy("root: it may do anything")),
            (RunAs.CONSOLE_USER.value, gettext_lazy("whoever is signed in at the screen; fails where nobody is")),
        ],
        initial=RunAs.ROOT.value,
        widget=forms.RadioSelect,
    )
    timeout = forms.IntegerField(
        label=gettext_lazy("Time limit"),
        min_value=1,
        initial=TIMEOUT_SECONDS // UNITS["minutes"],
        help_text=gettext_lazy("A script that takes longer is ended by the Mac and counts as failed. At most a day."),
    )
    unit = forms.ChoiceField(label=gettext_lazy("of"), choices=list(UNIT_WORDS.items()), initial="minutes")
    custom_attribute = forms.ModelChoiceField(
        CustomAttribute.objects.none(),
        required=False,
        label=gettext_lazy("Put the output into a custom attribute"),
        empty_label=gettext_lazy("No: only keep it with the job"),
        help_text=gettext_lazy(
            "Of each Mac where the script ends with 0. Of a secret attribute, the output is shown nowhere else."
        ),
    )
    custom_attribute_regex = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_REGEX_LENGTH,
        label=gettext_lazy("Take out of the output"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "\\n"}),
        help_text=gettext_lazy(
            "A regular expression; whatever it matches is removed before. \\n takes out the line ends."
        ),
    )
    name = forms.CharField(
        required=False,
        max_length=255,
        label=gettext_lazy("Name of the job"),
        help_text=gettext_lazy("To find it again. It may stay empty."),
    )

    def __init__(self, *args: Any, account: Account, again: Any = None, **options: Any) -> None:
        super().__init__(*args, account=account, **options)
        self.account, self.again = account, again
        self.again_macs = failed_macs(again) if again else []
        if self.again_macs:
            self.fields["failed"].label = _("Those on which job %(job_id)s failed (%(again_macs)s)") % {
                "job_id": again.job_id,
                "again_macs": f"{len(self.again_macs):,}",
            }
        else:
            del self.fields["failed"]
        groups, assigned = self.fields["device_groups"], self.fields["assignment_groups"]
        groups.queryset = with_numbers(groups.queryset, MACS)
        assigned.queryset = assigned.queryset.order_by("name", "pk")
        self.fields["custom_attribute"].queryset = self.fields["custom_attribute"].queryset.order_by("name", "pk")
        without_empty(self, "device_groups", "assignment_groups")
        if not self.fields["custom_attribute"].queryset.exists():
            del self.fields["custom_attribute"], self.fields["custom_attribute_regex"]

    def clean_devices(self) -> list[Device]:
        found = named_devices(self.cleaned_data["devices"], self.account)
        others = [str(one) for one in found if not (one.is_mac and one.is_enrolled)]
        if others:
            raise forms.ValidationError([_("“%(name)s” is no enrolled Mac.") % {"name": name} for name in others[:5]])
        return found

    def clean_custom_attribute_regex(self) -> str:
        pattern = self.cleaned_data["custom_attribute_regex"]
        try:
            check_regex(pattern, name="This")
        except NotPossible as error:
            raise forms.ValidationError(str(error)) from error
        return pattern

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if "timeout" in given and "unit" in given and self.timeout_seconds > MAX_TIMEOUT_SECONDS:
            self.add_error("timeout", _("That is longer than a day."))
        named = (given.get(name) for name in ("failed", "device_groups", "assignment_groups", "devices"))
        if not self.errors and not any(named):
            raise forms.ValidationError(_("Choose a group, or name a Mac."))
        return given

    @property
    def timeout_seconds(self) -> int:
        return self.cleaned_data["timeout"] * UNITS[self.cleaned_data["unit"]]

    def targets(self) -> dict[str, Any]:
        """As `start_job` and `macs_among` take them."""
        given = self.cleaned_data
        again = self.again_macs if given.get("failed") else []
        return {
            "devices": [*again, *given["devices"]],
            "device_groups": list(given.get("device_groups", ())),
            "assignment_groups": list(given.get("assignment_groups", ())),
        }

    def options(self) -> dict[str, Any]:
        """The rest of what `start_job` takes."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "custom_attribute": given.get("custom_attribute"),
            "custom_attribute_regex": given.get("custom_attribute_regex", ""),
            "timeout_seconds": self.timeout_seconds,
            "run_as": given["run_as"],
        }
