"""Apple's enrollment profile: what a device learns of its management server when it is set up for the first time.

One table, `KEYS`, from which the admin's form and the checks (`dep_profile_checks.py`) are read. The panes of Setup
Assistant stand in `setup_panes.py`. Source: Apple, "Profile" and "Define a Profile" (device assignment).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mdm.common.marking import marked as _

_EVERY = {"iOS": "", "macOS": "", "tvOS": "", "visionOS": ""}


class Kind(StrEnum):
    TEXT = "text"
    BOOLEAN = "boolean"
    PANES = "panes"  # names of `setup_panes.PANES`
    CERTIFICATES = "certificates"  # each DER in Base64
    SERIALS = "serials"


class Section(StrEnum):
    BASICS = "Basics"
    MANAGEMENT = "Management"
    SUPPORT = "Support"
    ASSISTANT = "Setup Assistant"
    TRUST = "Trust"
    SERVER = "Set by the server"


@dataclass(frozen=True)
class Key:
    """One key of Apple's object.

    apple_default: what a device does without the key. default: what we propose for new settings. platforms: who looks at it,
    with the first OS version ('' for all). ignored_from: platform → the OS version that no longer looks at it.
    """

    name: str
    kind: Kind
    section: Section
    label: str
    help: str = ""
    apple_default: Any = None
    default: Any = None
    max_length: int = 0
    is_required: bool = False
    platforms: Mapping[str, str] = field(default_factory=lambda: _EVERY)
    ignored_from: Mapping[str, str] = field(default_factory=dict)


def _text(name: str, section: Section, label: str, help: str = "", *, max_length: int, **options: Any) -> Key:
    return Key(name, Kind.TEXT, section, label, help, "", "", max_length, **options)


def _flag(
    name: str, section: Section, label: str, help: str = "", *, apple: bool, ours: bool | None = None, **options: Any
) -> Key:
    return Key(name, Kind.BOOLEAN, section, label, help, apple, apple if ours is None else ours, **options)


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        _text(
            "profile_name",
            Section.BASICS,
            _("Name at Apple"),
            _("Shown in Apple's portal."),
            max_length=125,
            is_required=True,
        ),
        _text(
            "url",
            Section.SERVER,
            _("Where the device asks for its management profile"),
            max_length=2000,
            is_required=True,
        ),
        _text(
            "configuration_web_url",
            Section.SERVER,
            _("The sign-in page that the device shows first"),
            max_length=2000,
            platforms={"iOS": "13.0", "macOS": "10.15"},
        ),
        Key(
            "devices",
            Kind.SERIALS,
            Section.SERVER,
            _("Serial numbers to assign at once (batches are assigned instead)"),
        ),
        _flag(
            "is_supervised",
            Section.MANAGEMENT,
            _("Supervised"),
            _("Always so from iOS 13; on Macs it allows the commands and restrictions that need it."),
            apple=False,
            ours=True,
            ignored_from={"iOS": "13.0"},
        ),
        _flag(
            "is_mandatory",
            Section.MANAGEMENT,
            _("Nobody can pass over the enrollment"),
            _("Always so from iOS 13."),
            apple=False,
            ours=True,
            ignored_from={"iOS": "13.0"},
        ),
        _flag(
            "is_mdm_removable",
            Section.MANAGEMENT,
            _("People may remove the management"),
            _("Without it the management profile is locked to the device."),
            apple=True,
            ours=False,
        ),
        _flag(
            "await_device_configured",
            Section.MANAGEMENT,
            _("Wait in Setup Assistant until everything assigned has been sent"),
            _("iPhones and iPads must be supervised for it."),
            apple=False,
        ),
        _flag(
            "is_multi_user",
            Section.MANAGEMENT,
            _("Shared iPad"),
            _("Only iPads that are fit for several users obey."),
            apple=False,
            platforms={"iOS": "9.3"},
        ),
        _flag(
            "is_return_to_service",
            Section.MANAGEMENT,
            _("Ready for a rapid return to service"),
            _("After an erase the device keeps its managed apps; it always waits to be configured then."),
            apple=False,
            platforms={"iOS": "26.0", "visionOS": "26.0"},
        ),
        _flag(
            "do_not_use_profile_from_backup",
            Section.MANAGEMENT,
            _("Do not take the management out of a restored backup"),
            _("The device asks for its present profile instead."),
            apple=False,
            platforms={"iOS": "26.0", "visionOS": "26.0"},
        ),
        _flag(
            "allow_pairing",
            Section.MANAGEMENT,
            _("May be paired with any computer"),
            _("From iOS 13 a restriction in a profile decides it."),
            apple=True,
            platforms={"iOS": ""},
            ignored_from={"iOS": "13.0"},
        ),
        _text("department", Section.SUPPORT, _("Department or location"), max_length=125),
        _text("support_phone_number", Section.SUPPORT, _("Phone number of support"), max_length=50),
        _text("support_email_address", Section.SUPPORT, _("E-mail of support"), max_length=250),
        _text(
            "org_magic",
            Section.SUPPORT,
            _("Organization's mark"),
            _("The same text in all services that belong to one organization."),
            max_length=256,
        ),
        _flag(
            "auto_advance_setup",
            Section.ASSISTANT,
            _("Go through Setup Assistant by itself"),
            _("For Macs and Apple TVs on a wired network. Needs language and region."),
            apple=False,
            platforms={"macOS": "11.0", "tvOS": ""},
        ),
        _text(
            "language",
            Section.ASSISTANT,
            _("Language"),
            _("Two letters of ISO 639-1 (en, fr, ja), or three of ISO 639-2 where there are no two."),
            max_length=3,
            platforms={"macOS": "11.0", "tvOS": ""},
        ),
        _text(
            "region",
            Section.ASSISTANT,
            _("Region"),
            _("Two capital letters of ISO 3166-1: US, GB, AU."),
            max_length=2,
            platforms={"macOS": "11.0", "tvOS": ""},
        ),
        Key(
            "skip_setup_items",
            Kind.PANES,
            Section.ASSISTANT,
            _("Panes that are not shown"),
            apple_default=(),
            default=(),
        ),
        Key(
            "anchor_certs",
            Kind.CERTIFICATES,
            Section.TRUST,
            _("Certificates that the device trusts for this server"),
            _("Only if the server's certificate is of a CA that devices do not know."),
            apple_default=(),
            default=(),
        ),
        Key(
            "supervising_host_certs",
            Kind.CERTIFICATES,
            Section.TRUST,
            _("Computers that may pair with the device anyway"),
            _("Their supervision identities' certificates."),
            apple_default=(),
            default=(),
            platforms={"iOS": ""},
        ),
    )
}
# Those that people choose; the rest is the server's to say.
CHOSEN: dict[str, Key] = {name: key for name, key in KEYS.items() if key.section != Section.SERVER}


def default_options() -> dict[str, Any]:
    """What new settings begin with."""
    return {name: _copied(key.default) for name, key in CHOSEN.items()}


def complete(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with our defaults for whatever they do not say, in the order of the table."""
    return default_options() | {name: value for name, value in options.items() if name in CHOSEN}


def profile_for_apple(options: Mapping[str, Any], *, url: str, web_url: str = "") -> dict[str, Any]:
    """The object that is sent. Every switch is said, so that Apple's defaults do not matter; what is empty is left out."""
    given = {name: value for name, value in complete(options).items() if isinstance(value, bool) or value}
    given["skip_setup_items"] = sorted(given.get("skip_setup_items", ()))
    return given | {"url": url} | ({"configuration_web_url": web_url} if web_url else {})


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
