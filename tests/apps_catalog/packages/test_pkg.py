"""What a flat package says of itself, and every way in which it can be wrong."""

import io
import struct
import zlib

import pytest

from apps_catalog.packages import BadPackage, PackageFacts, inspect
from apps_catalog.packages.pkg import MAX_COMPONENTS, MAX_SCRIPT_BYTES
from apps_catalog.packages.xar import MAX_TOC_BYTES
from tests.factories.packages import BZIP2, GZIP, RAW, build_pkg, build_xar, distribution_script, package_info


def read(data: bytes, name: str = "Tool.pkg") -> PackageFacts:
    return inspect(io.BytesIO(data), name)


def refusal(data: bytes) -> str:
    with pytest.raises(BadPackage) as caught:
        read(data)
    return str(caught.value)


@pytest.mark.parametrize("encoding", [RAW, GZIP, "gzip", BZIP2])
def test_a_product_archive_tells_what_it_is(encoding):
    facts = read(build_pkg(encoding=encoding, signed=True))
    assert (facts.kind, facts.platform, facts.is_signed) == ("pkg", "macOS", True)
    assert (facts.bundle_identifier, facts.title) == ("com.example.tool", "Example Tool")
    assert (facts.version, facts.short_version, facts.minimum_os_version) == ("1.2.3", "1.2", "10.15")
    assert facts.details == {
        "is_distribution": True,
        "packages": [{"identifier": "com.example.tool", "version": "1.2.3"}],
        "bundles": [
            {
                "identifier": "com.example.app",
                "version": "120",
                "short_version": "1.2",
                "path": "/Applications/Example.app",
            }
        ],
        "architectures": ["x86_64", "arm64"],
        "warnings": [],
    }


def test_a_component_package_is_read_with_a_warning():
    facts = read(build_pkg(distribution=False, signed=True))
    assert (facts.bundle_identifier, facts.version, facts.title) == ("com.example.tool", "1.2.3", "Example")
    assert facts.details["is_distribution"] is False
    assert "component package" in facts.details["warnings"][0]


def test_an_unsigned_package_is_read_with_a_warning():
    facts = read(build_pkg())
    assert facts.is_signed is False
    assert "not signed" in facts.details["warnings"][0]


def test_an_empty_signature_is_none():
    toc = (
        "<xar><toc><signature><KeyInfo><X509Data><X509Certificate> </X509Certificate></X509Data></KeyInfo></signature>"
    )
    info = package_info().encode()
    file = f"<file><name>PackageInfo</name><data><length>{len(info)}</length><offset>20</offset><size>1</size></data></file>"
    assert read(build_xar([("PackageInfo", info, RAW)], toc=f"{toc}{file}</toc></xar>")).is_signed is False


def test_without_a_product_the_first_component_names_the_package():
    script = distribution_script("com.example.other", "9", "Other", product=False)
    facts = read(build_pkg(script=script))
    assert (facts.bundle_identifier, facts.version) == ("com.example.tool", "1.2.3")
    assert [package["identifier"] for package in facts.details["packages"]] == ["com.example.tool", "com.example.other"]


def test_bundles_of_a_distribution_count():
    script = (
        '<installer-script><pkg-ref id="com.example.suite"><bundle-version>'
        '<bundle id="com.example.word" CFBundleVersion="7" CFBundleShortVersionString="16.1" path="Word.app"/>'
        "</bundle-version></pkg-ref></installer-script>"
    )
    facts = read(build_xar([("Distribution", script.encode(), RAW)]))
    assert (facts.bundle_identifier, facts.version, facts.short_version) == ("com.example.suite", "", "16.1")
    assert facts.details["bundles"][0]["path"] == "/Word.app"


def test_the_lowest_system_version_counts():
    script = (
        '<installer-script><pkg-ref id="a.b"/><allowed-os-versions><os-version min="10.15"/><os-version min="10.9.5"/>'
        '<os-version/><os-version min="x"/></allowed-os-versions></installer-script>'
    )
    assert read(build_xar([("Distribution", script.encode(), RAW)])).minimum_os_version == "10.9.5"


def test_a_package_without_any_identifier_is_refused():
    empty = build_xar([("Distribution", b"<installer-script/>", RAW)])
    assert "tells no identifier" in refusal(empty)
    assert "tells no identifier" in refusal(build_xar([("PackageInfo", b"<pkg-info/>", RAW)]))


def test_an_identifier_that_is_none_is_refused():
    assert "not made of letters" in refusal(build_pkg(identifier="a b/c"))


def test_an_archive_that_is_no_package_is_refused():
    assert "no macOS package" in refusal(build_xar([("Content", b"x", RAW), ("Metadata", b"x", RAW)]))
    assert "Distribution" in refusal(build_xar([("Distribution", b"<html/>", RAW)]))
    assert "PackageInfo" in refusal(build_xar([("PackageInfo", b"<html/>", RAW)]))
    assert "is not a file" in refusal(build_xar([("Distribution", [], "")]))


def test_a_distribution_given_twice_is_refused():
    script = distribution_script("a.b", "1", "T").encode()
    assert "twice" in refusal(build_xar([("Distribution", script, RAW), ("Distribution", script, RAW)]))


