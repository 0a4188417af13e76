"""What an .ipa says of itself, and every way in which it can be wrong."""

import io
import struct
import zipfile
from datetime import UTC, datetime

import pytest

from apps_catalog.packages import BadPackage, PackageFacts, inspect
from apps_catalog.packages.ipa import MAX_INFO_BYTES
from tests.factories.packages import build_ipa, build_provisioning, build_zip

INFO = "Payload/Surf.app/Info.plist"


def read(data: bytes, name: str = "Surf.ipa") -> PackageFacts:
    return inspect(io.BytesIO(data), name)


def refusal(data: bytes) -> str:
    with pytest.raises(BadPackage) as caught:
        read(data)
    return str(caught.value)


@pytest.mark.parametrize("binary", [False, True])
def test_an_app_tells_what_it_is(binary):
    facts = read(build_ipa(binary_plist=binary))
    assert (facts.kind, facts.platform, facts.is_signed) == ("ipa", "iOS", None)
    assert (facts.bundle_identifier, facts.title) == ("com.example.surf", "Surf Report")
    assert (facts.version, facts.short_version, facts.minimum_os_version) == ("22", "2.2", "15.0")
    assert facts.details["device_families"] == [1, 2]


def test_the_title_is_the_bundle_name_or_the_folder_without_a_display_name():
    assert read(build_ipa(info={"CFBundleDisplayName": None})).title == "Surf"
    assert read(build_ipa(info={"CFBundleDisplayName": " ", "CFBundleName": 7})).title == "Surf"


@pytest.mark.parametrize(
    ("info", "platform"),
    [
        ({"CFBundleSupportedPlatforms": ["AppleTVOS"]}, "tvOS"),
        ({"CFBundleSupportedPlatforms": None, "DTPlatformName": "appletvos"}, "tvOS"),
        ({"CFBundleSupportedPlatforms": None, "UIDeviceFamily": [3]}, "tvOS"),
        ({"CFBundleSupportedPlatforms": None, "UIDeviceFamily": None}, "iOS"),
        ({"CFBundleSupportedPlatforms": "iPhoneOS", "UIDeviceFamily": 1}, "iOS"),
        ({"CFBundleSupportedPlatforms": [1, {}], "UIDeviceFamily": [{}, "1", 99, True]}, "iOS"),
    ],
)
def test_the_platform(info, platform):
    assert read(build_ipa(info=info)).platform == platform


@pytest.mark.parametrize("name", ["iPhoneSimulator", "MacOSX", "WatchOS", "XROS"])
def test_apps_for_other_platforms_are_refused(name):
    assert "This app was built for" in refusal(build_ipa(info={"CFBundleSupportedPlatforms": [name]}))


def test_the_provisioning_profile_is_read():
    facts = read(build_ipa(provisioning=build_provisioning(ProvisionsAllDevices=False, ProvisionedDevices=["a"])))
    assert facts.details["provisioning"] == {
        "name": "Surf In-House",
        "team": "Portland Surf Club",
        "expires_at": "2099-01-01T00:00:00+00:00",
        "all_devices": False,
        "devices": 1,
    }
    assert facts.details["warnings"] == []


def test_an_expired_a_missing_and_an_unreadable_provisioning_profile_make_warnings():
    expired = read(build_ipa(provisioning=build_provisioning(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))).details
    assert "expired on 2020-01-01" in expired["warnings"][0]
    assert "no provisioning profile" in read(build_ipa()).details["warnings"][0]
    unreadable = read(build_ipa(provisioning=b"nonsense")).details
    assert "cannot be read" in unreadable["warnings"][0]
    assert unreadable["provisioning"] is None


@pytest.mark.parametrize("identifier", [None, "", 7, "com example", "../etc", "ö.example", "a" * 256, "com.example/x"])
def test_an_app_without_a_proper_identifier_is_refused(identifier):
    assert "identifier" in refusal(build_ipa(info={"CFBundleIdentifier": identifier}))


def test_long_texts_are_cut_to_what_the_database_holds():
    facts = read(build_ipa(name="x" * 1000, version="1" * 1000, info={"MinimumOSVersion": "9" * 1000}))
    assert (len(facts.title), len(facts.version), len(facts.minimum_os_version)) == (255, 100, 32)


def test_a_zip_without_an_app_is_refused():
    assert "without an app in a Payload folder" in refusal(build_zip({"README": b"x", "Payload/Info.plist": b"x"}))
    assert "no Info.plist" in refusal(build_zip({"Payload/Surf.app/Surf": b"x"}))


