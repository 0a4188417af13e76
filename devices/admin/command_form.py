"""A form made of the catalogue: every parameter that the device's platform knows, and nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from devices.admin.command_fields import field_for, title_of
from devices.models import Device
from devices.services.security_chip import has_security_chip
from devices.services.sending import target_of
from mdm.accounts.admin_forms import PageForm, dress
from mdm.channels.models import Channel
from mdm.protocol.request_types import (
    InvalidCommand,
    NothingGiven,
    Parameter,
    Request,
    RequestType,
    Support,
    with_defaults,
)

# Required by Apple, but empty has a meaning: it takes the password away.
MAY_BE_EMPTY = frozenset({("SetFirmwarePassword", "NewPassword"), ("SetRecoveryLock", "NewPassword")})
_INDEX = re.compile(r"\[\d+\]")


@dataclass
class Section:
    """A dictionary of the command as a part of the form: its title, how deep it stands, and the names of its fields."""

    title: str = ""
    help: str = ""
    depth: int = 0
    names: list[str] = field(default_factory=list)


class CommandForm(PageForm):
    """Fields are named by their path: "ReturnToService.Enabled". item: which of several alternatives (Settings).

    known: values that need not be asked for, by key; a person does not know a device's unlock token.
    suggested: what the fields show at first, by name; secret ones never show anything.
    """

    def __init__(
        self,
        *args: Any,
        request_type: RequestType,
        device: Device,
        users: list[Channel],
        item: str = "",
        known: dict[str, Any] | None = None,
        suggested: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, initial=suggested, **options)
        self.device = device
        self.request_type, self.item, self.known = request_type, item, known or {}
        self.platform = target_of(device).platform
        self.expected_name = str(device)
        self.sections = [Section()]
        support = request_type.support(self.platform) if self.platform else None
        if users and (support is None or support.user_channel):
            self._add_users(users, with_device=support is None or bool(support.device_channel))
        filled = with_defaults(request_type.name, {}, self.platform)
        for parameter in request_type.parameters:
            if parameter.key not in self.known:
                is_needed = parameter.required and parameter.key not in filled
                self._add(parameter, parameter.key, self.sections[0], support, is_needed=is_needed)
        if request_type.destructive:
            self._add_confirmation()
        for one in self.fields.values():
            dress(one)

    def parts(self) -> Iterator[tuple[Section, list[forms.BoundField]]]:
        """The sections with their fields, for the template."""
        for section in self.sections:
            if section.names or section.title:
                yield section, [self[name] for name in section.names]

    @property
    def asks_nothing(self) -> bool:
        return not any(section.names for section in self.sections)

    def request(self) -> Request:
        """The filled-in command; after `is_valid()`."""
        given = {}
        for parameter in self.request_type.parameters:
            value = self.known.get(parameter.key)
            if value is None:
                value = self._collect(parameter, parameter.key)
            if value is not None:
                given[parameter.key] = value
        return Request(self.request_type.name, with_defaults(self.request_type.name, given, self.platform))

    def add_fault(self, error: Exception) -> None:
        """Put a refusal where it belongs: "Settings[0].DeviceName: is required" at that field, the rest on top."""
        path, found, fault = str(error).partition(": ")
        name = _INDEX.sub("", path)
        if isinstance(error, InvalidCommand) and found and name in self.fields:
            self.add_error(name, fault[:1].upper() + fault[1:] + ".")
        elif isinstance(error, NothingGiven):
            lacking = [key for key in self.request_type.at_least_one if key in self.fields]
            names = ", ".join(str(self[key].label) for key in lacking)
            self.add_error(
                lacking[0] if lacking else None, _("Fill in at least one of these: %(names)s.") % {"names": names}
            )
        else:
            self.add_error(None, str(error))

    def clean(self) -> dict[str, Any]:
        typed = self.cleaned_data.get("confirmation")
        if typed is not None and typed.strip() != self.expected_name.strip():
            self.add_error("confirmation", _("That is not the device's name. Nothing was sent."))
        lacks_pin = "PIN" in self.fields and not self.cleaned_data.get("PIN") and "PIN" not in self.errors
        if lacks_pin and (reason := self._why_with_pin()):
            self.add_error("PIN", reason)
        return self.cleaned_data

    def _why_with_pin(self) -> str:
        """Why this Mac needs a PIN with the command, which Apple's schema does not say; empty if it does not."""
        if self.request_type.name == "DeviceLock" and self.device.is_mac:
            return _("A Mac is locked with a PIN of six digits, which unlocks it again. Choose one.")
        if self.request_type.name == "EraseDevice" and self.device.is_mac and has_security_chip(self.device) is False:
            return _(
                "This Mac has neither a T2 chip nor Apple silicon: it is erased with a PIN of six digits. Choose one."
            )
        return ""

    # --- from the catalogue to fields ---------------------------------------------------------------------------------
    def _add(
        self, parameter: Parameter, path: str, section: Section, above: Support | None, *, is_needed: bool
    ) -> None:
        support = parameter.support(self.platform, above) if self.platform and above else None
        if support is not None and not support.is_available:
            return
        if parameter.alternatives:
            chosen = parameter.alternatives[self.item]
            own = chosen.support(self.platform, support) if self.platform and support else None
            self._add_children(chosen, path, section, own, is_needed=True)
        elif _has_known_keys(parameter):
            inner = Section(title_of(parameter), _(parameter.help), section.depth + 1)
            self.sections.append(inner)
            self._add_children(parameter, path, inner, support, is_needed=is_needed)
        elif _constant(parameter) is None:
            if (self.request_type.name, path) in MAY_BE_EMPTY:
                is_needed = False
            self.fields[path] = field_for(parameter, required=is_needed, platform=self.platform, above=support)
            section.names.append(path)

    def _add_children(
        self, parameter: Parameter, path: str, section: Section, above: Support | None, *, is_needed: bool
    ) -> None:
        for child in parameter.children:
            self._add(child, f"{path}.{child.key}", section, above, is_needed=is_needed and child.required)

    def _add_users(self, users: list[Channel], *, with_device: bool) -> None:
        choices = [(one.user_key, _("User %(name)s") % {"name": one.user_short_name or one.user_key}) for one in users]
        if with_device:
            choices.insert(0, ("", _("The device")))
        self.fields["to_user"] = forms.ChoiceField(choices=choices, required=not with_device, label=_("Send to"))
        self.sections[0].names.append("to_user")

    def _add_confirmation(self) -> None:
        self.fields["confirmation"] = forms.CharField(
            label=_("Type “%(name)s” to confirm") % {"name": self.expected_name},
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
        )

    # --- from fields to the command -----------------------------------------------------------------------------------
    def _collect(self, parameter: Parameter, path: str) -> Any:
        """The value of a parameter, None if nothing was given for it."""
        if parameter.alternatives:
            entry = self._collect_children(parameter.alternatives[self.item], path)
            return [{**entry, "Item": self.item}]
        if _has_known_keys(parameter):
            entry = self._collect_children(parameter, path)
            return entry or ({} if parameter.required else None)
        value = self.cleaned_data.get(path)
        if (self.request_type.name, path) in MAY_BE_EMPTY:
            return value or ""
        return None if value in ("", [], None) else value

    def _collect_children(self, parameter: Parameter, path: str) -> dict[str, Any]:
        found = {child.key: self._collect(child, f"{path}.{child.key}") for child in parameter.children}
        given = {key: value for key, value in found.items() if value is not None}
        constants = {child.key: _constant(child) for child in parameter.children if _constant(child) is not None}
        return {**constants, **given} if given else {}


def _has_known_keys(parameter: Parameter) -> bool:
    return parameter.type == "dictionary" and bool(parameter.children) and not parameter.is_free


def _constant(parameter: Parameter) -> str | int | None:
    """The only value that a required parameter can have: nobody needs to be asked."""
    return parameter.choices[0] if parameter.required and len(parameter.choices) == 1 else None
