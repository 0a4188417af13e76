"""Whatever a stranger uploads, the only answer besides facts is BadPackage, soon and with little memory."""

import io
import json
import time
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps_catalog.packages import BadPackage, inspect
from tests.apps_catalog.packages.images import build_apple_png, build_png, chunks_of, picture
from tests.factories.packages import (
    GZIP,
    RAW,
    build_ipa,
    build_pkg,
    build_provisioning,
    build_xar,
    distribution_script,
    package_info,
)

BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAMPLES = [
    build_ipa(),
    build_ipa(binary_plist=True, provisioning=build_provisioning()),
    build_pkg(signed=True),
    build_pkg(encoding=RAW),
    build_pkg(distribution=False),
    build_ipa(
        info={"CFBundleIconFiles": ["Icon", "Other"]},
        files={
            "Payload/Surf.app/Icon@2x.png": build_apple_png(picture(6, 6)),
            "Payload/Surf.app/Other.png": build_png(picture(5, 5)),
        },
    ),
]


def survives(data: bytes, name: str = "x.ipa") -> None:
    try:
        facts = inspect(io.BytesIO(data), name)
    except BadPackage:
        return
    assert 0 < len(facts.bundle_identifier) <= 255
    assert len(facts.title) <= 255
    assert max(len(facts.version), len(facts.short_version)) <= 100
    assert len(facts.minimum_os_version) <= 32
    stored = json.dumps([facts.title, facts.version, facts.details])
    assert "\\u0000" not in stored
    stored.encode()
    if facts.icon:
        assert chunks_of(facts.icon)[0][0] == b"IHDR"


@BOUNDED
@given(st.sampled_from(SAMPLES), st.data())
def test_changed_bytes(sample, data):
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    survives(bytes(changed))


@BOUNDED
@given(st.sampled_from(SAMPLES), st.data())
def test_bytes_cut_out_and_put_in(sample, data):
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, len(sample)))
    survives(sample[:start] + data.draw(st.binary(max_size=64)) + sample[end:])


@BOUNDED
@given(st.sampled_from(SAMPLES), st.data())
def test_numbers_replaced_by_extreme_ones(sample, data):
    """Lengths and offsets are what bounds depend on: whole fields are overwritten, in the header or near the end."""
    width = data.draw(st.sampled_from([2, 4, 8]))
    value = data.draw(
        st.sampled_from([b"\xff" * width, bytes(width), b"\x7f" + b"\xff" * (width - 1), b"\x80" * width])
    )
    at = data.draw(st.one_of(st.integers(0, 64), st.integers(max(0, len(sample) - 200), len(sample) - width)))
    survives(sample[:at] + value + sample[at + width :])


@BOUNDED
@given(st.text(), st.text(), st.text(), st.text())
def test_any_texts_in_an_info_plist(identifier, version, name, minimum):
    texts = [
        text.translate(dict.fromkeys([*range(32), 0xFFFE, 0xFFFF])) for text in (identifier, version, name, minimum)
    ]
    survives(build_ipa(texts[0], texts[1], texts[1], texts[2], info={"MinimumOSVersion": texts[3]}))


@BOUNDED
@given(st.data())
def test_any_changes_of_the_scripts_of_a_package(data):
    script = bytearray(distribution_script("com.example.tool", "1", "Tool").encode())
    for _ in range(data.draw(st.integers(1, 6))):
        script[data.draw(st.integers(0, len(script) - 1))] = data.draw(st.integers(0, 255))
    survives(
        build_xar(
            [("Distribution", bytes(script), GZIP), ("a.pkg", [("PackageInfo", package_info().encode(), RAW)], "")]
        )
    )


@BOUNDED
@given(st.data())
def test_any_changes_of_a_table_of_contents(data):
    original = build_pkg(encoding=RAW)
    length = int.from_bytes(original[8:16], "big")
    toc = bytearray(zlib.decompress(original[28 : 28 + length]))
    for _ in range(data.draw(st.integers(1, 6))):
        toc[data.draw(st.integers(0, len(toc) - 1))] = data.draw(st.integers(32, 126))
    survives(build_xar([("PackageInfo", package_info().encode(), RAW)], toc=toc.decode()))


@BOUNDED
@given(st.binary(max_size=400))
def test_anything_after_the_right_beginning(rest):
    for start in (b"xar!", b"xar!\x00\x1c\x00\x01", b"PK\x03\x04", b"PK\x05\x06"):
        survives(start + rest)


def _many(piece: str, megabytes: int) -> str:
    return piece * (megabytes * 1024 * 1024 // len(piece))


@pytest.mark.parametrize(
    "toc",
    [
        _many(" ", 8)[:-1],
        "<xar><toc>" + _many("<a/>", 4) + "</toc></xar>",
        "<xar><toc>" + "<file>" * 50_000 + "</file>" * 50_000 + "</toc></xar>",
        "<xar><toc>" + _many("<file/>", 1)[: 7 * 99_000] + "</toc></xar>",
        "<xar><toc " + "".join(f'a{n}="" ' for n in range(150_000)) + "/></xar>",
    ],
    ids=["space", "elements", "depth", "files", "attributes"],
)
def test_large_tables_of_contents_cost_little(toc):
    data = build_xar([("PackageInfo", package_info().encode(), RAW)], toc=toc)
    tracemalloc.start()
    started = time.process_time()
    survives(data)
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10
    assert peak < 120 * 1024 * 1024


def test_a_zip_of_many_entries_costs_little():
    entry = b"PK\1\2" + bytes(24) + b"\1\0" + bytes(16) + b"x"
    directory = entry * 50_000
    end = b"PK\5\6" + bytes(8) + len(directory).to_bytes(4, "little") + (4).to_bytes(4, "little") + bytes(2)
    data = b"PK\3\4" + directory + end
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(BadPackage, match="without an app"):
        inspect(io.BytesIO(data), "a.ipa")
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 20
    assert peak < 10 * 1024 * 1024