def test_several_apps_are_refused():
    other = build_ipa(files={"Payload/Other.app/Info.plist": b"x"})
    assert "several apps" in refusal(other)


def test_bundles_inside_the_app_do_not_count():
    inner = {"Payload/Surf.app/PlugIns/Widget.appex/Info.plist": b"x", "Payload/Surf.app/Watch/W.app/Info.plist": b"x"}
    assert read(build_ipa(files=inner)).bundle_identifier == "com.example.surf"


@pytest.mark.parametrize("name", ["../outside", "Payload/../../x", "/etc/passwd"])
def test_paths_that_leave_the_archive_are_refused(name):
    assert "lie outside of it" in refusal(build_ipa(files={name: b"x"}))


def test_an_info_plist_given_twice_is_refused():
    stream = io.BytesIO(build_ipa())
    with zipfile.ZipFile(stream, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(INFO, b"another")
    assert "Info.plist twice" in refusal(stream.getvalue())


def test_an_encrypted_archive_is_refused():
    data = bytearray(build_ipa())
    at = data.rfind(b"PK\1\2")
    data[at + 8] |= 1
    assert "encrypted" in refusal(bytes(data))


def test_a_name_that_differs_between_table_and_content_is_refused():
    data = build_ipa()
    assert "damaged" in refusal(data.replace(b"Payload/Surf.app/Info.plist", b"Payload/Surf.app/Info.plisT", 1))


def test_a_bomb_that_says_so_is_refused():
    assert refusal(build_zip({INFO: bytes(MAX_INFO_BYTES + 1)})) == (
        f"Info.plist of this file is larger than {MAX_INFO_BYTES} bytes."
    )


def test_a_bomb_that_lies_about_its_size_is_refused():
    data = bytearray(build_zip({INFO: bytes(64 * 1024 * 1024)}))
    struct.pack_into("<L", data, data.rfind(b"PK\1\2") + 24, 1000)
    assert f"larger than {MAX_INFO_BYTES} bytes" in refusal(bytes(data))


def test_content_that_does_not_fit_its_checksum_is_refused():
    data = bytearray(build_ipa())
    struct.pack_into("<L", data, data.find(b"PK\1\2") + 16, 1)
    assert refusal(bytes(data)) == "Info.plist of this file is damaged."


def test_stored_entries_are_read_and_strange_compressions_refused():
    content = zipfile.ZipFile(io.BytesIO(build_ipa())).read(INFO)
    assert read(build_zip({INFO: content}, compression=zipfile.ZIP_STORED)).title == "Surf Report"
    assert "compressed in a way" in refusal(build_zip({INFO: content}, compression=zipfile.ZIP_LZMA))


@pytest.mark.parametrize("content", [b"", b"<html>", b"<plist version='1.0'><array/></plist>", b"bplist00nonsense"])
def test_an_info_plist_that_is_none_is_refused(content):
    assert "Info.plist" in refusal(build_zip({INFO: content}))


def test_an_info_plist_with_entities_is_refused():
    bomb = b'<!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><plist><dict><key>&b;</key><true/></dict></plist>'
    assert "entities of its own" in refusal(build_zip({INFO: bomb}))


def test_a_cut_off_archive_is_refused_wherever_it_was_cut():
    data = build_ipa()
    for length in range(4, len(data) - 1, 7):
        with pytest.raises(BadPackage):
            read(data[:length])
    assert "cut off" in refusal(data[: len(data) // 2])


def test_an_archive_in_the_large_form_is_read():
    """Zip64: every number that may stand in the large records does."""
    stream = io.BytesIO()
    content = zipfile.ZipFile(io.BytesIO(build_ipa())).read(INFO)
    with zipfile.ZipFile(stream, "w", allowZip64=True) as archive, archive.open(INFO, "w", force_zip64=True) as entry:
        entry.write(content)
    data = stream.getvalue()
    directory = data.rfind(b"PK\1\2")
    extra = struct.pack("<2H3Q", 1, 24, len(content), len(content), 0)
    entry = bytearray(data[directory : directory + 46] + INFO.encode())
    struct.pack_into("<2L", entry, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", entry, 30, len(extra))
    struct.pack_into("<L", entry, 42, 0xFFFFFFFF)
    entry += extra
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(entry), directory)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, directory + len(entry), 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    large = data[:directory] + bytes(entry) + record + locator + last
    assert zipfile.ZipFile(io.BytesIO(large)).read(INFO) == content
    assert read(large).bundle_identifier == "com.example.surf"
