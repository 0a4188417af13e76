"""What the catalogue is made of: platforms, support, parameters, request types.

Facts (names, types, platforms, versions) come from Apple's device-management schema; words are our own.

Traps in Apple's schema that the tables and the functions around them take care of:

- `Settings` is an array whose children are *alternatives*: each entry is one of them, told apart by its `Item` key.
- The children of `DeviceInformation`'s `QueriesItem` (a string) are the *values* it may have, each with its platforms.
- Every other array has exactly one child, the shape of its entries; the child's own key never appears in a message.
- A dictionary with the single child `ANY` takes any keys (app configuration, manifest).
- `iTunesStoreID` is an integer in InstallApplication and InstallMedia, a string in RemoveMedia.
- A parameter says about platforms only what differs from the level above; "n/a" as `introduced` takes a platform away.
- For iOS, channels are said for Shared iPad only; without Shared iPad there is just the device channel.
- The OS update commands still stand in the schema without a word about their removal in OS 27; `removed_in` says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

NOT_AVAILABLE = "n/a"
ANY_KEY = "ANY"

ALLOWED = "allowed"
FORBIDDEN = "forbidden"
REQUIRED = "required"
IGNORED = "ignored"


class Platform(StrEnum):
    """Apple's platform names; an iPad counts as iOS."""

    IOS = "iOS"
    MACOS = "macOS"
    TVOS = "tvOS"
    VISIONOS = "visionOS"
    WATCHOS = "watchOS"


@dataclass(frozen=True, slots=True)
class SharedIPad:
    """How something behaves while Shared iPad is in effect; mode is allowed, required, forbidden or ignored."""

    mode: str | None = None
    device_channel: bool | None = None
    user_channel: bool | None = None

    def within(self, parent: "SharedIPad") -> "SharedIPad":
        return _overlay(parent, self)


@dataclass(frozen=True, slots=True)
class Support:
    """What one platform asks for. None means "as the level above"; `RequestType.support()` gives complete ones.

    introduced, deprecated, removed: OS versions ("10.13.4"); introduced is "n/a" where the platform has it not.
    access_right: Apple's name of the MDM access right, "" for none.
    user_enrollment: allowed, forbidden, required or ignored.
    """

    introduced: str | None = None
    access_right: str | None = None
    deprecated: str | None = None
    removed: str | None = None
    supervised: bool | None = None
    requires_dep: bool | None = None
    device_channel: bool | None = None
    user_channel: bool | None = None
    user_enrollment: str | None = None
    shared_ipad: SharedIPad | None = None

    @property
    def is_available(self) -> bool:
        return self.introduced != NOT_AVAILABLE

    def within(self, parent: "Support") -> "Support":
        """This support with its gaps filled from the level above; what is not available there stays so."""
        if not parent.is_available:
            return parent
        merged = _overlay(parent, self)
        if self.shared_ipad is not None and parent.shared_ipad is not None:
            merged = replace(merged, shared_ipad=self.shared_ipad.within(parent.shared_ipad))
        return merged


_Said = TypeVar("_Said", SharedIPad, Support)


def _overlay(below: _Said, above: _Said) -> _Said:
    said = {f.name: getattr(above, f.name) for f in fields(above) if getattr(above, f.name) is not None}
    return replace(below, **said)


# What holds for a request type where Apple's schema says nothing.
USUAL = Support(
    access_right="",
    supervised=False,
    requires_dep=False,
    device_channel=True,
    user_channel=False,
    user_enrollment=ALLOWED,
    shared_ipad=SharedIPad(ALLOWED, True, False),
)

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a command, at any depth.

    type: string, integer, real, boolean, date, data, array, dictionary or any.
    platforms: only what differs from the level above.
    choices: the values Apple lists. legacy_choices: accepted too (clients of older editions send them), never offered.
    format: a name from `formats.FORMATS`.
    secret: it opens something, or may carry what does; `split_secrets` takes it out.
    """

    key: str
    type: str
    required: bool = False
    children: tuple["Parameter", ...] = ()
    choices: tuple[str | int, ...] = ()
    legacy_choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    format: str = ""
    default: Any = None
    platforms: Mapping[Platform, Support] = field(default_factory=lambda: NOTHING)
    secret: bool = False
    label: str = ""
    help: str = ""

    @property
    def is_free(self) -> bool:
        """A dictionary that takes any keys."""
        return self.type == "dictionary" and len(self.children) == 1 and self.children[0].key == ANY_KEY

    @property
    def alternatives(self) -> dict[str, "Parameter"]:
        """For an array of alternatives (Settings): the value of `Item` to the entry's shape; else empty."""
        if self.type != "array" or len(self.children) < 2:
            return {}
        return {str(item.choices[0]): child for child in self.children for item in child.children if item.key == "Item"}

    @property
    def item(self) -> "Parameter | None":
        """For an ordinary array: the shape of its entries."""
        return self.children[0] if self.type == "array" and len(self.children) == 1 else None

    @property
    def values(self) -> tuple[str | int, ...]:
        """What may be offered: the choices, or the named values of a string with children (queries)."""
        return tuple(child.key for child in self.children) if self.type == "string" and self.children else self.choices

    def support(self, platform: Platform, above: Support) -> Support:
        """Complete support of this parameter on a platform, given that of the level above."""
        return self.platforms.get(platform, Support()).within(above)


@dataclass(frozen=True, slots=True)
class RequestType:
    """One kind of command.

    platforms: the platforms that have it (a missing one has it not).
    at_least_one: keys of which one must be given, where Apple's text asks for it and the schema cannot say so.
    destructive: ask a person twice (erases, locks, removes, interrupts, changes a password).
    secret_answer: the device's answer may carry secrets; keep it encrypted.
    removed_in: the OS version, on all its platforms, that no longer has it.
    answers: keys of the answer beside status and identifiers.
    """

    name: str
    label: str
    summary: str
    family: str
    platforms: Mapping[Platform, Support]
    parameters: tuple[Parameter, ...] = ()
    at_least_one: tuple[str, ...] = ()
    destructive: bool = False
    secret_answer: bool = False
    removed_in: str | None = None
    answers: tuple[str, ...] = ()

    def support(self, platform: Platform) -> Support | None:
        """Complete support on a platform; None where it does not exist."""
        own = self.platforms.get(platform)
        return own.within(USUAL) if own is not None and own.is_available else None

    def parameter(self, key: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.key == key), None)
