"""Apps and books: install, remove, configure, list."""

import plistlib
import zlib
from collections.abc import Iterable
from typing import Any
from xml.parsers.expat import ExpatError

from mdm.virtual.app_names import app_row
from mdm.virtual.error_chains import BadFormat, Refused, app_not_managed, mdm_error
from mdm.virtual.scene import CommandKeys, Response, Scene

MANIFEST_ERRORS = (ExpatError, plistlib.InvalidFileException, ValueError, TypeError, LookupError, AttributeError)


def installed_application_list(scene: Scene, command: CommandKeys) -> Response:
    state = scene.state
    rows: Iterable[dict[str, Any]] = state.apps.values()
    if command.get("ManagedAppsOnly"):
        rows = [row for row in rows if row["Identifier"] in state.managed_apps]
    if "Identifiers" in command:
        rows = [row for row in rows if row["Identifier"] in command["Identifiers"]]
    if "Items" in command and not scene.is_mac:
        keep = {"Identifier", *command["Items"]}
        rows = [{key: value for key, value in row.items() if key in keep} for row in rows]
    return {"InstalledApplicationList": list(rows)}


def managed_application_list(scene: Scene, command: CommandKeys) -> Response:
    wanted = command.get("Identifiers")
    rows = {
        identifier: _managed_row(scene, app)
        for identifier, app in scene.state.managed_apps.items()
        if wanted is None or identifier in wanted
    }
    return {"ManagedApplicationList": rows}


def _managed_row(scene: Scene, app: dict[str, Any]) -> dict[str, Any]:
    row = {
        "Status": app["Status"],
        "ManagementFlags": app["ManagementFlags"],
        "HasConfiguration": "Configuration" in app,
        "HasFeedback": bool(app["Feedback"]),
        "ExternalVersionIdentifier": app["ExternalVersionIdentifier"],
    }
    if not scene.is_mac:
        row |= {"IsValidated": app["IsValidated"], "UnusedRedemptionCode": app.get("UnusedRedemptionCode", "")}
    return row


def install_application(scene: Scene, command: CommandKeys) -> Response:
    """From the App Store by iTunesStoreID or Identifier, or by ManifestURL. Raises Refused."""
    if "ManifestURL" in command:
        found = _from_manifest(_fetch_manifest(scene, command["ManifestURL"]))
    elif isinstance(command.get("iTunesStoreID"), int):
        identifier = f"com.appstore.id{command['iTunesStoreID']}"
        found = scene.store.get(command["iTunesStoreID"], (identifier, f"App {command['iTunesStoreID']}", "1.0"))
    elif isinstance(command.get("Identifier"), str):
        found = (command["Identifier"], command["Identifier"].rsplit(".", 1)[-1].title(), "1.0")
    else:
        raise BadFormat
    wants_code = (command.get("Options") or {}).get("PurchaseMethod") == 0 and not scene.is_mac
    if wants_code:
        _manage(scene, command, found, "NeedsRedemption")
        return {"Identifier": found[0], "State": "NeedsRedemption"}
    _install(scene, command, found)
    if scene.is_mac:
        return {"Identifier": found[0], "State": "Installing"}
    return {"Identifier": found[0], "State": "Installing" if scene.is_supervised else "Prompting"}


def install_enterprise_application(scene: Scene, command: CommandKeys) -> Response:
    manifest = command.get("Manifest")
    if manifest is None:
        if not isinstance(command.get("ManifestURL"), str):
            raise BadFormat
        manifest = _fetch_manifest(scene, command["ManifestURL"])
    _install(scene, command, _from_manifest(manifest))
    return {}


def _fetch_manifest(scene: Scene, url: str) -> dict[str, Any]:
    raw = scene.fetch(url)
    if raw is None:
        raise Refused(mdm_error(12024, f"Could not validate app manifest: {url} cannot be loaded."))
    try:
        return plistlib.loads(raw)
    except MANIFEST_ERRORS as error:
        raise Refused(mdm_error(12033, f"Invalid manifest: {error}")) from error


def _from_manifest(manifest: dict[str, Any]) -> tuple[str, str, str]:
    """(bundle identifier, title, version) of the first item."""
    try:
        item = manifest["items"][0]
        if not any(asset["kind"] == "software-package" and asset["url"] for asset in item["assets"]):
            raise LookupError("no software-package asset")
        metadata = item["metadata"]
        identifier = metadata["bundle-identifier"]
        return identifier, metadata.get("title", identifier), metadata.get("bundle-version", "1.0")
    except MANIFEST_ERRORS as error:
        raise Refused(mdm_error(12033, f"Invalid manifest: {error}")) from error


def _install(scene: Scene, command: CommandKeys, found: tuple[str, str, str]) -> None:
    identifier, name, version = found
    row = app_row(scene.platform, identifier, name, version, 120, external_version=_external_version(identifier))
    if not scene.is_mac:
        row |= {"DeviceBasedVPP": "iTunesStoreID" in command, "AppStoreVendable": "ManifestURL" not in command}
    scene.state.apps[identifier] = row
    # An iPhone manages all that it is told to install; a Mac only when told so.
    is_managed = not scene.is_mac or command.get("InstallAsManaged") or command.get("ChangeManagementState")
    if is_managed:
        _manage(scene, command, found, "Managed")


