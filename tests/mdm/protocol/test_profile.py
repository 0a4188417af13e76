import hashlib
from pathlib import Path

import pytest
import yaml

from mdm.protocol.profile import (
    configuration,
    mdm_payload,
    payload,
    root_certificate_payload,
    scep_payload,
    stable_uuid,
)
from tests.mdm.protocol.profiles import read_profile

APPLE = Path(__file__).parents[4] / "shared" / "apple" / "mdm" / "profiles"


def enrollment_payloads(**overrides):
    identity = stable_uuid("account", 1, "scep")
    certificate = root_certificate_payload(
        b"DER", identifier="org.example.ca", uuid=stable_uuid("ca"), file_name="ca.cer"
    )
    scep = scep_payload(
        identifier="org.example.scep",
        uuid=identity,
        url="https://mdm.example/scep",
        challenge="one-time",
        subject=[("O", "Example"), ("CN", "Device")],
        name="Example",
        ca_fingerprint=hashlib.sha1(b"DER").digest(),
    )
    mdm = mdm_payload(
        identifier="org.example.mdm",
        uuid=stable_uuid("mdm"),
        server_url="https://mdm.example/mdm/connect",
        check_in_url="https://mdm.example/mdm/checkin",
        topic="com.apple.mgmt.External.0",
        identity_certificate_uuid=identity,
        **overrides,
    )
    return certificate, scep, mdm


class TestBuilders:
    def test_an_enrollment_profile(self):
        data = configuration(
            "org.example",
            stable_uuid("profile"),
            "Management",
            enrollment_payloads(),
            organization="Example",
            description="…",
        )
        profile = read_profile(data)
        assert profile["PayloadType"] == "Configuration"
        assert (profile["PayloadVersion"], profile["PayloadScope"], profile["PayloadRemovalDisallowed"]) == (
            1,
            "System",
            False,
        )
        certificate, scep, mdm = profile["PayloadContent"]
        assert certificate["PayloadContent"] == b"DER"
        assert scep["PayloadContent"]["Subject"] == [[["O", "Example"]], [["CN", "Device"]]]
        assert (scep["PayloadContent"]["Keysize"], scep["PayloadContent"]["Key Usage"]) == (2048, 5)
        assert mdm["IdentityCertificateUUID"] == scep["PayloadUUID"]
        assert (mdm["AccessRights"], mdm["SignMessage"], mdm["CheckOutWhenRemoved"]) == (8191, True, True)
        assert "com.apple.mdm.per-user-connections" in mdm["ServerCapabilities"]

    def test_a_user_enrollment_has_no_access_rights(self):
        *_, mdm = enrollment_payloads(managed_apple_id="robin@example.org")
        assert mdm["ManagedAppleID"] == "robin@example.org"
        assert "AccessRights" not in mdm
        *_, mdm = enrollment_payloads(
            is_user_enrollment=True, assigned_managed_apple_id="robin@example.org", enrollment_mode="BYOD"
        )
        assert (mdm["AssignedManagedAppleID"], mdm["EnrollmentMode"]) == ("robin@example.org", "BYOD")
        assert "AccessRights" not in mdm

    @pytest.mark.parametrize("rights", [0, -1, 8192, 2, 128])
    def test_access_rights_that_apple_refuses(self, rights):
        with pytest.raises(ValueError, match=r"[Aa]ccess right"):
            enrollment_payloads(access_rights=rights)

    def test_nothing_is_sent_for_what_was_not_given(self):
        assert payload("t", "i", "u", "n", Given=False, Left=None) == {
            "PayloadType": "t",
            "PayloadVersion": 1,
            "PayloadIdentifier": "i",
            "PayloadUUID": "u",
            "PayloadDisplayName": "n",
            "Given": False,
        }
        scep = scep_payload(identifier="i", uuid="u", url="https://x", challenge="c", subject=[])
        assert not {"CAFingerprint", "Name"} & set(scep["PayloadContent"])

    def test_uuids_are_stable_upper_case_and_distinct(self):
        assert stable_uuid("a", 1) == stable_uuid("a", 1) == stable_uuid("a", "1")
        assert stable_uuid("a", 1) == stable_uuid("a", 1).upper()
        assert len({stable_uuid("a", "b"), stable_uuid("ab"), stable_uuid("a", "b", ""), stable_uuid("b", "a")}) == 4

    @pytest.mark.skipif(not APPLE.is_dir(), reason="Apple's schema is not here")
    def test_every_key_is_in_apples_schema(self):
        def keys(name):
            return yaml.safe_load((APPLE / f"{name}.yaml").read_text())["payloadkeys"]

        common = {"PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID", "PayloadDisplayName"}
        certificate, scep, mdm = enrollment_payloads(
            assigned_managed_apple_id="a", enrollment_mode="BYOD", managed_apple_id="b"
        )
        assert set(mdm) - common <= {item["key"] for item in keys("com.apple.mdm")}
        assert set(certificate) - common <= {item["key"] for item in keys("com.apple.security.root")}
        assert set(scep["PayloadContent"]) <= {item["key"] for item in keys("com.apple.security.scep")[0]["subkeys"]}
        top = read_profile(configuration("i", "u", "n", [], organization="o", description="d"))
        assert set(top) <= {item["key"] for item in keys("TopLevel")}
