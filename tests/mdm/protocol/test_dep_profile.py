"""Apple's enrollment profile: the table of its keys, the panes of Setup Assistant, and what is refused before Apple does."""

import base64
from pathlib import Path

import pytest
import yaml

from mdm.common import certs
from mdm.protocol.dep_profile import CHOSEN, KEYS, Kind, Section, complete, default_options, profile_for_apple
from mdm.protocol.dep_profile_checks import MAX_CERTIFICATES, faults
from mdm.protocol.setup_panes import PANES, PLATFORMS, panes_of

# Apple's own list, where a checkout of it lies beside the project.
APPLES = Path(__file__).resolve().parents[4] / "shared/apple/other/skipkeys.yaml"
NAMED = {"profile_name": "Office"}
URL = "https://mdm.example.com/e/ade/T"
# Source: Apple, "Profile".
APPLES_KEYS = {
    "allow_pairing", "anchor_certs", "auto_advance_setup", "await_device_configured", "configuration_web_url", "department",
    "devices", "do_not_use_profile_from_backup", "is_mandatory", "is_mdm_removable", "is_multi_user", "is_return_to_service",
    "is_supervised", "language", "org_magic", "profile_name", "region", "skip_setup_items", "supervising_host_certs",
    "support_email_address", "support_phone_number", "url",
}  # fmt: skip


def certificate() -> str:
    made = certs.create_ca("A", organization="B", key=certs.new_rsa_key())
    return base64.b64encode(made.public_bytes(certs.Encoding.DER)).decode()


class TestKeys:
    def test_all_of_apples_and_none_else(self) -> None:
        assert set(KEYS) == APPLES_KEYS

    def test_those_that_people_do_not_choose(self) -> None:
        assert set(KEYS) - set(CHOSEN) == {"url", "configuration_web_url", "devices"}

    def test_each_has_words_and_platforms_that_exist(self) -> None:
        for key in KEYS.values():
            assert key.label
            assert set(key.platforms) <= set(PLATFORMS)
            assert set(key.ignored_from) <= set(key.platforms)
            assert key.section in Section
            assert bool(key.max_length) == (key.kind == Kind.TEXT)

    def test_what_new_settings_begin_with_is_taken_once_it_has_a_name(self) -> None:
        assert set(faults(default_options())) == {"profile_name"}
        assert faults(default_options() | NAMED) == {}

    def test_defaults_are_nobodys_to_change(self) -> None:
        default_options()["skip_setup_items"].append("Siri")
        assert default_options()["skip_setup_items"] == []


class TestPanes:
    def test_every_pane_has_words_and_somebody_who_shows_it(self) -> None:
        for pane in PANES.values():
            assert pane.label
            assert set(pane.since) <= set(PLATFORMS)
            assert set(pane.until) | pane.not_always <= set(pane.since)
        assert len({pane.label for pane in PANES.values()}) == len(PANES)

    def test_those_of_a_platform(self) -> None:
        keys = [pane.key for pane in panes_of("tvOS")]
        assert "TVRoom" in keys
        assert "FileVault" not in keys

    @pytest.mark.skipif(not APPLES.exists(), reason="Apple's list is not there")
    def test_they_are_apples(self) -> None:
        said = yaml.safe_load(APPLES.read_text())
        usual = said["payload"]["supportedOS"]
        assert list(PANES) == [key["key"] for key in said["payloadkeys"]]
        for key in said["payloadkeys"]:
            pane = PANES[key["key"]]
            support = {one: usual[one] | (key.get("supportedOS") or {}).get(one, {}) for one in PLATFORMS}
            shown = {one: facts for one, facts in support.items() if facts["introduced"] != "n/a"}
            assert pane.since == {one: facts["introduced"] for one, facts in shown.items()}, pane.key
            ends = {one: facts.get("deprecated", facts.get("removed")) for one, facts in shown.items()}
            assert pane.until == {one: version for one, version in ends.items() if version}, pane.key
            early = {one for one, facts in shown.items() if facts.get("always-skippable", True) is False}
            assert pane.not_always == early, pane.key


class TestFaults:
    @pytest.mark.parametrize(
        ("options", "name", "words"),
        [
            ({"profile_name": ""}, "profile_name", "needed"),
            ({"profile_name": "x" * 126}, "profile_name", "at most 125"),
            ({"profile_name": "two\nlines"}, "profile_name", "one line"),
            ({"profile_name": 7}, "profile_name", "one line"),
            ({"department": "x" * 126}, "department", "at most 125"),
            ({"support_phone_number": "1" * 51}, "support_phone_number", "at most 50"),
            ({"support_email_address": "x" * 242 + "@acme.org"}, "support_email_address", "at most 250"),
            ({"support_email_address": "nobody"}, "support_email_address", "no e-mail"),
            ({"org_magic": "x" * 257}, "org_magic", "at most 256"),
            ({"language": "English"}, "language", "at most 3"),
            ({"language": "EN"}, "language", "small letters"),
            ({"region": "us"}, "region", "capital letters"),
            ({"is_supervised": "yes"}, "is_supervised", "on or off"),
            ({"is_supervised": None}, "is_supervised", "on or off"),
            ({"skip_setup_items": ["Nothing"]}, "skip_setup_items", "no pane called Nothing"),
            ({"skip_setup_items": "Siri"}, "skip_setup_items", "list of panes"),
            ({"anchor_certs": ["AAAA"]}, "anchor_certs", "Certificate 1 cannot be read"),
            ({"anchor_certs": [7]}, "anchor_certs", "list of certificates"),
            ({"anchor_certs": [""] * (MAX_CERTIFICATES + 1)}, "anchor_certs", "At most"),
            ({"url": URL}, "url", "no such key"),
            ({"is_supervised": False}, "is_mdm_removable", "Only supervised"),
            ({"auto_advance_setup": True, "language": "en"}, "region", "needs language and region"),
        ],
    )
    def test_each_in_a_sentence(self, options: dict, name: str, words: str) -> None:
        found = faults(NAMED | options)
        assert list(found) == [name]
        assert words in found[name]

    def test_right_ones_pass(self) -> None:
        given = {
            "is_supervised": True,
            "is_mdm_removable": False,
            "auto_advance_setup": True,
            "language": "haw",
            "region": "US",
            "skip_setup_items": list(PANES),
            "anchor_certs": [certificate()],
            "support_email_address": "it@example.com",
        }
        assert faults(NAMED | given) == {}

    def test_a_removable_management_needs_no_supervision(self) -> None:
        assert faults(NAMED | {"is_supervised": False, "is_mdm_removable": True}) == {}


class TestForApple:
    def test_switches_are_said_and_empty_texts_left_out(self) -> None:
        sent = profile_for_apple(NAMED | {"department": ""}, url=URL)
        assert sent["url"] == URL
        assert sent["is_mdm_removable"] is False
        assert "department" not in sent
        assert "configuration_web_url" not in sent
        assert sent["skip_setup_items"] == []
        assert set(sent) <= APPLES_KEYS

    def test_the_order_of_the_panes_makes_no_difference(self) -> None:
        one, other = (
            profile_for_apple({"skip_setup_items": items}, url=URL) for items in (["TOS", "Siri"], ["Siri", "TOS"])
        )
        assert one == other

    def test_what_is_unknown_is_not_sent(self) -> None:
        assert "strange" not in profile_for_apple({"strange": True}, url=URL)
        assert complete({"strange": True}) == default_options()
