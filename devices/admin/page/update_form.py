"""What is asked before a device updates its system."""

from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device
from devices.services.os_updates import FOR_MACS, UpdateMode, VersionType
from mdm.accounts.admin_forms import TypedConfirmForm

MODES: dict[str, Promise] = {
    UpdateMode.SMART_UPDATE: gettext_lazy("As the device usually does: load it, then ask its person"),
    UpdateMode.DOWNLOAD_ONLY: gettext_lazy("Only load it; its person installs it when it suits"),
    UpdateMode.INSTALL_ASAP: gettext_lazy("Install it as soon as it is loaded"),
    UpdateMode.NOTIFY_ONLY: gettext_lazy("Load it and remind its person"),
    UpdateMode.FORCE_UPDATE: gettext_lazy("Install it and restart at once; work that is not saved is lost"),
}
VERSIONS: dict[str, Promise] = {
    "": gettext_lazy("Whatever the device finds"),
    VersionType.LATEST_MINOR: gettext_lazy("The newest of its present main version"),
    VersionType.LATEST_MAJOR: gettext_lazy("The newest of all, a new main version as well"),
}


class UpdateForm(TypedConfirmForm):
    """`choice()` is what `update_os` takes. The device's name is typed: an update interrupts its person."""

    field_order = ("mode", "version_type", "confirmation")
    mode = forms.ChoiceField(label=gettext_lazy("What it does"), widget=forms.RadioSelect)
    version_type = forms.ChoiceField(
        label=gettext_lazy("Which version"),
        required=False,
        choices=list(VERSIONS.items()),
        widget=forms.RadioSelect,
        help_text=gettext_lazy("A version is picked from what the device listed in the last week."),
    )

    def __init__(self, *args: Any, device: Device, **options: Any) -> None:
        super().__init__(*args, expected=str(device), **options)
        offered = [(mode, words) for mode, words in MODES.items() if device.is_mac or mode not in FOR_MACS]
        self.fields["mode"].choices = offered
        self.fields["mode"].initial = UpdateMode.SMART_UPDATE
        self.fields["version_type"].initial = ""
        self.fields["confirmation"].label = _("Type “%(name)s” to confirm") % {"name": device}

    def choice(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("mode", "version_type")}
