"""Declarative management as a device does it: fetch what changed, report what it has (Apple, "Integrating Declarative
Management")."""

import json
from typing import Any

from mdm.virtual.channel import ManagementChannel
from mdm.virtual.errors import DeviceError, ServerRefused
from mdm.virtual.scene import Scene

NOT_FOUND = 404
KINDS = {
    "Activations": "activation",
    "Assets": "asset",
    "Configurations": "configuration",
    "Management": "management",
}


def synchronize(channel: ManagementChannel, scene: Scene) -> bool:
    """One round: tokens, then, if they changed, items, declarations, status. True when anything changed."""
    state = scene.state
    token = _json(channel.declarative("tokens")).get("SyncTokens", {}).get("DeclarationsToken", "")
    if token and token == state.declarations_token:
        return False
    manifest = _json(channel.declarative("declaration-items"))
    wanted: dict[str, dict[str, Any]] = {}
    for group, kind in KINDS.items():
        for item in manifest.get("Declarations", {}).get(group, []):
            wanted[item["Identifier"]] = _declaration(channel, scene, kind, item)
    state.declarations = wanted
    state.declarations_token = manifest.get("DeclarationsToken", token)
    channel.declarative("status", json.dumps(status_report(scene)).encode())
    return True


def _declaration(channel: ManagementChannel, scene: Scene, kind: str, item: dict[str, Any]) -> dict[str, Any]:
    identifier, server_token = item["Identifier"], item["ServerToken"]
    known = scene.state.declarations.get(identifier)
    if known and known["server_token"] == server_token and known["is_valid"]:
        return known
    row = {"kind": kind, "server_token": server_token, "is_valid": True}
    try:
        row["content"] = channel.declarative(f"declaration/{kind}/{identifier}")
        _json(row["content"])
    except ServerRefused as refusal:
        if refusal.status_code != NOT_FOUND:
            raise
        # Listed but not served: the device reports the declaration as invalid.
        row["is_valid"] = False
    return row


def status_report(scene: Scene) -> dict[str, Any]:
    facts, state = scene.facts, scene.state
    groups: dict[str, list[dict[str, Any]]] = {"activations": [], "assets": [], "configurations": [], "management": []}
    plural = {"activation": "activations", "asset": "assets", "configuration": "configurations"}
    for identifier, row in state.declarations.items():
        groups[plural.get(row["kind"], "management")].append(
            {
                "identifier": identifier,
                "server-token": row["server_token"],
                "active": row["is_valid"],
                "valid": "valid" if row["is_valid"] else "invalid",
            }
        )
    family = "macOS" if scene.is_mac else "iOS"
    system = {"version": state.os_version, "build-version": state.build_version, "family": family}
    model = {"identifier": facts.model.product_name, "family": facts.model.model_name}
    device = {
        "identifier": {"serial-number": facts.serial, "udid": facts.udid},
        "model": model,
        "operating-system": system,
    }
    items: dict[str, Any] = {"device": device, "management": {"declarations": groups}}
    if not scene.is_mac:
        items["passcode"] = {"is-present": state.passcode_present, "is-compliant": True}
    return {"StatusItems": items, "Errors": []}


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError as error:
        raise DeviceError(f"declarative management: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise DeviceError("declarative management: not a JSON object")
    return content
