"""Product archives: read by a strict reader of ours, by the readers of others, and by the one that reads uploads."""

import base64
import io
import shutil
import subprocess
import zlib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from apps_catalog.packages import pkg
from mdm.protocol.cms import verify_mdm_signature
from mdm.protocol.errors import BadSignature
from mdm.protocol.pkg import Component, Entry, PackageSigner, product_archive, tree_of
from mdm.protocol.pkg.bom import checksum
from tests.factories.installer import InstallerIdentity, make_installer_identity
from tests.mdm.protocol.pkg.reader import read_bom, read_cpio, read_xar

PROGRAM = b"#!/bin/sh\necho hello\n" * 3000
SIGNED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
COMPONENT = Component(
    identifier="com.example.agent",
    version="1.2",
    title="Agent & Co",
    files=[
        Entry("usr/local/example/agent", PROGRAM, 0o755),
        Entry("Library/LaunchDaemons/com.example.agent.plist", b"<plist/>"),
        Entry("Library/empty", b""),
    ],
    scripts={"preinstall": b"#!/bin/sh\nexit 0\n", "postinstall": b"#!/bin/sh\nexit 1\n"},
    folder="agent.pkg",
)
PAYLOAD = {
    ".": 0o040755,
    "./Library": 0o040755,
    "./Library/LaunchDaemons": 0o040755,
    "./Library/LaunchDaemons/com.example.agent.plist": 0o100644,
    "./Library/empty": 0o100644,
    "./usr": 0o040755,
    "./usr/local": 0o040755,
    "./usr/local/example": 0o040755,
    "./usr/local/example/agent": 0o100755,
}


@pytest.fixture(scope="module")
def identity() -> InstallerIdentity:
    return make_installer_identity()


@pytest.fixture(scope="module")
def signer(identity) -> PackageSigner:
    return PackageSigner(identity.key, identity.certificate, [identity.issuer], SIGNED_AT)


@pytest.fixture(scope="module")
def signed(signer) -> bytes:
    return product_archive(COMPONENT, signer=signer)


@pytest.fixture
def file(signed, tmp_path) -> Path:
    path = tmp_path / "agent.pkg"
    path.write_bytes(signed)
    return path


def run(*words: object, stdin: bytes | None = None) -> bytes:
    """Skips where the program is not installed."""
    if shutil.which(str(words[0])) is None:
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run([str(word) for word in words], input=stdin, check=True, capture_output=True).stdout


def test_it_holds_a_distribution_and_one_component(signed):
    assert list(read_xar(signed).files) == [
        "Distribution",
        "agent.pkg/Bom",
        "agent.pkg/PackageInfo",
        "agent.pkg/Payload",
        "agent.pkg/Scripts",
    ]


def test_it_is_the_same_whenever_it_is_built(signed, signer):
    assert product_archive(COMPONENT, signer=signer) == signed
    assert product_archive(COMPONENT) == product_archive(COMPONENT)


def test_the_payload_belongs_to_root_and_has_every_folder_before_what_is_in_it(signed):
    found = read_cpio(read_xar(signed).files["agent.pkg/Payload"])
    assert {path: one.mode for path, one in found.items()} == PAYLOAD
    assert {(one.owner, one.group) for one in found.values()} == {(0, 0)}
    assert found["./usr/local/example/agent"].content == PROGRAM
    paths = list(found)
    assert all(paths.index(path.rpartition("/")[0]) < paths.index(path) for path in paths[1:])


def test_the_scripts_can_be_run(signed):
    found = read_cpio(read_xar(signed).files["agent.pkg/Scripts"])
    assert {path: one.mode for path, one in found.items()} == {
        ".": 0o040755,
        "./postinstall": 0o100755,
        "./preinstall": 0o100755,
    }
    assert found["./postinstall"].content == COMPONENT.scripts["postinstall"]


def test_the_bill_of_materials_lists_the_payload(signed):
    files = read_xar(signed).files
    listed, payload = read_bom(files["agent.pkg/Bom"]), read_cpio(files["agent.pkg/Payload"])
    assert set(listed) == set(payload)
    for path, one in payload.items():
        row = listed[path]
        assert (row.mode, row.owner, row.group, row.modified_at) == (one.mode, 0, 0, one.modified_at)
        assert row.size == len(one.content)
        assert row.checksum == (0 if one.mode & 0o040000 else checksum(one.content))


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", 4294967295), (b"123456789", 930766865), (b"a" * 300, 1664553091)]
)
def test_checksums_are_those_of_cksum(content, expected):
    if shutil.which("cksum"):
        assert int(run("cksum", stdin=content).split()[0]) == expected
    assert checksum(content) == expected


