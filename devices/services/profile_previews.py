"""What a device would get of a profile now, and where each value in it comes from: for people, before and after it is sent."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from devices.models import Device, Profile, ProfileVersion
from devices.services.attributes import Effective, values_of
from devices.services.errors import NotPossible
from devices.services.profile_content import NotDeliverable, filled
from devices.services.profile_delivery import why_not
from devices.services.renderings import newest_versions, variables_in
from devices.services.variables import BUILT_IN, USER_NAMES, fill, unknown_names, variables_of
from mdm.channels.models import Channel
from mdm.protocol import binary_plist, mobileconfig, plist
from mdm.protocol.cms import open_signed

MASK = "•••••"  # in place of a secret value; needs no escaping in XML


class Form(StrEnum):
    """How the file was uploaded. Only plain XML can be filled in; the others are shown decoded."""

    XML = "xml"
    BINARY = "binary"
    SIGNED = "signed"


class VariableSource(StrEnum):
    """Where a value comes from; the first three as `attributes.ValueSource`."""

    DEVICE = "device"
    GROUP = "group"
    ACCOUNT = "account"
    BUILT_IN = "built_in"
    UNKNOWN = "unknown"  # stays in the profile as it is


@dataclass(frozen=True)
class Variable:
    """value: masked where it is secret and nobody asked for it."""

    name: str
    value: str
    source: VariableSource
    is_secret: bool = False
    is_masked: bool = False


@dataclass(frozen=True)
class Preview:
    """content: text, with the device's values; secret ones masked unless they were asked for.

    left_alone: names of variables that are delivered as they are, since the profile does not ask to fill them in.
    why_not: why this device cannot get it, or need not; empty when it can. shown_secrets: attributes whose secret values
    are in it: whoever shows it logs that.
    """

    version: int
    form: Form
    content: str
    variables: tuple[Variable, ...] = ()
    left_alone: tuple[str, ...] = ()
    why_not: str = ""
    shown_secrets: tuple[str, ...] = ()

    @property
    def unknown(self) -> list[str]:
        return [one.name for one in self.variables if one.source == VariableSource.UNKNOWN]

    @property
    def masks_something(self) -> bool:
        return any(one.is_masked for one in self.variables)


def preview(profile: Profile, device: Device, user: Channel | None = None, *, shows_secrets: bool = False) -> Preview:
    """The newest version as it would be delivered to the device now.

    user: whose user channel it would go down; without it, names of users are those of whoever was seen last.
    shows_secrets: with the values of secret attributes, for somebody who may see them.
    """
    version = profile.versions.get(number=profile.version)
    content, reason = version.content, why_not(version.payload_types, device)
    names = variables_in(content)
    if not (names and profile.attribute_support):
        return Preview(version.number, form_of(content), readable(content), (), tuple(names), reason)
    values = variables_of(device, user=user)
    variables = tuple(_variables(names, values, device, user, shows_secrets=shows_secrets))
    shown = fill_for_people(content, {one.name: one.value for one in variables if one.source != "unknown"}, profile)
    return Preview(
        version.number,
        Form.XML,
        shown,
        variables,
        why_not=reason or _fault(content, profile, values),
        shown_secrets=tuple(one.name for one in variables if one.is_secret and one.value and not one.is_masked),
    )


def unknown_variables(profile: Profile) -> list[str]:
    """Names in the newest version that nothing would be filled in for; none where the profile is not filled in at all."""
    return unknown_variables_of([profile], profile.account_id)[profile.pk]


def unknown_variables_of(profiles: Collection[Profile], account_id: int) -> dict[int, list[str]]:
    """Profile pk → the same, for profiles of one account. Two statements."""
    found: dict[int, list[str]] = {profile.pk: [] for profile in profiles}
    versions = newest_versions([profile for profile in profiles if profile.attribute_support])
    names = {pk: version.variables for pk, version in versions.items() if version.variables}
    if names:
        unknown = set(unknown_names(set().union(*names.values()), account_id))
        found |= {pk: [name for name in mine if name in unknown] for pk, mine in names.items()}
    return found


def unknown_in(content: bytes, account_id: int) -> list[str]:
    """The same of a file that is not stored yet, should it be filled in."""
    return unknown_names(variables_in(content), account_id)


def unfilled_variables(profile: Profile) -> list[str]:
    """Names that look like variables in a profile that does not ask to fill them in."""
    return [] if profile.attribute_support else newest_versions([profile])[profile.pk].variables


def warnings_of(version: ProfileVersion) -> tuple[str, ...]:
    """What devices may stumble over in the file, as it was said when it was uploaded."""
    return mobileconfig.read(version.content).warnings


def form_of(content: bytes) -> Form:
    if mobileconfig.is_signed(content):
        return Form.SIGNED
    return Form.BINARY if content.startswith(binary_plist.MAGIC) else Form.XML


def readable(content: bytes) -> str:
    """The profile as XML text, whatever its form; what is XML already stays as it is."""
    inner = open_signed(content)[0] if mobileconfig.is_signed(content) else content
    if inner.startswith(binary_plist.MAGIC):
        value = plist.loads(inner, max_bytes=mobileconfig.MAX_BYTES)
        return plist.dumps(value).decode()
    return inner.decode("utf-8", "replace")


def fill_for_people(content: bytes, values: dict[str, str], profile: Profile) -> str:
    """Filled in but not checked, so that whoever looks for a fault sees it."""
    try:
        return readable(fill(content, values, escape=profile.escape_attributes))
    except NotPossible:
        return readable(content)  # too long; `why_not` says so


def _fault(content: bytes, profile: Profile, values: dict[str, str]) -> str:
    try:
        filled(content, profile, values)
    except NotDeliverable as error:
        return str(error)
    return ""


def _variables(
    names: list[str], values: dict[str, str], device: Device, user: Channel | None, *, shows_secrets: bool
) -> list[Variable]:
    attributes = {name.lower(): value for name, value in values_of(device).items()}
    if user is not None:
        attributes = {name: value for name, value in attributes.items() if name not in USER_NAMES}
    return [_variable(name, values, attributes.get(name), shows_secrets=shows_secrets) for name in names]


def _variable(name: str, values: dict[str, str], attribute: Effective | None, *, shows_secrets: bool) -> Variable:
    if attribute is None:
        source = VariableSource.BUILT_IN if name in BUILT_IN else VariableSource.UNKNOWN
        return Variable(name, values.get(name, ""), source)
    is_masked = attribute.is_secret and attribute.is_set and not shows_secrets
    value = MASK if is_masked else values[name]
    return Variable(name, value, VariableSource(attribute.source.value), attribute.is_secret, is_masked)
