"""Which of an app's images is its icon, and that a faulty one is no trouble for the app."""

import io
import struct
import zipfile
import zlib

import pytest

from apps_catalog.packages import PackageFacts, inspect
from apps_catalog.packages.icons import MAX_ICON_BYTES
from apps_catalog.packages.png import header_of
from tests.apps_catalog.packages.images import MAGIC, build_apple_png, build_png, chunk, header, picture, rows_of
from tests.factories.packages import build_ipa, build_pkg, build_provisioning

FOLDER = "Payload/Surf.app/"
PRIMARY = {"CFBundleIcons": {"CFBundlePrimaryIcon": {"CFBundleIconFiles": ["AppIcon20x20", "AppIcon60x60"]}}}


def read(info: dict, images: dict[str, bytes]) -> PackageFacts:
    files = {FOLDER + name: content for name, content in images.items()}
    return inspect(io.BytesIO(build_ipa(info=info, files=files, provisioning=build_provisioning())), "Surf.ipa")


def image(side: int) -> bytes:
    return build_apple_png(picture(side, side))


def side_of(facts: PackageFacts) -> int:
    return header_of(facts.icon).width


@pytest.mark.parametrize(
    ("info", "name"),
    [
        (PRIMARY, "AppIcon60x60@2x.png"),
        (PRIMARY, "AppIcon60x60@3x.png"),
        (PRIMARY, "AppIcon60x60.png"),
        ({"CFBundleIcons~ipad": PRIMARY["CFBundleIcons"]}, "AppIcon60x60@2x~ipad.png"),
        (PRIMARY, "AppIcon60x60~iphone.png"),
        ({"CFBundleIconFiles": ["Icon.png", "Icon@2x.png"]}, "Icon@2x.png"),
        ({"CFBundleIconFiles": ["Icon@2x.png"]}, "Icon@2x.png"),
        ({"CFBundleIconFiles": ["Icon-72"]}, "Icon-72@2x~ipad.png"),
        ({"CFBundleIconFile": "Icon"}, "Icon.png"),
        ({"CFBundleIconFile": "Icon.png"}, "Icon@2x.png"),
        ({"CFBundleIcons": {"CFBundlePrimaryIcon": "Icon"}}, "Icon@2x.png"),
    ],
)
@pytest.mark.parametrize("build", [build_apple_png, build_png])
def test_the_icon_is_found_by_its_names(info, name, build):
    rows = picture(12, 12)
    facts = read(info, {name: build(rows), "Other.png": image(30)})
    assert rows_of(facts.icon) == rows
    assert facts.details["warnings"] == []


def test_of_several_the_one_with_most_pixels_is_taken():
    images = {"AppIcon60x60.png": image(6), "AppIcon60x60@3x.png": image(18), "AppIcon60x60@2x.png": image(12)}
    assert side_of(read(PRIMARY, images)) == 18


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"CFBundleIcons": "Icon"},
        {"CFBundleIcons": {"CFBundlePrimaryIcon": {"CFBundleIconFiles": {"a": 1}}}},
        {"CFBundleIcons": {"CFBundlePrimaryIcon": [["Icon"]]}, "CFBundleIconFiles": [1, {}, ""]},
        {"CFBundleIconFile": 7},
        {"CFBundleIconFile": "Elsewhere"},
        {"CFBundleIconFiles": [f"Name{number}" for number in range(5000)]},
    ],
)
def test_an_app_that_names_no_icon_has_none_and_nothing_is_wrong_with_it(info):
    facts = read(info, {"Icon.png": image(4)})
    assert (facts.icon, facts.details["warnings"]) == (b"", [])


def test_images_in_other_folders_do_not_count():
    facts = read({"CFBundleIconFile": "PlugIns/Icon"}, {"PlugIns/Icon.png": image(4)})
    assert facts.icon == b""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"GIF89a", "It is no PNG image."),
        (MAGIC + header(4096, 4096) + chunk(b"IEND", b""), "The image has more than 1024 x 1024 pixels, or none."),
        (image(8)[:60], "The image ends too early."),
        (bytes(MAX_ICON_BYTES + 1), f"Icon.png of this file is larger than {MAX_ICON_BYTES} bytes."),
    ],
    ids=["no image", "too large", "cut off", "too many bytes"],
)
def test_an_icon_that_cannot_be_shown_makes_a_warning(content, why):
    facts = read({"CFBundleIconFile": "Icon"}, {"Icon.png": content})
    assert (facts.icon, facts.bundle_identifier) == (b"", "com.example.surf")
    assert facts.details["warnings"] == [f"The app's icon cannot be shown. {why}"]


def test_another_icon_takes_the_place_of_a_faulty_one():
    broken = MAGIC + header(500, 500) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    facts = read(PRIMARY, {"AppIcon60x60@3x.png": broken, "AppIcon60x60@2x.png": image(12)})
    assert (side_of(facts), facts.details["warnings"]) == (12, [])


def test_an_archive_that_lies_about_the_size_of_its_icon():
    stream = io.BytesIO(build_ipa(info={"CFBundleIconFile": "Icon"}, provisioning=build_provisioning()))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FOLDER + "Icon.png", bytes(64 * 1024 * 1024))
    data = bytearray(stream.getvalue())
    struct.pack_into("<L", data, data.rfind(b"PK\1\2") + 24, 1000)
    facts = inspect(io.BytesIO(bytes(data)), "Surf.ipa")
    assert facts.icon == b""
    assert facts.details["warnings"] == [
        f"The app's icon cannot be shown. Icon.png of this file is larger than {MAX_ICON_BYTES} bytes."
    ]


def test_only_some_of_very_many_icons_are_looked_at():
    facts = read(
        {"CFBundleIconFiles": [f"Icon{number}" for number in range(40)]},
        {f"Icon{number}.png": b"no image" for number in range(40)} | {"Icon0@2x.png": b"no image"},
    )
    assert facts.icon == b""
    assert len(facts.details["warnings"]) == 1


def test_a_package_has_no_icon():
    assert inspect(io.BytesIO(build_pkg()), "tool.pkg").icon == b""