def test_what_it_says_about_itself(signed):
    files = read_xar(signed).files
    distribution = ElementTree.fromstring(files["Distribution"])
    assert (distribution.tag, distribution.get("minSpecVersion")) == ("installer-gui-script", "2")
    assert distribution.findtext("title") == "Agent & Co"
    options = distribution.find("options")
    assert (options.get("customize"), options.get("hostArchitectures")) == ("never", "x86_64,arm64")
    assert distribution.find("pkg-ref").text == "#agent.pkg"
    # Every choice of the outline exists, and so does every package of a choice.
    choices = {choice.get("id") for choice in distribution.findall("choice")}
    assert {line.get("choice") for line in distribution.iter("line")} == choices
    references = {one.get("id") for one in distribution.iter("pkg-ref")}
    assert references == {"com.example.agent"}
    info = ElementTree.fromstring(files["agent.pkg/PackageInfo"])
    assert (info.get("identifier"), info.get("version"), info.get("install-location")) == (*references, "1.2", "/")
    assert info.find("payload").get("numberOfFiles") == str(len(PAYLOAD))
    assert info.find("payload").get("installKBytes") == str(-(-(len(PROGRAM) + len(b"<plist/>")) // 1024))
    assert [one.tag for one in info.find("scripts")] == ["preinstall", "postinstall"]


def test_a_component_without_scripts_has_none():
    bare = Component("com.example.bare", "1", "Bare", [Entry("a", b"b")])
    files = read_xar(product_archive(bare)).files
    assert "component.pkg/Scripts" not in files
    assert ElementTree.fromstring(files["component.pkg/PackageInfo"]).find("scripts") is None


def test_both_signatures_are_over_the_checksum_and_name_the_chain(signed, identity):
    archive = read_xar(signed)
    raw, cms = archive.signatures
    assert (raw.style, cms.style) == ("RSA", "CMS")
    chain = [one.public_bytes(Encoding.DER) for one in (identity.certificate, identity.issuer)]
    assert raw.chain == cms.chain == chain
    key = identity.certificate.public_key()
    key.verify(raw.content, archive.checksum, padding.PKCS1v15(), Prehashed(hashes.SHA1()))
    verify_mdm_signature(base64.b64encode(cms.content).decode(), archive.checksum)
    with pytest.raises(InvalidSignature):
        key.verify(raw.content, bytes(20), padding.PKCS1v15(), Prehashed(hashes.SHA1()))
    with pytest.raises(BadSignature):
        verify_mdm_signature(base64.b64encode(cms.content).decode(), bytes(20))


def test_without_a_certificate_there_is_no_signature():
    assert read_xar(product_archive(COMPONENT)).signatures == []


def test_a_change_of_one_byte_of_a_file_changes_what_is_signed(signer):
    other = Component("com.example.agent", "1.2", "Agent & Co", [Entry("a", b"x")], folder="agent.pkg")
    another = Component("com.example.agent", "1.2", "Agent & Co", [Entry("a", b"y")], folder="agent.pkg")
    one, two = (read_xar(product_archive(item, signer=signer)) for item in (other, another))
    assert one.checksum != two.checksum
    assert one.signatures[0].content != two.signatures[0].content


@pytest.mark.parametrize("signer_wanted", [True, False])
def test_the_reader_of_uploads_reads_it(signer, signer_wanted):
    raw = product_archive(COMPONENT, signer=signer if signer_wanted else None)
    facts = pkg.read(io.BytesIO(raw))
    assert (facts.bundle_identifier, facts.version, facts.title) == ("com.example.agent", "1.2", "Agent & Co")
    assert facts.is_signed is signer_wanted
    assert facts.minimum_os_version == "10.13"
    assert facts.details["architectures"] == ["x86_64", "arm64"]


@pytest.mark.parametrize("path", ["", "/etc/a", "a//b", "a/../b", "a/", "a\0b", "."])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="cannot be installed"):
        tree_of([Entry(path, b"")])


def test_two_files_of_one_path_and_a_file_as_a_folder_are_refused():
    with pytest.raises(ValueError, match="twice"):
        tree_of([Entry("a/b", b""), Entry("a/b", b"")])
    with pytest.raises(ValueError, match="is a file"):
        tree_of([Entry("a", b""), Entry("a/b", b"")])


def test_more_files_than_one_list_can_hold_are_refused():
    many = Component("com.example.many", "1", "Many", [Entry(f"{number}", b"") for number in range(600)])
    with pytest.raises(ValueError, match="cannot list more"):
        product_archive(many)


# Read by others


def test_bsdtar_reads_the_archive_and_what_is_in_it(file, tmp_path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    run("bsdtar", "-xf", file, "-C", folder)
    listed = run("bsdtar", "-tf", folder / "agent.pkg" / "Payload").decode().split()
    assert listed == list(PAYLOAD)
    run("bsdtar", "-xf", folder / "agent.pkg" / "Payload", "-C", folder)
    assert (folder / "usr/local/example/agent").read_bytes() == PROGRAM


def test_7z_finds_it_intact(file):
    assert b"Everything is Ok" in run("7z", "t", file)


def test_cpio_lists_the_payload(signed):
    payload = zlib.decompress(read_xar(signed).files["agent.pkg/Payload"], 31)
    assert run("cpio", "-it", "--quiet", stdin=payload).decode().split() == list(PAYLOAD)


def test_openssl_verifies_both_signatures(signed, identity, tmp_path):
    archive = read_xar(signed)
    for name, content in {
        "checksum": archive.checksum,
        "raw": archive.signatures[0].content,
        "cms": archive.signatures[1].content,
        "ca.pem": identity.issuer.public_bytes(Encoding.PEM),
        "leaf.pem": identity.certificate.public_bytes(Encoding.PEM),
    }.items():
        (tmp_path / name).write_bytes(content)
    raw = ("-certin", "-inkey", tmp_path / "leaf.pem", "-in", tmp_path / "checksum", "-sigfile", tmp_path / "raw")
    run("openssl", "pkeyutl", "-verify", *raw, "-pkeyopt", "digest:sha1")
    cms = ("-inform", "DER", "-in", tmp_path / "cms", "-content", tmp_path / "checksum", "-binary")
    told = run("openssl", "cms", "-verify", *cms, "-CAfile", tmp_path / "ca.pem", "-purpose", "any")
    assert told == archive.checksum
    printed = run("openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", tmp_path / "cms").decode()
    assert "Mar  4 05:06:07 2026 GMT" in printed
