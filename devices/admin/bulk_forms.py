"""What is asked before something is done with many devices: the forms by the key of their action."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.bulk_command_forms import (
    ClearPasscodeForm,
    LockForm,
    LostModeForm,
    LostModeOffForm,
    RefreshForm,
    RestartForm,
    ShutDownForm,
    WipeForm,
)
from devices.admin.bulk_form import BulkForm
from devices.models import AssignmentGroup, CustomAttribute, DeviceGroup, RunAs, Script
from devices.services import bulk_orders
from devices.services.bulk_orders import Wanted

LONGEST_TIMEOUT_MINUTES = 24 * 60


class MoveForm(BulkForm):
    group = forms.ModelChoiceField(
        DeviceGroup.objects.none(),
        label=gettext_lazy("Move to"),
        empty_label=gettext_lazy("Choose a group"),
        help_text=gettext_lazy("A device is in one device group."),
    )

    def wanted(self) -> Wanted:
        return bulk_orders.move_to(self.cleaned_data["group"])


class JoinForm(BulkForm):
    group = forms.ModelChoiceField(
        AssignmentGroup.objects.none(), label=gettext_lazy("Add to"), empty_label=gettext_lazy("Choose a group")
    )

    @property
    def missing(self) -> tuple[str, str] | None:
        if self.fields["group"].queryset.exists():
            return None
        return _("There is no assignment group yet."), "admin:devices_assignmentgroup_changelist"

    def wanted(self) -> Wanted:
        return bulk_orders.join(self.cleaned_data["group"])


class AttributeForm(BulkForm):
    attribute = forms.ModelChoiceField(
        CustomAttribute.objects.none(),
        label=gettext_lazy("Custom attribute"),
        empty_label=gettext_lazy("Choose an attribute"),
    )
    value = forms.CharField(
        required=False,
        label=gettext_lazy("Value"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("The same for all of these devices, in place of their own."),
    )
    clears = forms.BooleanField(
        required=False,
        label=gettext_lazy("Take their own value away"),
        help_text=gettext_lazy("Then that of their group counts, or the default."),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if given.get("clears") and given.get("value"):
            self.add_error("value", _("Either a value, or none: leave it empty to take theirs away."))
        elif not given.get("clears") and not given.get("value"):
            self.add_error("value", _("Give a value, or say below that their own is taken away."))
        return given

    @property
    def missing(self) -> tuple[str, str] | None:
        return None if self.fields["attribute"].queryset.exists() else (_("There is no custom attribute yet."), "")

    def wanted(self) -> Wanted:
        return bulk_orders.set_attribute(
            self.cleaned_data["attribute"], "" if self.cleaned_data["clears"] else self.cleaned_data["value"]
        )


class AgentForm(BulkForm):
    def wanted(self) -> Wanted:
        return bulk_orders.send_agent()


class ScriptForm(BulkForm):
    """Makes a script job, which has a page and a progress of its own, in place of an operation."""

    script = forms.ModelChoiceField(
        Script.objects.none(), label=gettext_lazy("Script"), empty_label=gettext_lazy("Choose a script")
    )
    run_as = forms.ChoiceField(choices=RunAs.choices, label=gettext_lazy("Run as"), initial=RunAs.ROOT)
    timeout_minutes = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_TIMEOUT_MINUTES,
        initial=60,
        label=gettext_lazy("Time limit in minutes"),
        help_text=gettext_lazy("A Mac ends the script after so long."),
    )

    @property
    def missing(self) -> tuple[str, str] | None:
        if self.fields["script"].queryset.exists():
            return None
        return _("There is no script yet."), "admin:devices_script_changelist"


FORMS: dict[str, type[BulkForm]] = {
    "refresh": RefreshForm,
    "restart": RestartForm,
    "shut_down": ShutDownForm,
    "lock": LockForm,
    "clear_passcode": ClearPasscodeForm,
    "lost_mode_on": LostModeForm,
    "lost_mode_off": LostModeOffForm,
    "wipe": WipeForm,
    "move": MoveForm,
    "join_group": JoinForm,
    "set_attribute": AttributeForm,
    "send_agent": AgentForm,
    "run_script": ScriptForm,
}
