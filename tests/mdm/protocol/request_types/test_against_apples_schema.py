"""The catalogue against Apple's device-management schema, where a copy of it stands beside the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mdm.protocol.request_types import REQUEST_TYPES, Parameter, Platform, RequestType, Support

yaml = pytest.importorskip("yaml")

COMMANDS = Path(__file__).resolve().parents[5] / "shared" / "apple" / "mdm" / "commands"
pytestmark = pytest.mark.skipif(not COMMANDS.is_dir(), reason="Apple's schema is not here")

# The schema says nothing about it; Apple took these away in OS 27.
REMOVED_IN_27 = {"AvailableOSUpdates", "ScheduleOSUpdate", "ScheduleOSUpdateScan", "OSUpdateStatus"}

# What an absent word means.
USUAL = {
    "accessrights": "None",
    "supervised": False,
    "requiresdep": False,
    "devicechannel": True,
    "userchannel": False,
    "userenrollment": {"mode": "allowed"},
    "sharedipad": {"mode": "allowed", "devicechannel": True, "userchannel": False},
}

Support_ = dict[str, Any] | None


@pytest.fixture(scope="module")
def schema() -> dict[str, dict[str, Any]]:
    files = [yaml.safe_load(file.read_text()) for file in sorted(COMMANDS.glob("*.yaml"))]
    return {file["payload"]["requesttype"]: file for file in files}


def narrowed(above: Support_, said: dict[str, Any]) -> Support_:
    """One platform of a supportedOS block laid over that of the level above."""
    if above is None or said.get("introduced") == "n/a":
        return None
    merged = {**above, **said}
    for block in ("sharedipad", "userenrollment"):
        merged[block] = {**above[block], **said.get(block, {})}
    return merged


def of_request(file: dict[str, Any]) -> dict[Platform, Support_]:
    supported = file["payload"]["supportedOS"]
    return {one: narrowed(USUAL, supported.get(one.value, {"introduced": "n/a"})) for one in Platform}


def facts(apple: dict[str, Any], platform: Platform) -> dict[str, Any]:
    """Apple's support in the catalogue's words; user enrollment and Shared iPad only where they exist."""
    right = apple["accessrights"]
    found = {
        "introduced": str(apple["introduced"]),
        "deprecated": apple.get("deprecated") and str(apple["deprecated"]),
        "removed": apple.get("removed") and str(apple["removed"]),
        "access_right": "" if right in ("None", "n/a") else right,
        "supervised": apple["supervised"],
        "requires_dep": apple["requiresdep"],
        "device_channel": apple["devicechannel"],
        "user_channel": apple["userchannel"],
    }
    if platform not in (Platform.TVOS, Platform.WATCHOS):
        found["user_enrollment"] = apple["userenrollment"]["mode"]
    if platform is Platform.IOS:
        shared = apple["sharedipad"]
        found["shared_ipad"] = (shared["mode"], shared["devicechannel"], shared["userchannel"])
    return found


def ours(support: Support, names: Iterator[str]) -> dict[str, Any]:
    said = {name: getattr(support, name) for name in names}
    if "shared_ipad" in said:
        said["shared_ipad"] = (
            support.shared_ipad.mode,
            support.shared_ipad.device_channel,
            support.shared_ipad.user_channel,
        )
    return said


def pairs(
    parameters: tuple[Parameter, ...],
    keys: list[dict[str, Any]],
    path: str,
    above: dict[Platform, Support_],
    own: dict[Platform, Support | None],
) -> Iterator[tuple[str, Parameter, dict[str, Any], dict[Platform, Support_], dict[Platform, Support | None]]]:
    """Every parameter beside Apple's key, at all depths, with both sides' complete support."""
    by_key = {parameter.key: parameter for parameter in parameters}
    assert len(by_key) == len(parameters), f"{path}: a key stands twice"
    assert set(by_key) == {key["key"] for key in keys}, path
    for key in keys:
        parameter = by_key[key["key"]]
        apples = {one: narrowed(above[one], key.get("supportedOS", {}).get(one.value, {})) for one in Platform}
        mine = {one: parameter.support(one, own[one]) if own[one] is not None else None for one in Platform}
        place = f"{path}.{parameter.key}"
        yield place, parameter, key, apples, mine
        yield from pairs(parameter.children, key.get("subkeys", []), place, apples, mine)


def all_pairs(schema: dict[str, dict[str, Any]]) -> Iterator[Any]:
    for name, definition in REQUEST_TYPES.items():
        own = {one: definition.support(one) for one in Platform}
        keys = schema[name].get("payloadkeys") or []
        yield from pairs(definition.parameters, keys, name, of_request(schema[name]), own)


def check_support(place: str, apples: dict[Platform, Support_], mine: dict[Platform, Support | None]) -> None:
    for platform in Platform:
        apple, own = apples[platform], mine[platform]
        available = own is not None and own.is_available
        assert available == (apple is not None), f"{place} on {platform}"
        if apple is not None and own is not None:
            expected = facts(apple, platform)
            assert ours(own, iter(expected)) == expected, f"{place} on {platform}"


def test_the_request_types_are_apples(schema):
    assert set(REQUEST_TYPES) == set(schema)
    assert len(REQUEST_TYPES) == 68


def test_platforms_versions_rights_and_channels_of_request_types_are_apples(schema):
    for name, definition in REQUEST_TYPES.items():
        check_support(name, of_request(schema[name]), {one: definition.support(one) for one in Platform})


def test_there_are_no_more_and_no_fewer_parameters(schema):
    assert len(list(all_pairs(schema))) == 347


def test_types_and_presence_are_apples(schema):
    for place, parameter, key, *_ in all_pairs(schema):
        if ".Queries.QueriesItem." in place:
            continue  # values, whose presence means nothing
        assert f"<{parameter.type}>" == key["type"], place
        assert parameter.required == (key.get("presence") == "required"), place


def test_choices_ranges_and_defaults_are_apples(schema):
    for place, parameter, key, *_ in all_pairs(schema):
        assert list(parameter.choices) == key.get("rangelist", []), place
        assert parameter.default == key.get("default"), place
        if "range" in key:
            assert (parameter.minimum, parameter.maximum) == (key["range"].get("min"), key["range"].get("max")), place


def test_platforms_versions_rights_and_channels_of_parameters_are_apples(schema):
    for place, _, _, apples, mine in all_pairs(schema):
        check_support(place, apples, mine)


def test_answers_are_apples(schema):
    for name, definition in REQUEST_TYPES.items():
        assert list(definition.answers) == [key["key"] for key in schema[name].get("responsekeys") or []], name


def test_the_update_commands_are_gone_in_27(schema):
    removed: dict[str, RequestType] = {n: d for n, d in REQUEST_TYPES.items() if d.removed_in}
    assert set(removed) == REMOVED_IN_27
    assert {definition.removed_in for definition in removed.values()} == {"27"}


def test_our_words_are_not_apples(schema):
    """Labels, summaries and help are our own: no sentence of the schema appears in them."""
    said = {text for file in schema.values() for text in _texts(file)}
    for name, definition in REQUEST_TYPES.items():
        assert definition.summary not in said, name
    for place, parameter, *_ in all_pairs(schema):
        assert not parameter.help or parameter.help not in said, place


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("content", "description") and isinstance(value, str):
                yield " ".join(value.split())
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
