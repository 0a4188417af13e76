"""What is asked about assignment groups: their settings, and what is put into them."""

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App
from devices.models import AssignmentGroup, DeviceGroup, GroupType, InstallType, Profile
from devices.services.assignment_groups import MAX_PRIORITY
from devices.services.profile_previews import unknown_variables_of
from mdm.accounts.admin_forms import PageForm

INSTALLERS = (
    (GroupType.STANDARD, gettext_lazy("Pomona, as soon as the device connects")),
    (GroupType.MUNKI, gettext_lazy("Munki on the Mac; Pomona sends none of them")),
)
AS_THE_GROUP = [("", gettext_lazy("As the group says"))]


class SettingsForm(PageForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        help_text=gettext_lazy("What you call it here, for example “Sales: apps and Wi-Fi”."),
    )
    auto_deploy = forms.BooleanField(
        label=gettext_lazy("Install its apps by themselves"),
        required=False,
        help_text=gettext_lazy(
            "A device gets the apps as soon as it belongs to the group. Without this they come when somebody chooses “Push "
            "apps”. Profiles always come by themselves."
        ),
    )
    group_type = forms.ChoiceField(label=gettext_lazy("Who installs its apps"), choices=INSTALLERS)
    install_type = forms.ChoiceField(
        label=gettext_lazy("How Munki offers its apps"),
        choices=InstallType.choices,
        help_text=gettext_lazy("Only for apps that Munki installs."),
    )
    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=0,
        max_value=MAX_PRIORITY,
        help_text=format_lazy(
            gettext_lazy(
                "0 to {most}. If a device is in two groups that give the same custom attribute a value, the value of the lower "
                "number counts."
            ),
            most=MAX_PRIORITY,
        ),
    )


class AddAppForm(PageForm):
    app = forms.ModelChoiceField(
        App.objects.none(), label=gettext_lazy("App"), empty_label=gettext_lazy("Choose an app")
    )
    deployment_type = forms.ChoiceField(
        label=gettext_lazy("Who installs it"), choices=[*AS_THE_GROUP, *INSTALLERS], required=False
    )
    install_type = forms.ChoiceField(
        label=gettext_lazy("How Munki offers it"),
        choices=[*AS_THE_GROUP, *InstallType.choices],
        required=False,
        help_text=gettext_lazy("Only for an app that Munki installs."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["app"].queryset = self.fields["app"].queryset.order_by("name", "pk")

    def types(self, group: AssignmentGroup) -> dict[str, str]:
        """Both types, for `assign_app`."""
        given = self.cleaned_data
        return {
            "deployment_type": given["deployment_type"] or group.group_type,
            "install_type": given["install_type"] or group.install_type,
        }


class _ChooseForm(PageForm):
    """Several rows of one kind that the group does not have yet."""

    def __init__(self, *args: Any, group: AssignmentGroup, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["chosen"]
        field.queryset = self.without(field.queryset, group).order_by("name", "pk")

    def without(self, queryset: Any, group: AssignmentGroup) -> Any:
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        return not self.fields["chosen"].queryset.exists()


class ProfileChoices(forms.ModelMultipleChoiceField):
    """Profiles by name, with a word about variables that nothing would be filled in for.

    unknown: profile pk → names of such variables, asked for once when the first label is written.
    """

    unknown: dict[int, list[str]] | None = None

    def label_from_instance(self, profile: Profile) -> str:
        if self.unknown is None:
            self.unknown = unknown_variables_of(list(self.queryset), profile.account_id)
        names = self.unknown.get(profile.pk)
        if not names:
            return str(profile)
        shown = ", ".join("{{" + name + "}}" for name in names)
        return _("%(profile)s (unknown: %(names)s; it would be sent as it stands there)") % {
            "profile": profile,
            "names": shown,
        }


class AddProfilesForm(_ChooseForm):
    chosen = ProfileChoices(Profile.objects.none(), label=gettext_lazy("Profiles"), widget=forms.CheckboxSelectMultiple)

    def without(self, queryset: Any, group: AssignmentGroup) -> Any:
        return queryset.exclude(assignments__assignment_group=group)


class AddDeviceGroupsForm(_ChooseForm):
    chosen = forms.ModelMultipleChoiceField(
        DeviceGroup.objects.none(), label=gettext_lazy("Device groups"), widget=forms.CheckboxSelectMultiple
    )

    def without(self, queryset: Any, group: AssignmentGroup) -> Any:
        return queryset.exclude(assignment_memberships__group=group)
