"""InstallApplication, InstallEnterpriseApplication and ApplyRedemptionCode.

Sources: Apple, the commands of these names; codes of refusals as devices report them.
"""

import plistlib
from dataclasses import dataclass
from typing import Any, NoReturn
from xml.parsers.expat import ExpatError

from mdm.virtual import installing
from mdm.virtual.app_names import app_row, external_version
from mdm.virtual.error_chains import BadFormat, Refused, mdm_error
from mdm.virtual.installing import INSTALL, TAKEOVER, UPDATE, InstallCourse, RejectionReason, Words
from mdm.virtual.scene import CommandKeys, Response, Scene

MANIFEST_ERRORS = (ExpatError, plistlib.InvalidFileException, ValueError, TypeError, LookupError, AttributeError)
REJECTION_CODES = {"AppAlreadyInstalled": 12025, "AppAlreadyQueued": 12026, "NotAnApp": 12027}
OTHER_REJECTION = 12010
APPS_AND_BOOKS = 1  # PurchaseMethod: a licence of the organization
MEGABYTES = 120


@dataclass(frozen=True)
class Wanted:
    """What a command asks for. store_id is None for apps that have a manifest."""

    identifier: str
    name: str
    version: str
    is_from_store: bool
    store_id: int | None = None


def install_application(scene: Scene, command: CommandKeys) -> Response:
    """From the App Store by iTunesStoreID or Identifier, or by ManifestURL. Raises Refused."""
    wanted = _wanted(scene, command)
    course = scene.course_of(wanted.identifier)
    if course.refusal:
        if course.refused_as == "Error":
            _reject(scene, wanted, course.refusal)
        return {
            "Identifier": wanted.identifier,
            "State": "Failed",
            "RejectionReason": _reason(scene, course.refusal),
        }
    if scene.is_mac:
        return {"Identifier": wanted.identifier, "State": _install_on_mac(scene, command, wanted, course)}
    return {"Identifier": wanted.identifier, "State": _install_on_ios(scene, command, wanted, course)}


def install_enterprise_application(scene: Scene, command: CommandKeys) -> Response:
    manifest = command.get("Manifest")
    if manifest is None:
        if not isinstance(command.get("ManifestURL"), str):
            raise BadFormat
        manifest = _fetch_manifest(scene, command["ManifestURL"])
    wanted = _from_manifest(manifest)
    course = scene.course_of(wanted.identifier)
    if course.refusal:
        raise Refused(_rejection(wanted, course.refusal))
    _install_on_mac(scene, command, wanted, course)
    return {}


def apply_redemption_code(scene: Scene, command: CommandKeys) -> Response:
    identifier = command["Identifier"]
    if identifier not in scene.state.redemptions:
        raise Refused(mdm_error(12028, f"The app “{identifier}” is not waiting for a redemption code."))
    row = scene.state.redemptions.pop(identifier)
    scene.state.managed_apps[identifier]["Status"] = INSTALL.under_way
    installing.begin(scene.state, row, INSTALL, scene.course_of(identifier), becomes_managed=True)
    return {}


# What is asked for


def _wanted(scene: Scene, command: CommandKeys) -> Wanted:
    if "ManifestURL" in command:
        return _from_manifest(_fetch_manifest(scene, command["ManifestURL"]))
    store_id, identifier = command.get("iTunesStoreID"), command.get("Identifier")
    if isinstance(store_id, int):
        unknown = (f"com.appstore.id{store_id}", f"App {store_id}", "1.0")
        return Wanted(*scene.store.get(store_id, unknown), is_from_store=True, store_id=store_id)
    if not isinstance(identifier, str):
        raise BadFormat
    for store_id, app in scene.store.items():
        if app[0] == identifier:
            return Wanted(*app, is_from_store=True, store_id=store_id)
    return Wanted(identifier, identifier.rsplit(".", 1)[-1].title(), "1.0", is_from_store=True)


def _fetch_manifest(scene: Scene, url: str) -> dict[str, Any]:
    raw = scene.fetch(url)
    if raw is None:
        raise Refused(mdm_error(12024, f"Could not validate app manifest: {url} cannot be loaded."))
    try:
        return plistlib.loads(raw)
    except MANIFEST_ERRORS as error:
        raise Refused(mdm_error(12033, f"Invalid manifest: {error}")) from error


def _from_manifest(manifest: dict[str, Any]) -> Wanted:
    """The first item."""
    try:
        item = manifest["items"][0]
        if not any(asset["kind"] == "software-package" and asset["url"] for asset in item["assets"]):
            raise LookupError("no software-package asset")
        metadata = item["metadata"]
        identifier = metadata["bundle-identifier"]
        name, version = metadata.get("title", identifier), metadata.get("bundle-version", "1.0")
        return Wanted(identifier, name, version, is_from_store=False)
    except MANIFEST_ERRORS as error:
        raise Refused(mdm_error(12033, f"Invalid manifest: {error}")) from error


# iPhones and iPads manage all that they are told to install


