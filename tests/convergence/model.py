"""What every device should have, said a second time: plain Python that knows nothing of the server's code or its database.

Whatever the tests order is written down here too (`desk.py`); at the end the devices have to be as this says (`checks.py`).
Objects are named by their primary keys, owners of profiles and attribute values by a pair of kind and key.
"""

import re
from dataclasses import dataclass, field

DEVICE, DEVICE_GROUP, ASSIGNMENT_GROUP = "device", "device_group", "assignment_group"
Owner = tuple[str, int]

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


@dataclass(eq=False)
class Profile:
    """uuids, texts: of each version, the text with its variables. platform: the only one that it is for, empty for any."""

    pk: int
    name: str
    identifier: str
    user_scope: bool
    fills_in: bool
    platform: str = ""
    version: int = 1
    uuids: dict[int, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class App:
    """brings: the apps that a package puts on a Mac; None for what is no package. minimum_os: of the newest version.

    floors: device → the version (a place in `versions`) that it must have at least.
    """

    pk: int
    name: str
    identifier: str
    platform: str
    versions: list[str]
    brings: tuple[str, ...] | None = None
    store_id: int = 0
    minimum_os: str = ""
    floors: dict[int, int] = field(default_factory=dict)


@dataclass(eq=False)
class Place:
    """A device as far as what it should have depends on it. facts: what may stand in profiles, by the variable's name."""

    pk: int
    platform: str
    group: int
    os_version: str
    users: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Model:
    """in_groups: (assignment group, owner). values: (attribute, owner) → value. automatic: groups that deploy by themselves.

    theirs: (device, bundle identifier) of apps that a person had put there before the server wanted them: these stay.
    """

    devices: dict[int, Place] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    owners_of_profiles: set[tuple[int, Owner]] = field(default_factory=set)
    in_groups: set[tuple[int, Owner]] = field(default_factory=set)
    apps_of_groups: set[tuple[int, int]] = field(default_factory=set)
    automatic: dict[int, bool] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[str, Owner], str] = field(default_factory=dict)
    theirs: set[tuple[int, str]] = field(default_factory=set)
    # Whatever was in the catalogue once: by these it is seen that nothing of ours stays behind.
    all_profile_identifiers: set[str] = field(default_factory=set)
    all_apps: dict[str, App] = field(default_factory=dict)

    def groups_of(self, device: int) -> set[int]:
        mine = {(DEVICE, device), (DEVICE_GROUP, self.devices[device].group)}
        return {group for group, owner in self.in_groups if owner in mine}

    def owners_of(self, device: int) -> set[Owner]:
        """Everything by which the device may get profiles and values."""
        place = self.devices[device]
        groups = {(ASSIGNMENT_GROUP, group) for group in self.groups_of(device)}
        return {(DEVICE, device), (DEVICE_GROUP, place.group)} | groups

    # Profiles

    def profiles_of(self, device: int) -> list[Profile]:
        """All that are assigned, for the device or for its users, also those that are not for its platform."""
        mine = self.owners_of(device)
        wanted = {profile for profile, owner in self.owners_of_profiles if owner in mine}
        return [self.profiles[pk] for pk in sorted(wanted)]

    def profiles_on(self, device: int, user: str = "") -> list[Profile]:
        """Those that have to be on the device itself, or on that user's side of a Mac."""
        place = self.devices[device]
        return [
            profile
            for profile in self.profiles_of(device)
            if profile.platform in ("", place.platform)
            and bool(user) == (profile.user_scope and place.platform == "macOS")
        ]

    def text_of(self, profile: Profile, device: int, user: str = "") -> str:
        text = profile.texts[profile.version]
        if not profile.fills_in:
            return text
        facts = self.devices[device].facts | ({"user_short_name": user} if user else {})
        attributes = {name: self.value_of(name, device) for name in self.defaults}
        return _VARIABLE.sub(lambda match: (facts | attributes).get(match[1], match[0]), text)

    def value_of(self, name: str, device: int) -> str:
        """The device's own value, that of its device group, of its first assignment group, the account's."""
        groups = sorted(self.groups_of(device))
        owners = [(DEVICE, device), (DEVICE_GROUP, self.devices[device].group)]
        owners += [(ASSIGNMENT_GROUP, group) for group in groups]
        return next((self.values[name, owner] for owner in owners if (name, owner) in self.values), self.defaults[name])

    # Apps

    def is_allowed(self, app: App, device: int) -> bool:
        """Whether any group of the device has the app."""
        return any((group, app.pk) in self.apps_of_groups for group in self.groups_of(device))

    def is_wanted(self, app: App, device: int) -> bool:
        """Whether it has to come by itself, if it is for the device."""
        mine = self.groups_of(device)
        return any((group, app.pk) in self.apps_of_groups and self.automatic[group] for group in mine)

    def is_for(self, app: App, device: int) -> bool:
        place = self.devices[device]
        return app.platform == place.platform and _numbers(app.minimum_os) <= _numbers(place.os_version)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part]
