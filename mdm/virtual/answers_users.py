"""Setup Assistant and the users of Macs and Shared iPads."""

import uuid

from mdm.virtual.error_chains import BadFormat, Refused, link, mdm_error
from mdm.virtual.scene import CommandKeys, Response, Scene
from mdm.virtual.state import FIRST_NAMES, mac_user

FIRST_UID = 501


def account_configuration(scene: Scene, command: CommandKeys) -> Response:
    """Macs in Setup Assistant only; creates the administrator that the command describes."""
    state = scene.state
    if not state.awaiting_configuration:
        raise Refused([link("MDMClientError", 100, "The Mac is not awaiting configuration.")])
    state.account_configuration = {key: value for key, value in command.items() if key != "RequestType"}
    for account in command.get("AutoSetupAdminAccounts", []):
        if "shortName" not in account:
            raise BadFormat
        guid = str(uuid.UUID(int=scene.rng.getrandbits(128), version=4)).upper()
        state.admin_accounts.append({**account, "GUID": guid})
        full_name = account.get("fullName", account["shortName"])
        user = mac_user(account["shortName"], full_name, _next_uid(scene), scene.rng, False)
        state.users[account["shortName"]] = user | {"UserGUID": guid}
    return {}


def _next_uid(scene: Scene) -> int:
    return max((user["UID"] for user in scene.state.users.values()), default=FIRST_UID - 1) + 1


def device_configured(scene: Scene, command: CommandKeys) -> Response:
    """The person goes on, on a Mac to the account that is to be theirs."""
    state = scene.state
    if state.awaiting_configuration and scene.is_mac and not any(user["IsLoggedIn"] for user in state.users.values()):
        _make_primary_account(scene)
    state.awaiting_configuration = False
    return {}


def _make_primary_account(scene: Scene) -> None:
    """With the names that AccountConfiguration gave, or some that the person thinks of; none where it said so."""
    state = scene.state
    said = state.account_configuration or {}
    if said.get("SkipPrimarySetupAccountCreation"):
        return
    full_name = said.get("PrimaryAccountFullName") or scene.rng.choice(FIRST_NAMES)
    short_name = said.get("PrimaryAccountUserName") or full_name.replace(" ", "").lower()
    user = mac_user(short_name, full_name, _next_uid(scene), scene.rng, True)
    state.users[short_name] = user | {"IsAdmin": not said.get("SetPrimarySetupAccountAsRegularUser", False)}


def user_configured(scene: Scene, command: CommandKeys) -> Response:
    scene.state.user_channels.get(scene.user or "", {}).pop("awaiting_configuration", None)
    return {}


def user_list(scene: Scene, command: CommandKeys) -> Response:
    return {"Users": list(scene.state.users.values())}


def delete_user(scene: Scene, command: CommandKeys) -> Response:
    users = scene.state.users
    if command.get("DeleteAllUsers") and not scene.is_mac:
        scene.state.users = {name: user for name, user in users.items() if user["IsLoggedIn"]}
        return {}
    if "UserName" not in command:
        raise BadFormat
    user = _existing(scene, command["UserName"])
    scene.refuse_unless(not user["IsLoggedIn"], 12072, f"The user “{user['UserName']}” is logged in.")
    is_clean = command.get("ForceDeletion") or not user.get("HasDataToSync")
    scene.refuse_unless(is_clean, 12073, f"The user “{user['UserName']}” has data to sync.")
    del users[user["UserName"]]
    return {}


def log_out_user(scene: Scene, command: CommandKeys) -> Response:
    for user in scene.state.users.values():
        user["IsLoggedIn"] = False
    return {}


def unlock_user_account(scene: Scene, command: CommandKeys) -> Response:
    _existing(scene, command["UserName"])
    return {}


def _existing(scene: Scene, name: str) -> dict:
    if name not in scene.state.users:
        raise Refused(mdm_error(12071, f"The user “{name}” does not exist."))
    return scene.state.users[name]
