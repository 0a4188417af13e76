"""Apps on their way: how long an install takes, how it ends, and what the lists say meanwhile.

The clock is the device's own: every exchange at the connect URL is one step, and the one that carries the answer to the
command is the first. Nothing here knows the wall clock. Source: Apple, "Managed Application List Command".
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mdm.virtual.state import DeviceState

ALL_APPS = ""  # key of `Behaviour.installs` for every app that has no entry of its own
# Statuses that the list tells once; the next one is without them.
TRANSIENT = frozenset({"UserInstalledApp", "UserRejected", "UpdateRejected", "ManagementRejected", "Failed"})
_NOT_MANAGED = TRANSIENT | {"PromptingForManagement"}
_UNDER_WAY = frozenset({"Installing", "Updating"})

Ending = Literal["Managed", "Failed", "UserRejected"]
RejectionReason = Literal[
    "",
    "AppAlreadyInstalled",
    "AppAlreadyQueued",
    "AppStoreDisabled",
    "CouldNotVerifyAppID",
    "ManagementChangeNotSupported",
    "NotAnApp",
    "NotSupported",
    "Other",
    "PurchaseMethodNotSupported",
    "PurchaseMethodNotSupportedInMultiUser",
]


@dataclass(frozen=True)
class InstallCourse:
    """How the installs of an app go.

    steps: exchanges until it is there or has failed; 0 is at once. ends: what ManagedApplicationList says then; a rejected
    update or change of management gets its own word by itself. refusal: the answer to the command says no for this reason
    and nothing begins; refused_as: an Error with a chain, or an acknowledged answer with the State Failed. chance: how
    likely `ends` or `refusal` is; with the rest of the likelihood, 0 to 1, all goes well.
    """

    steps: int = 0
    ends: Ending = "Managed"
    refusal: RejectionReason = ""
    refused_as: Literal["Error", "Failed"] = "Error"
    chance: float = 1.0


@dataclass(frozen=True)
class Words:
    """What Apple calls the states of one kind of install."""

    under_way: str
    prompting: str
    prompting_for_login: str
    rejected: str


INSTALL = Words("Installing", "Prompting", "PromptingForLogin", "UserRejected")
UPDATE = Words("Updating", "PromptingForUpdate", "PromptingForUpdateLogin", "UpdateRejected")
# An app that a person installed becomes managed: nothing is downloaded, so there is nothing under way.
TAKEOVER = Words("Managed", "PromptingForManagement", "PromptingForManagement", "ManagementRejected")


def course_of(installs: Mapping[str, InstallCourse], identifier: str, rng: random.Random) -> InstallCourse:
    """The course of this one install, its chance already taken."""
    course = installs.get(identifier) or installs.get(ALL_APPS) or InstallCourse()
    if course.chance < 1 and rng.random() >= course.chance:
        return replace(course, ends="Managed", refusal="")
    return course


def is_managed(state: DeviceState, identifier: str) -> bool:
    """Managed as far as commands are concerned: also while it is installed, or after a person deleted it."""
    app = state.managed_apps.get(identifier)
    # Devices that an earlier version saved have no WasManaged.
    return app is not None and (app.get("WasManaged", False) or app["Status"] not in _NOT_MANAGED)


def is_there_and_managed(state: DeviceState, identifier: str) -> bool:
    return identifier in state.apps and is_managed(state, identifier)


def begin(
    state: DeviceState, row: dict[str, Any], words: Words, course: InstallCourse, *, becomes_managed: bool
) -> None:
    """Put an app on its way; row is what InstalledApplicationList says once it is there.

    An app that becomes managed has its row in `managed_apps` already.
    """
    state.installs[row["Identifier"]] = {
        "Steps": course.steps,
        "Ends": words.rejected if course.ends == "UserRejected" else course.ends,
        "Row": row,
        "BecomesManaged": becomes_managed,
    }
    if course.steps <= 0:
        _end(state, row["Identifier"])


def pass_time(state: DeviceState, steps: int = 1) -> None:
    for identifier, install in list(state.installs.items()):
        install["Steps"] -= steps
        if install["Steps"] <= 0:
            _end(state, identifier)


def finish(state: DeviceState) -> None:
    """All that is on its way ends now."""
    for identifier in list(state.installs):
        _end(state, identifier)


def _end(state: DeviceState, identifier: str) -> None:
    install = state.installs.pop(identifier)
    managed = state.managed_apps.get(identifier)
    if install["Ends"] != "Managed":
        if install["BecomesManaged"] and managed is not None:
            managed["Status"] = install["Ends"]
        return
    state.apps[identifier] = install["Row"]
    if not install["BecomesManaged"]:
        state.managed_apps.pop(identifier, None)
    elif managed is not None:
        version = install["Row"]["ExternalVersionIdentifier"]
        managed |= {"Status": "Managed", "WasManaged": True, "ExternalVersionIdentifier": version}


def forget_reported(state: DeviceState, identifiers: Iterable[str]) -> None:
    """ManagedApplicationList told these: transient statuses are over.

    An app whose update failed is still there in its former version, and managed.
    """
    for identifier in identifiers:
        app = state.managed_apps[identifier]
        if app["Status"] not in TRANSIENT:
            continue
        if is_there_and_managed(state, identifier):
            app["Status"] = "Managed"
        else:
            del state.managed_apps[identifier]


def listed_apps(state: DeviceState, *, is_mac: bool) -> list[dict[str, Any]]:
    """Rows of InstalledApplicationList; iPhones and iPads show what they download as well, Macs only what is there."""
    rows = dict(state.apps)
    if not is_mac:
        for identifier, install in state.installs.items():
            if state.managed_apps[identifier]["Status"] in _UNDER_WAY:
                rows[identifier] = rows.get(identifier, install["Row"]) | {"Installing": True}
    return list(rows.values())


def forget_app(state: DeviceState, identifier: str) -> None:
    """The app, its management and whatever was on its way are gone."""
    for known in (state.apps, state.managed_apps, state.installs, state.redemptions):
        known.pop(identifier, None)


def forget_management(state: DeviceState, *, keeps_apps: bool) -> None:
    """The management profile went: apps that were to go with it (ManagementFlags 1) go, the others stay unmanaged.

    keeps_apps is False after a user enrollment, whose managed apps all go with its separate volume.
    """
    for identifier, app in state.managed_apps.items():
        if is_managed(state, identifier) and (app["ManagementFlags"] & 1 or not keeps_apps):
            state.apps.pop(identifier, None)
    state.managed_apps, state.installs, state.redemptions = {}, {}, {}