def _manage(scene: Scene, command: CommandKeys, found: tuple[str, str, str], status: str) -> None:
    before = scene.state.managed_apps.get(found[0], {})
    app = {
        "Status": status,
        "ManagementFlags": command.get("ManagementFlags", 0),
        "IsValidated": True,
        "ExternalVersionIdentifier": _external_version(found[0]),
        "Feedback": before.get("Feedback", {}),
        "Name": found[1],
        "Version": found[2],
    }
    for key in ("Configuration", "Attributes"):
        if key in command or key in before:
            app[key] = command.get(key, before.get(key))
    scene.state.managed_apps[found[0]] = app


def _external_version(identifier: str) -> int:
    return 800_000_000 + zlib.crc32(identifier.encode()) % 99_999_999


def remove_application(scene: Scene, command: CommandKeys) -> Response:
    identifier = command["Identifier"]
    if identifier not in scene.state.managed_apps:
        raise Refused(app_not_managed(identifier))
    del scene.state.managed_apps[identifier]
    scene.state.apps.pop(identifier, None)
    return {}


def apply_redemption_code(scene: Scene, command: CommandKeys) -> Response:
    identifier = command["Identifier"]
    app = scene.state.managed_apps.get(identifier)
    if app is None or app["Status"] != "NeedsRedemption":
        raise Refused(mdm_error(12028, f"The app “{identifier}” is not waiting for a redemption code."))
    _install(scene, {}, (identifier, app["Name"], app["Version"]))
    return {}


def validate_applications(scene: Scene, command: CommandKeys) -> Response:
    for identifier in command.get("Identifiers", list(scene.state.apps)):
        if identifier in scene.state.apps:
            scene.state.apps[identifier]["IsValidated"] = True
    return {}


def managed_attributes(scene: Scene, command: CommandKeys) -> Response:
    return {"ApplicationAttributes": _of_managed(scene, command, "Attributes")}


def managed_configuration(scene: Scene, command: CommandKeys) -> Response:
    return {"ApplicationConfigurations": _of_managed(scene, command, "Configuration")}


def managed_feedback(scene: Scene, command: CommandKeys) -> Response:
    rows = _of_managed(scene, command, "Feedback")
    if command.get("DeleteFeedback"):
        for row in rows:
            scene.state.managed_apps[row["Identifier"]]["Feedback"] = {}
    return {"ManagedApplicationFeedback": rows}


def _of_managed(scene: Scene, command: CommandKeys, key: str) -> list[dict[str, Any]]:
    managed = scene.state.managed_apps
    wanted = [identifier for identifier in command["Identifiers"] if identifier in managed]
    return [
        {"Identifier": identifier} | ({key: managed[identifier][key]} if managed[identifier].get(key) else {})
        for identifier in wanted
    ]


def invite_to_program(scene: Scene, command: CommandKeys) -> Response:
    if command["ProgramID"] != "com.apple.cloudvpp":
        return {"InvitationResult": "InvalidProgramID"}
    is_url = str(command["InvitationURL"]).startswith("https://")
    return {"InvitationResult": "Acknowledged" if is_url else "InvalidInvitationURL"}


def install_media(scene: Scene, command: CommandKeys) -> Response:
    echoed = {key: command[key] for key in ("iTunesStoreID", "MediaURL", "PersistentID") if key in command}
    if command["MediaType"] != "Book":
        return echoed | {"MediaType": command["MediaType"], "State": "Failed", "RejectionReason": "WrongMediaType"}
    if not echoed:
        raise BadFormat
    details = {key: command[key] for key in ("Kind", "Version", "Author", "Title") if key in command}
    is_store_book = "iTunesStoreID" in command
    book = {"iTunesStoreID": 0, **echoed, **details, "State": "Installed" if is_store_book else "Managed"}
    scene.state.media = [b for b in scene.state.media if not _same_book(b, echoed)] + [book]
    return echoed | {"MediaType": "Book", "State": "Installing"}


def managed_media_list(scene: Scene, command: CommandKeys) -> Response:
    return {"Books": [{k: v for k, v in book.items() if k != "MediaURL"} for book in scene.state.media]}


def remove_media(scene: Scene, command: CommandKeys) -> Response:
    left = [book for book in scene.state.media if not _same_book(book, command)]
    scene.refuse_unless(len(left) < len(scene.state.media), 12045, "The book is not installed.")
    scene.state.media = left
    return {}


def _same_book(book: dict[str, Any], wanted: CommandKeys) -> bool:
    """RemoveMedia names the store id as a string, InstallMedia as a number."""
    if "iTunesStoreID" in wanted:
        return str(book["iTunesStoreID"]) == str(wanted["iTunesStoreID"])
    return "PersistentID" in wanted and book.get("PersistentID") == wanted["PersistentID"]
