"""What an answer function sees of its device."""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mdm.virtual.catalogue import Facts, Platform
from mdm.virtual.enrollment_profile import ConfigurationProfile
from mdm.virtual.error_chains import Refused, mdm_error
from mdm.virtual.installing import InstallCourse, course_of
from mdm.virtual.keys import Identity
from mdm.virtual.state import DEVICE_SCOPE, DeviceState

CommandKeys = Mapping[str, Any]
App = tuple[str, str, str]  # bundle identifier, name, version
Response = dict[str, Any]


class After(StrEnum):
    """What happens once the answer is on its way; devices acknowledge first and act then."""

    ERASE = "erase"
    UNENROLL = "unenroll"
    SYNC_DECLARATIONS = "sync declarations"


@dataclass
class Scene:
    facts: Facts
    state: DeviceState
    identity: Identity
    is_supervised: bool
    is_shared_ipad: bool
    is_user_enrollment: bool
    rng: random.Random
    enrollment_identifier: str
    replace_enrollment: Callable[[ConfigurationProfile], None]
    # GET of an app manifest; None when it cannot be had.
    fetch: Callable[[str], bytes | None]
    # App Store: iTunesStoreID → app; those that are not free, by store id or bundle identifier
    store: Mapping[int, App] = field(default_factory=dict)
    paid: Collection[int | str] = ()
    # A manifest's bundle identifier → the apps in the package
    packages: Mapping[str, tuple[App, ...]] = field(default_factory=dict)
    installs: Mapping[str, InstallCourse] = field(default_factory=dict)
    user: str | None = None
    after: list[After] = field(default_factory=list)

    @property
    def platform(self) -> Platform:
        return self.facts.model.platform

    @property
    def is_mac(self) -> bool:
        return self.platform == "macos"

    @property
    def scope(self) -> str:
        return self.user or DEVICE_SCOPE

    def course_of(self, identifier: str) -> InstallCourse:
        return course_of(self.installs, identifier, self.rng)

    def refuse_unless(self, condition: bool, code: int, text: str) -> None:
        if not condition:
            raise Refused(mdm_error(code, text))