def _install_on_ios(scene: Scene, command: CommandKeys, wanted: Wanted, course: InstallCourse) -> str:
    """The state that the answer tells."""
    state, identifier = scene.state, wanted.identifier
    if identifier in state.installs:
        _reject(scene, wanted, "AppAlreadyQueued")
    if installing.is_there_and_managed(state, identifier):
        words = UPDATE
    elif identifier not in state.apps:
        words = INSTALL
    else:
        return _take_over(scene, command, wanted, course)
    row = _row(scene, command, wanted)
    if _needs_code(scene, command, wanted, words):
        _manage(scene, command, row, "NeedsRedemption")
        state.redemptions[identifier] = row
        return "NeedsRedemption"
    status = words.under_way
    if wanted.is_from_store and not _has_licence(command) and not state.store_account_is_active:
        status = words.prompting_for_login
    elif not scene.is_supervised:
        status = words.prompting
    _manage(scene, command, row, status)
    installing.begin(state, row, words, course, becomes_managed=True)
    return status


def _take_over(scene: Scene, command: CommandKeys, wanted: Wanted, course: InstallCourse) -> str:
    """A person installed the app: it becomes managed if the command asks for that, and the person agrees.

    Supervised devices do not ask. ChangeManagementState has no effect on user enrollments.
    """
    if command.get("ChangeManagementState") != "Managed" or scene.is_user_enrollment:
        _reject(scene, wanted, "AppAlreadyInstalled")
    row = scene.state.apps[wanted.identifier]
    if scene.is_supervised:
        course = InstallCourse()
    status = TAKEOVER.under_way if scene.is_supervised else TAKEOVER.prompting
    _manage(scene, command, row, status)
    installing.begin(scene.state, row, TAKEOVER, course, becomes_managed=True)
    return status


def _needs_code(scene: Scene, command: CommandKeys, wanted: Wanted, words: Words) -> bool:
    """Without a licence a paid app needs a redemption code, once; an update needs none."""
    is_paid = wanted.store_id in scene.paid or wanted.identifier in scene.paid
    return is_paid and wanted.is_from_store and not _has_licence(command) and words is INSTALL


def _has_licence(command: CommandKeys) -> bool:
    return (command.get("Options") or {}).get("PurchaseMethod", 0) == APPS_AND_BOOKS


# Macs manage only what they are told to manage


def _install_on_mac(scene: Scene, command: CommandKeys, wanted: Wanted, course: InstallCourse) -> str:
    """The app, or all apps in a package; returns the state that the answer tells.

    An app that a person installed becomes managed only when ChangeManagementState says so too; one that was managed and is
    installed without InstallAsManaged is unmanaged from then on.
    """
    state = scene.state
    bundles = ((wanted.identifier, wanted.name, wanted.version),)
    if not wanted.is_from_store:
        bundles = scene.packages.get(wanted.identifier, bundles)
    words = INSTALL
    for bundle in bundles:
        identifier = bundle[0]
        is_update = installing.is_there_and_managed(state, identifier)
        may_manage = is_update or identifier not in state.apps or command.get("ChangeManagementState") == "Managed"
        becomes_managed = bool(command.get("InstallAsManaged")) and may_manage and not scene.is_user_enrollment
        row = _row(scene, command, Wanted(*bundle, is_from_store=wanted.is_from_store))
        own_words = UPDATE if is_update and becomes_managed else INSTALL
        if becomes_managed:
            _manage(scene, command, row, own_words.under_way)
        installing.begin(state, row, own_words, course, becomes_managed=becomes_managed)
        if identifier == wanted.identifier:
            words = own_words
    return words.under_way


# Rows of the lists


def _row(scene: Scene, command: CommandKeys, wanted: Wanted) -> dict[str, Any]:
    version = external_version(wanted.identifier, wanted.version)
    row = app_row(scene.platform, wanted.identifier, wanted.name, wanted.version, MEGABYTES, external_version=version)
    if not scene.is_mac:
        is_vpp = wanted.is_from_store and _has_licence(command)
        row |= {"DeviceBasedVPP": is_vpp, "AppStoreVendable": wanted.is_from_store}
    return row


def _manage(scene: Scene, command: CommandKeys, row: dict[str, Any], status: str) -> None:
    """Its row in ManagedApplicationList; what the app was given and said before stays."""
    identifier = row["Identifier"]
    before = scene.state.managed_apps.get(identifier, {})
    app = {
        "Status": status,
        "WasManaged": installing.is_there_and_managed(scene.state, identifier),
        "ManagementFlags": command.get("ManagementFlags", 0),
        "IsValidated": True,
        "ExternalVersionIdentifier": before.get("ExternalVersionIdentifier", row["ExternalVersionIdentifier"]),
        "Feedback": before.get("Feedback", {}),
    }
    for key in ("Configuration", "Attributes"):
        if key in command or key in before:
            app[key] = command.get(key, before.get(key))
    scene.state.managed_apps[identifier] = app


def _reject(scene: Scene, wanted: Wanted, reason: RejectionReason) -> NoReturn:
    raise Refused(_rejection(wanted, reason), {"RejectionReason": _reason(scene, reason)})


def _rejection(wanted: Wanted, reason: RejectionReason) -> list[dict[str, Any]]:
    texts = {"AppAlreadyInstalled": "is already installed.", "AppAlreadyQueued": "is already scheduled for management."}
    text = texts.get(reason, f"could not be installed: {reason}.")
    return mdm_error(REJECTION_CODES.get(reason, OTHER_REJECTION), f"The app “{wanted.identifier}” {text}")


def _reason(scene: Scene, reason: RejectionReason) -> str:
    """Macs have one reason for everything."""
    return "Other" if scene.is_mac else reason
