"""The form of enrollment settings, made from the table of Apple's keys and what the server does by itself."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import DeviceGroup
from devices.services.groups import default_group
from enrollment.models import DepServer, DepSettings, PrimaryAccount
from enrollment.services.dep_settings_checks import FIELDS, MAX_PASSWORD_LENGTH, MINIMUM_OS_PLATFORMS
from mdm.accounts.admin_forms import PageForm
from mdm.protocol.dep_profile import CHOSEN, Key, Kind, Section, complete
from mdm.protocol.setup_panes import PANES, PLATFORMS, Pane

PLATFORM_WORDS = {
    "iOS": gettext_lazy("iPhone and iPad"),
    "macOS": gettext_lazy("Mac"),
    "tvOS": gettext_lazy("Apple TV"),
    "visionOS": gettext_lazy("Vision Pro"),
}
MAX_CERTIFICATE_TEXT = 200_000
# Each has a field of its own; the options of Apple and the least system versions are put together from several.
_OWN = tuple(name for name in FIELDS if name not in ("options", "minimum_os"))


@dataclass(frozen=True)
class Part:
    """A group of fields on the page."""

    title: str
    fields: list[forms.BoundField]
    help: str = ""


class SettingsForm(PageForm):
    device_group = forms.ModelChoiceField(
        DeviceGroup.objects.none(),
        label=gettext_lazy("Device group"),
        empty_label=None,
        help_text=gettext_lazy(
            "Listed devices await their enrollment in it. Those that still wait follow when you choose another."
        ),
    )
    requires_sign_in = forms.BooleanField(
        label=gettext_lazy("Ask for a sign-in on the device"),
        required=False,
        help_text=gettext_lazy(
            "Somebody of this account signs in, with e-mail and password, before the device enrolls."
        ),
    )
    admin_short_name = forms.CharField(
        label=gettext_lazy("Administrator: account name"),
        max_length=64,
        required=False,
        help_text=gettext_lazy(
            "An account of yours on every Mac; empty for none. Small letters, as the name of a home folder."
        ),
    )
    admin_full_name = forms.CharField(label=gettext_lazy("Administrator: full name"), max_length=255, required=False)
    admin_password = forms.CharField(
        label=gettext_lazy("Administrator: password"),
        required=False,
        max_length=MAX_PASSWORD_LENGTH,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    admin_is_hidden = forms.BooleanField(label=gettext_lazy("Hide the account in the sign-in window"), required=False)
    primary_account = forms.ChoiceField(
        label=gettext_lazy("The person who sets up the Mac gets"),
        choices=PrimaryAccount.choices,
        widget=forms.RadioSelect,
    )
    primary_full_name = forms.CharField(
        label=gettext_lazy("Person: full name, filled in"), max_length=255, required=False
    )
    primary_user_name = forms.CharField(
        label=gettext_lazy("Person: account name, filled in"), max_length=64, required=False
    )
    locks_primary_account = forms.BooleanField(label=gettext_lazy("These names cannot be changed"), required=False)

    def __init__(self, data: Any, *, server: DepServer, present: DepSettings | None) -> None:
        self.present = present
        options = complete(present.options if present else {"profile_name": server.name[:125]})
        row = present or DepSettings(server=server, account_id=server.account_id)
        initial = {name: getattr(row, name) for name in _OWN if name not in ("device_group", "admin_password")}
        initial["device_group"] = present.device_group_id if present else default_group(server.account).pk
        initial |= {name: _shown(CHOSEN[name], value) for name, value in options.items()}
        initial |= {_os_field(one): row.minimum_os.get(one, "") for one in MINIMUM_OS_PLATFORMS}
        self.base_fields = {**type(self).base_fields, **_key_fields(), **_os_fields()}
        super().__init__(data, initial=initial, account=server.account)
        self.fields["admin_password"].help_text = (
            _("One is stored, encrypted. Leave this empty to keep it.")
            if row.admin_password
            else _("Stored encrypted.")
        )

    # --- what was given -----------------------------------------------------------------------------------------------
    def clean(self) -> dict[str, Any]:
        for key in CHOSEN.values():
            if key.kind == Kind.CERTIFICATES and key.name in self.cleaned_data:
                try:
                    self.cleaned_data[key.name] = _certificates(self.cleaned_data[key.name])
                except ValueError:
                    self.add_error(key.name, _("Paste certificates in PEM form, one below the other."))
        return self.cleaned_data

    def given(self) -> dict[str, Any]:
        """As `update_settings` takes it."""
        cleaned = self.cleaned_data
        versions = {one: cleaned[_os_field(one)].strip() for one in MINIMUM_OS_PLATFORMS}
        return {
            **{name: cleaned[name] for name in _OWN},
            "options": {name: cleaned[name] for name in CHOSEN},
            "minimum_os": {one: version for one, version in versions.items() if version},
        }

    def show(self, faults: Mapping[str, str]) -> None:
        """Faults that the service found, each beside its field."""
        for name, sentence in faults.items():
            self.add_error(name if name in self.fields else None, sentence)

    # --- the page -----------------------------------------------------------------------------------------------------
    def parts(self) -> Iterator[Part]:
        """All but the panes of Setup Assistant, which have a list of their own."""
        yield Part(_("Basics"), [self["device_group"], *self._of(Section.BASICS)])
        yield Part(_("Management"), self._of(Section.MANAGEMENT))
        yield Part(_("Setup Assistant"), self._of(Section.ASSISTANT), _("Panes to skip stand in the list at the end."))
        yield Part(_("Sign-in"), [self["requires_sign_in"]])
        yield Part(
            _("Least version of the system"),
            [self[_os_field(one)] for one in MINIMUM_OS_PLATFORMS],
            _("An older device updates itself before it enrolls. Empty: any version may enroll."),
        )
        yield Part(_("Support"), self._of(Section.SUPPORT), _("Shown on the device before it enrolls."))
        accounts = [name for name in _OWN if name.startswith(("admin_", "primary_", "locks_"))]
        yield Part(
            _("Accounts of Macs"),
            [self[name] for name in accounts],
            _("Setup Assistant makes them while the Mac waits, so devices must wait for them (under Management)."),
        )
        yield Part(_("Trust"), self._of(Section.TRUST))

    def panes(self) -> Iterator[tuple[Pane, str, bool, list[str], str]]:
        """Each with its label, whether it is skipped, its platforms in words, and what a search finds it by."""
        chosen = set(self["skip_setup_items"].value() or ())
        for label, pane in sorted(((_(one.label), one) for one in PANES.values()), key=lambda found: found[0].lower()):
            where = [f"{PLATFORM_WORDS[one]} {_since(pane, one)}" for one in PLATFORMS if one in pane.since]
            yield pane, label, pane.key in chosen, where, f"{label} {pane.key}".lower()

    @property
    def platforms(self) -> list[tuple[str, str]]:
        return list(PLATFORM_WORDS.items())

    def _of(self, section: Section) -> list[forms.BoundField]:
        return [self[key.name] for key in CHOSEN.values() if key.section == section and key.kind != Kind.PANES]


def _key_fields() -> dict[str, forms.Field]:
    return {name: _field(key) for name, key in CHOSEN.items()}


def _field(key: Key) -> forms.Field:
    help_text = " ".join(part for part in (key.help and _(key.help), _where(key)) if part)
    label = _(key.label)
    match key.kind:
        case Kind.BOOLEAN:
            return forms.BooleanField(label=label, required=False, help_text=help_text)
        case Kind.PANES:
            choices = [(pane.key, _(pane.label)) for pane in PANES.values()]
            return forms.MultipleChoiceField(label=label, choices=choices, required=False)
        case Kind.CERTIFICATES:
            area = forms.Textarea(attrs={"rows": 4, "placeholder": "-----BEGIN CERTIFICATE-----"})
            return forms.CharField(
                label=label, required=False, max_length=MAX_CERTIFICATE_TEXT, widget=area, help_text=help_text
            )
    return forms.CharField(label=label, required=key.is_required, max_length=key.max_length, help_text=help_text)


def _since(pane: Pane, platform: str) -> str:
    """ "from 13.0", "from 9.3.2, not shown from 15.0", "from 13.0, not always skipped"."""
    parts = [_("from %(version)s") % {"version": pane.since[platform]}]
    if platform in pane.until:
        parts.append(_("not shown from %(version)s") % {"version": pane.until[platform]})
    if platform in pane.not_always:
        parts.append(_("not always skipped"))
    return ", ".join(parts)


def _where(key: Key) -> str:
    """ "iPhone and iPad from 26.0, Vision Pro from 26.0."; nothing for what all devices look at."""
    if set(key.platforms) == set(PLATFORMS) and not any(key.platforms.values()):
        return ""
    parts = [
        _("%(platform)s from %(since)s") % {"platform": PLATFORM_WORDS[one], "since": since}
        if since
        else str(PLATFORM_WORDS[one])
        for one, since in key.platforms.items()
    ]
    return f"{', '.join(parts)}."


def _os_fields() -> dict[str, forms.Field]:
    return {
        _os_field(one): forms.CharField(
            label=PLATFORM_WORDS[one],
            required=False,
            max_length=11,
            help_text=_("For example %(since)s; only devices from %(since)s on can say that they update themselves.")
            % {"since": since},
        )
        for one, since in MINIMUM_OS_PLATFORMS.items()
    }


def _os_field(platform: str) -> str:
    return f"minimum_os_{platform}"


def _shown(key: Key, value: Any) -> Any:
    if key.kind != Kind.CERTIFICATES:
        return value
    ders = (base64.b64decode(one) for one in value)
    return "".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() for der in ders)


def _certificates(text: str) -> list[str]:
    """PEM, one below the other → DER in Base64 each, as Apple takes it. Raises ValueError."""
    if not text.strip():
        return []
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in found]
