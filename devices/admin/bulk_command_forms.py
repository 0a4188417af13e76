"""Commands for many devices, each with what it asks for."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.bulk_choice import Reach
from devices.admin.bulk_confirmation import CONFIRMATION, check_confirmation, confirmation_field
from devices.admin.bulk_form import BulkForm
from devices.admin.command_form import CommandForm
from devices.models import Device, Platform
from devices.services import bulk_orders
from devices.services.bulk_orders import Wanted
from mdm.accounts.admin_forms import dress
from mdm.protocol.request_types import lock, lost_mode, power
from mdm.protocol.request_types.names import label

SIX_DIGITS = r"[0-9]{6}"


class RefreshForm(BulkForm):
    def wanted(self) -> Wanted:
        return bulk_orders.refresh_inventory()


class RestartForm(BulkForm):
    notify_user = forms.BooleanField(
        required=False,
        label=gettext_lazy("Ask people on Macs first"),
        help_text=gettext_lazy("Whoever is signed in may put it off. Other devices restart at once."),
    )
    only_for = {"notify_user": Platform.MACOS}

    def wanted(self) -> Wanted:
        return bulk_orders.send_command(power.restart_device(notify_user=self.cleaned_data.get("notify_user", False)))


class ShutDownForm(BulkForm):
    def wanted(self) -> Wanted:
        return bulk_orders.send_command(power.shut_down_device())


def _pin(**options: Any) -> forms.RegexField:
    return forms.RegexField(
        SIX_DIGITS,
        label=gettext_lazy("PIN for Macs"),
        required=False,
        widget=forms.PasswordInput(
            render_value=False, attrs={"inputmode": "numeric", "maxlength": 6, "autocomplete": "new-password"}
        ),
        error_messages={"invalid": gettext_lazy("The PIN has six digits.")},
        **options,
    )


class LockForm(BulkForm):
    message = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Message"),
        help_text=gettext_lazy("Shown on the lock screen."),
    )
    phone_number = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Phone number"),
        help_text=gettext_lazy("Whoever finds a device can call it."),
    )
    pin = _pin(
        help_text=gettext_lazy(
            "Six digits that unlock the Macs again, the same for all. Write them down. Without a PIN, Macs are passed over."
        )
    )
    only_for = {"pin": Platform.MACOS}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.reach.has_only(Platform.MACOS):
            self.fields["pin"].required = True
            self.fields["pin"].help_text = _(
                "Six digits that unlock the Macs again, the same for all. Write them down."
            )

    def wanted(self) -> Wanted:
        given = self.cleaned_data
        return bulk_orders.send_command(
            lock.device_lock(
                message=given["message"] or None,
                phone_number=given["phone_number"] or None,
                pin=given.get("pin") or None,
            )
        )


class ClearPasscodeForm(BulkForm):
    def wanted(self) -> Wanted:
        return bulk_orders.clear_passcodes()


class LostModeForm(BulkForm):
    message = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Message"),
        help_text=gettext_lazy("Shown on the lock screen. A message or a phone number is needed."),
    )
    phone_number = forms.CharField(required=False, max_length=100, label=gettext_lazy("Phone number"))
    footnote = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Footnote"),
        help_text=gettext_lazy("In small, at the bottom."),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not given.get("message") and not given.get("phone_number"):
            self.add_error("message", _("Give a message or a phone number for whoever finds a device."))
        return given

    def wanted(self) -> Wanted:
        names = ("message", "phone_number", "footnote")
        return bulk_orders.send_command(
            lost_mode.enable_lost_mode(**{name: self.cleaned_data[name] or None for name in names})
        )


class LostModeOffForm(BulkForm):
    def wanted(self) -> Wanted:
        return bulk_orders.send_command(lost_mode.disable_lost_mode())


class WipeForm(BulkForm):
    pin = _pin(
        help_text=gettext_lazy(
            "Six digits. Macs without a T2 chip and without Apple silicon ask for them afterwards, and are passed over "
            "without a PIN."
        )
    )
    preserve_data_plan = forms.BooleanField(
        required=False,
        label=gettext_lazy("Keep the eSIM of iPhones and iPads"),
        help_text=gettext_lazy("Otherwise their mobile plan is erased too."),
    )
    only_for = {"pin": Platform.MACOS, "preserve_data_plan": Platform.IOS}

    def wanted(self) -> Wanted:
        keeps = self.cleaned_data.get("preserve_data_plan") or None
        request = lock.erase_device(
            pin=self.cleaned_data.get("pin") or None, **({"preserve_data_plan": True} if keeps else {})
        )
        return bulk_orders.send_command(request)


class ManyCommandForm(CommandForm):
    """Any command of the catalogue, for many: what only some of their platforms know is asked too, and refused elsewhere."""

    def __init__(self, *args: Any, reach: Reach, **options: Any) -> None:
        self.reach = reach
        # Nothing of a device is asked for but its platform.
        stand_in = Device(name=str(reach.total), platform=reach.only_platform)
        super().__init__(*args, device=stand_in, users=[], **options)
        if CONFIRMATION in self.fields:
            self.fields[CONFIRMATION] = confirmation_field(reach.total)
            dress(self.fields[CONFIRMATION])

    def clean(self) -> dict[str, Any]:
        check_confirmation(self, self.reach.total)
        return self.cleaned_data

    missing = None

    def wanted(self) -> Wanted:
        return bulk_orders.send_command(self.request(), label=label(self.item) if self.item else "")