def test_document_types_and_entities_are_refused():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><installer-script>&b;</installer-script>'
    assert "entities of its own" in refusal(build_pkg(script=bomb))
    outside = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><installer-script/>'
    assert "document type" in refusal(build_pkg(script=outside))
    assert "document type" in refusal(build_xar([], toc="<!DOCTYPE xar><xar><toc/></xar>"))


@pytest.mark.parametrize("script", ["", "<installer-script>", "<a></b>", "\x00", "<a>" * 100 + "</a>" * 100])
def test_broken_xml_is_refused(script):
    assert "Distribution of this file" in refusal(build_pkg(script=script))


def test_too_many_elements_are_refused():
    script = "<installer-script>" + "<a/>" * 210_000 + "</installer-script>"
    assert "more elements" in refusal(build_pkg(script=script))


@pytest.mark.parametrize("encoding", [RAW, GZIP, BZIP2])
def test_a_distribution_that_is_a_bomb_is_refused(encoding):
    nodes = [("Distribution", bytes(MAX_SCRIPT_BYTES + 1), encoding)]
    assert refusal(build_xar(nodes)) == f"Distribution of this package is larger than {MAX_SCRIPT_BYTES} bytes."


@pytest.mark.parametrize("encoding", [GZIP, BZIP2])
def test_a_distribution_that_lies_about_its_size_is_refused(encoding):
    honest = build_xar([("Distribution", bytes(MAX_SCRIPT_BYTES * 4), encoding)])
    length = struct.unpack_from(">Q", honest, 8)[0]
    toc = zlib.decompress(honest[28 : 28 + length]).decode()
    lying = toc.replace(f"<size>{MAX_SCRIPT_BYTES * 4}</size>", "<size>10</size>")
    data = build_xar([("Distribution", bytes(MAX_SCRIPT_BYTES * 4), encoding)], toc=lying)
    assert "larger than" in refusal(data)


def test_a_table_of_contents_that_is_a_bomb_is_refused():
    assert f"larger than {MAX_TOC_BYTES} bytes" in refusal(build_xar([], toc=" " * (MAX_TOC_BYTES + 1)))
    data = bytearray(build_xar([], toc=" " * (MAX_TOC_BYTES + 1)))
    struct.pack_into(">Q", data, 16, 100)
    assert f"larger than {MAX_TOC_BYTES} bytes" in refusal(bytes(data))


def test_too_many_components_are_refused():
    info = package_info().encode()
    nodes = [(f"{n}.pkg", [("PackageInfo", info, RAW)], "") for n in range(MAX_COMPONENTS + 2)]
    assert "more than" in refusal(build_xar(nodes))


def test_many_components_with_many_elements_each_are_refused():
    info = package_info().replace("</pkg-info>", "<b/>" * 60_000 + "</pkg-info>").encode()
    nodes = [(f"{n}.pkg", [("PackageInfo", info, GZIP)], "") for n in range(10)]
    assert refusal(build_xar(nodes)) == "This package describes more components than the server reads."


def test_unknown_encodings_and_damaged_data_are_refused():
    script = distribution_script("com.example.tool", "1.2.3", "Example Tool").encode()
    assert "does not know" in refusal(_with_toc([("Distribution", script, GZIP)], GZIP, "application/x-lzma"))
    assert "is damaged" in refusal(_with_toc([("Distribution", script, RAW)], RAW, GZIP))
    assert "is damaged" in refusal(_with_toc([("Distribution", script, RAW)], RAW, BZIP2))


def _with_toc(nodes, old: str, new: str) -> bytes:
    data = build_xar(nodes)
    toc = zlib.decompress(data[28 : 28 + struct.unpack_from(">Q", data, 8)[0]]).decode()
    return build_xar(nodes, toc=toc.replace(f'"{old}"', f'"{new}"'))


def test_a_table_of_contents_that_does_not_fit_its_checksum_is_refused():
    data = build_pkg()
    heap = 28 + struct.unpack_from(">Q", data, 8)[0]
    changed = data[:heap] + bytes(20) + data[heap + 20 :]
    assert refusal(changed) == "The table of contents of this file is damaged."
    assert read(build_xar([("PackageInfo", package_info().encode(), RAW)], checksum=False)).version == "1.2.3"


@pytest.mark.parametrize("number", ["", "-1", "x", "9" * 19, "١"])
def test_numbers_that_are_none_are_refused(number):
    data = (
        f"<file><name>PackageInfo</name><data><length>1</length><offset>{number}</offset><size>1</size></data></file>"
    )
    assert "no readable offset" in refusal(build_xar([], toc=f"<xar><toc>{data}</toc></xar>"))


def test_a_header_that_makes_no_sense_is_refused():
    data = bytearray(build_pkg())
    struct.pack_into(">H", data, 6, 2)
    assert "header makes no sense" in refusal(bytes(data))
    assert "is not that of a macOS package" in refusal(build_xar([], toc="<zar/>"))


def test_a_cut_off_package_is_refused_wherever_it_was_cut():
    data = build_pkg(signed=True)
    for length in range(4, len(data) - 256, 5):  # the place of the signature comes last and is not looked at
        assert "cut off" in refusal(data[:length]), length
