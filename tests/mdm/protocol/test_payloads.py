"""The table of payload types against Apple's schema, where a copy of it stands beside the repository."""

from pathlib import Path

import pytest

from mdm.protocol import payloads
from mdm.protocol.mobileconfig import read
from tests.factories import make_mobileconfig, make_payload

PROFILES = Path(__file__).resolve().parents[4] / "shared" / "apple" / "mdm" / "profiles"
# Keys that every payload and every profile has; they are no payloads of their own.
FRAMES = {"CommonPayloadKeys", "TopLevel"}


def described_by_apple() -> dict[str, set[str]]:
    """PayloadType → platforms; a type that several files describe is for the platforms of all of them."""
    yaml = pytest.importorskip("yaml")
    found: dict[str, set[str]] = {}
    for file in sorted(PROFILES.glob("*.yaml")):
        payload = yaml.safe_load(file.read_text())["payload"]
        supported = payload.get("supportedOS", {})
        platforms = {name for name, said in supported.items() if said.get("introduced") != "n/a"}
        found.setdefault(payload["payloadtype"], set()).update(platforms)
    return found


@pytest.mark.skipif(not PROFILES.is_dir(), reason="Apple's schema is not here")
def test_the_table_says_what_apple_says() -> None:
    apple = {name: platforms for name, platforms in described_by_apple().items() if platforms and name not in FRAMES}
    assert len(apple) > 100
    assert {name: set(platforms) for name, platforms in payloads.PLATFORMS.items()} == apple


def test_every_type_is_for_some_platform_that_there_is() -> None:
    known = {payloads.IOS, payloads.MAC, payloads.TV, payloads.VISION, payloads.WATCH}
    for name, platforms in payloads.PLATFORMS.items():
        assert platforms, name
        assert platforms <= known, name


def test_a_profile_is_for_a_platform_if_one_of_its_payloads_is() -> None:
    assert payloads.is_for(["com.apple.dock"], payloads.MAC)
    assert not payloads.is_for(["com.apple.dock", "com.apple.loginwindow"], payloads.IOS)
    assert payloads.is_for(["com.apple.dock", "com.apple.wifi.managed"], payloads.IOS)


def test_an_unknown_type_may_mean_something_anywhere() -> None:
    for platform in (payloads.IOS, payloads.MAC, payloads.TV):
        assert payloads.is_for(["com.example.app"], platform)
    assert not payloads.is_known("com.example.app")


def test_unknown_types_are_warned_about_once_each() -> None:
    content = make_mobileconfig(
        "a.b",
        make_payload("com.example.app"),
        make_payload("com.apple.wifi.managed"),
        make_payload("com.example.app"),
        make_payload("com.example.other"),
    )
    warnings = read(content).warnings
    assert [text.split(".")[2].split()[0] for text in warnings] == ["app", "other"]
    assert all(text.startswith("Apple describes no payload of the type com.example.") for text in warnings)


def test_of_very_many_unknown_types_the_first_are_named_and_the_others_counted() -> None:
    warnings = read(make_mobileconfig("a.b", *(make_payload(f"com.example.app{n}") for n in range(25)))).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "5 more types of its payloads are none that Apple describes."


def test_known_types_are_not_warned_about() -> None:
    content = make_mobileconfig("a.b", *(make_payload(name) for name in payloads.PLATFORMS if name != "com.apple.mdm"))
    assert read(content).warnings == ()
