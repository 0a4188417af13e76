"""Apps and books: list, remove, configure; how apps get there is in `answers_installs`."""

from typing import Any

from mdm.virtual import installing
from mdm.virtual.error_chains import BadFormat, Refused, app_not_managed
from mdm.virtual.scene import CommandKeys, Response, Scene


def installed_application_list(scene: Scene, command: CommandKeys) -> Response:
    rows = installing.listed_apps(scene.state, is_mac=scene.is_mac)
    if command.get("ManagedAppsOnly"):
        rows = [row for row in rows if installing.is_managed(scene.state, row["Identifier"])]
    if "Identifiers" in command:
        rows = [row for row in rows if row["Identifier"] in command["Identifiers"]]
    if "Items" in command and not scene.is_mac:
        keep = {"Identifier", *command["Items"]}
        rows = [{key: value for key, value in row.items() if key in keep} for row in rows]
    return {"InstalledApplicationList": rows}


def managed_application_list(scene: Scene, command: CommandKeys) -> Response:
    wanted = command.get("Identifiers")
    rows = {
        identifier: _managed_row(scene, app)
        for identifier, app in scene.state.managed_apps.items()
        if wanted is None or identifier in wanted
    }
    installing.forget_reported(scene.state, rows)
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


def remove_application(scene: Scene, command: CommandKeys) -> Response:
    identifier = command["Identifier"]
    if not installing.is_managed(scene.state, identifier):
        raise Refused(app_not_managed(identifier))
    installing.forget_app(scene.state, identifier)
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
