"""Files that are no apps: the sentence says what they are."""

import io
import zipfile

import pytest

from apps_catalog.packages import BadPackage, inspect
from tests.factories.packages import build_ipa, build_pkg, build_zip


def refusal(data: bytes, name: str = "x.pkg") -> str:
    with pytest.raises(BadPackage) as caught:
        inspect(io.BytesIO(data), name)
    return str(caught.value)


def test_the_content_decides_and_not_the_name():
    assert inspect(io.BytesIO(build_ipa()), "upload").kind == "ipa"
    assert inspect(io.BytesIO(build_pkg()), "upload.bin").kind == "pkg"


def test_the_position_in_the_file_does_not_matter():
    file = io.BytesIO(build_ipa())
    file.read()
    assert inspect(file, "a.ipa").kind == "ipa"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"x", "ends before"),
        (b"<!DOCTYPE html><p>Sign in", "web page"),
        (b"\xef\xbb\xbf\n<HTML lang=en>", "web page"),
        (b"\x00" * 1000 + b"koly" + b"\x00" * 508, "disk image"),
        (b"\x1f\x8b\x08 something", "neither an iOS app"),
        (b"\x00" * 5000, "neither an iOS app"),
    ],
)
def test_other_files(data, words):
    assert words in refusal(data)


@pytest.mark.parametrize("name", ["Tool.pkg.zip", "Tool.pkg", "Tool.mpkg", "TOOL.PKG.ZIP"])
def test_an_old_bundle_style_package(name):
    assert "bundle-style" in refusal(build_zip({"Tool.pkg/Contents/Info.plist": b"x"}), name)


def test_an_empty_zip():
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    assert "without an app" in refusal(stream.getvalue(), "a.ipa")
