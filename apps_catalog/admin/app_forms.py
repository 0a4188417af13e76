"""What people fill in about apps."""

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App, ManagedConfig, ValueType
from apps_catalog.services.config_values import MAX_VALUE_LENGTH
from apps_catalog.services.installs import ALL, NONE, OUTDATED
from devices.models import AssignmentGroup, Device
from mdm.accounts.admin_forms import PageForm
from mdm.accounts.models import Account
from mdm.common.counts import Number
from mdm.common.words import count_of, file_size

MOST_NAMED = 5  # devices that an answer to a vague search lists

_NUMBER = re.compile(r"[0-9]{1,18}")
_IN_LINK = re.compile(r"/id([0-9]{1,18})(?:/|\Z)")
_BUNDLE_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+")
STORES = ("apps.apple.com", "itunes.apple.com")


class StoreForm(PageForm):
    app = forms.CharField(
        label=gettext_lazy("Number, link or bundle identifier"),
        max_length=1000,
        help_text=gettext_lazy("For example 361309726, https://apps.apple.com/app/id361309726 or com.apple.Pages."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Empty: as in the App Store."),
    )

    def clean_app(self) -> dict[str, Any]:
        """As `add_store_app` takes it."""
        text = self.cleaned_data["app"]
        number = _NUMBER.fullmatch(text)
        if number or _is_link(text):
            found = number or _IN_LINK.search(urlsplit(_with_scheme(text)).path)
            if found is None:
                raise forms.ValidationError(_("This link has no number: copy the address of the app's own page."))
            digits = found[0] if number else found[1]
            if not int(digits):
                raise forms.ValidationError(_("0 is no number of an app."))
            return {"store_id": int(digits)}
        if len(text) > 255 or not _BUNDLE_IDENTIFIER.fullmatch(text):
            raise forms.ValidationError(
                _(
                    "This is no number of an app, no link to the App Store and no bundle identifier like "
                    "com.example.app."
                )
            )
        return {"bundle_identifier": text}


class FileInput(forms.FileInput):
    """The browser refuses what is too large before it sends gigabytes for nothing."""

    def get_context(self, name: str, value: object, attrs: dict[str, Any] | None) -> dict[str, Any]:
        more = {"accept": ".ipa,.pkg", "data-max-bytes": str(settings.APP_MAX_BYTES)}
        return super().get_context(name, value, {**(attrs or {}), **more})


class PackageForm(PageForm):
    file = forms.FileField(label=gettext_lazy("File"), widget=FileInput)
    name = forms.CharField(
        label=gettext_lazy("Name"), required=False, max_length=255, help_text=gettext_lazy("Empty: as the file says.")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        """It shares a page with the form of the App Store: labels have to find their own fields."""
        super().__init__(*args, auto_id="package_%s", **options)
        self.fields["file"].help_text = _("An .ipa or a flat .pkg, at most %(app_max_bytes)s.") % {
            "app_max_bytes": file_size(settings.APP_MAX_BYTES)
        }


class VersionForm(PageForm):
    """have: enrolled devices that have some version; all_devices: those, and those that should have one."""

    file = forms.FileField(label=gettext_lazy("File"), widget=FileInput)
    deploy_to = forms.ChoiceField(label=gettext_lazy("Send it to devices"), widget=forms.RadioSelect, initial=NONE)

    def __init__(self, *args: Any, have: Number, all_devices: Number, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = _("The next .ipa or .pkg of this app, at most %(app_max_bytes)s.") % {
            "app_max_bytes": file_size(settings.APP_MAX_BYTES)
        }
        self.fields["deploy_to"].choices = [
            (NONE, _("Not now: devices that get the app from now on get this version, the others keep what they have")),
            *deploy_choices(have, all_devices),
        ]


class DeployForm(PageForm):
    deploy_to = forms.ChoiceField(label=gettext_lazy("Send it to"), widget=forms.RadioSelect, initial=OUTDATED)

    def __init__(self, *args: Any, have: Number, all_devices: Number, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["deploy_to"].choices = deploy_choices(have, all_devices)


class AppNameForm(PageForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Empty: the app's own name again."),
    )


class GroupForm(PageForm):
    """group: one of those that are offered."""

    group = forms.ModelChoiceField(
        AssignmentGroup.objects.none(), label=gettext_lazy("Assignment group"), empty_label=None
    )

    def __init__(self, *args: Any, app: App, has_app: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        groups = self.fields["group"].queryset
        with_app = app.assignments.values("group")
        offered = groups.filter(pk__in=with_app) if has_app else groups.exclude(pk__in=with_app)
        self.fields["group"].queryset = offered.order_by("name", "pk")

    @property
    def is_empty(self) -> bool:
        return not self.fields["group"].queryset.exists()


class DeviceForm(PageForm):
    """After it is valid, `device` is the one that was meant."""

    device = forms.CharField(
        label=gettext_lazy("Device"),
        max_length=255,
        help_text=gettext_lazy("Its serial number, name, UDID or IMEI, or enough of it to tell the device apart."),
    )

    def __init__(self, *args: Any, account: Account, **options: Any) -> None:
        super().__init__(*args, account=account, **options)
        self.account = account

    def clean_device(self) -> Device:
        words = self.cleaned_data["device"]
        devices = Device.objects.for_account(self.account).order_by("pk")
        found = list(devices.search(words)[: MOST_NAMED + 1])
        exact = list(devices.filter(serial_number__iexact=words)[:2]) or list(devices.filter(name__iexact=words)[:2])
        if len(exact) == 1:
            return exact[0]
        if not found:
            raise forms.ValidationError(_("No device matches."))
        if len(found) > 1:
            names = ", ".join(f"{one} ({one.serial_number or one.udid or one.pk})" for one in found[:MOST_NAMED])
            words = (
                _("Several devices match: %(names)s and more. Give the serial number of one.")
                if len(found) > MOST_NAMED
                else _("Several devices match: %(names)s. Give the serial number of one.")
            )
            raise forms.ValidationError(words % {"names": names})
        return found[0]


class ConfigForm(PageForm):
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=255,
        help_text=gettext_lazy("As the maker of the app names it; capital letters count."),
    )
    value_type = forms.ChoiceField(label=gettext_lazy("Type"), choices=ValueType.choices, initial=ValueType.STRING)
    value = forms.CharField(
        label=gettext_lazy("Value"),
        required=False,
        strip=False,
        max_length=MAX_VALUE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Written as its type asks for. Variables such as {{serial_number}} are filled in for each device."
        ),
    )

    def __init__(self, *args: Any, config: ManagedConfig | None, **options: Any) -> None:
        """config: the key that is changed; none for a new one."""
        super().__init__(*args, **options)
        self.fields["key"].disabled = config is not None

    def clean_value(self) -> str:
        """Browsers send the ends of lines in their own way."""
        return self.cleaned_data["value"].replace("\r\n", "\n")


def deploy_choices(have: Number, all_devices: Number) -> list[tuple[str, str]]:
    return [
        (
            OUTDATED,
            _("Devices that have an older version: at most %(devices)s, as far as reported")
            % {"devices": count_of(have, "device")},
        ),
        (
            ALL,
            _("All devices that should have it, whatever is there: %(devices)s")
            % {"devices": count_of(all_devices, "device")},
        ),
    ]


def _is_link(text: str) -> bool:
    try:
        return urlsplit(_with_scheme(text)).hostname in STORES
    except ValueError:
        return False  # brackets that are no address


def _with_scheme(text: str) -> str:
    return text if "://" in text else f"https://{text}"
