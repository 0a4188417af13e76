"""Images made anew: the same pixels in a form that browsers show, or a refusal; nothing else of a stranger's bytes."""

import random
import struct
import time
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps_catalog.packages import BadPackage
from apps_catalog.packages.png import MAX_SIDE, header_of, plain_png
from tests.apps_catalog.packages.images import (
    MAGIC,
    build_apple_png,
    build_png,
    chunk,
    chunks_of,
    header,
    picture,
    rows_of,
)

BOUNDED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
END = chunk(b"IEND", b"")


def refusal(data: bytes) -> str:
    with pytest.raises(BadPackage) as caught:
        plain_png(data)
    return str(caught.value)


def kinds_of(data: bytes) -> list[bytes]:
    return [kind for kind, _ in chunks_of(data)]


@pytest.mark.parametrize(("colour", "step"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_a_plain_image_keeps_its_pixels(colour, step):
    rows = picture(23, 17, step)
    made = plain_png(build_png(rows, colour=colour))
    assert rows_of(made) == rows
    assert kinds_of(made) == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize(("colour", "step"), [(2, 3), (6, 4)])
def test_apples_form_becomes_a_plain_image_whatever_filter_it_was_packed_with(kind, colour, step):
    rows = picture(23, 17, step)
    made = plain_png(build_apple_png(rows, colour=colour, kind_of=lambda number: kind))
    assert rows_of(made) == rows
    assert kinds_of(made) == [b"IHDR", b"IDAT", b"IEND"]


def test_colours_get_back_what_was_multiplied_with_their_alpha():
    rows = [bytes([200, 100, 50, 255, 200, 100, 50, 128]), bytes([9, 9, 9, 0, 255, 255, 255, 1])]
    first, second = rows_of(plain_png(build_apple_png(rows)))
    assert first[:4] == rows[0][:4]
    assert all(abs(a - b) <= 1 for a, b in zip(first[4:7], rows[0][4:7], strict=True))
    assert (first[7], second) == (128, bytes([0, 0, 0, 0, 255, 255, 255, 1]))


def test_colours_that_are_brighter_than_their_alpha_are_as_bright_as_can_be():
    bright = zlib.compressobj(9, zlib.DEFLATED, -15)
    pixels = bright.compress(bytes([0, 200, 200, 200, 100])) + bright.flush()
    data = MAGIC + chunk(b"CgBI", b"") + header(1, 1) + chunk(b"IDAT", pixels) + END
    assert rows_of(plain_png(data)) == [bytes([255, 255, 255, 100])]


def test_a_palette_is_kept_with_its_transparency():
    rows, palette, alpha = [bytes([0, 1, 2, 1])], bytes(range(9)), b"\x80"
    made = plain_png(build_png(rows, colour=3, more=chunk(b"PLTE", palette) + chunk(b"tRNS", alpha)))
    assert rows_of(made) == rows
    assert dict(chunks_of(made)) | {b"IHDR": b"", b"IDAT": b""} == {
        b"IHDR": b"",
        b"PLTE": palette,
        b"tRNS": alpha,
        b"IDAT": b"",
        b"IEND": b"",
    }


def test_texts_profiles_and_what_follows_the_image_stay_behind():
    more = chunk(b"tEXt", b"Comment\0<script>") + chunk(b"iCCP", b"x") + chunk(b"eXIf", b"x")
    made = plain_png(build_png(picture(4, 4), more=more, end=b"<script>alert(1)</script>"))
    assert kinds_of(made) == [b"IHDR", b"IDAT", b"IEND"]
    assert b"script" not in made


@pytest.mark.parametrize(("depth", "colour"), [(1, 0), (2, 3), (4, 0), (16, 2), (16, 6), (8, 6), (16, 4)])
@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("side", [1, 3, 8, 13])
def test_every_depth_interlaced_or_not(depth, colour, interlaced, side):
    """The number of bytes that must be packed is worked out here in another way: pixel by pixel."""
    values = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    grid = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"]
    rows: dict[tuple[str, int], int] = {}
    for y in range(side):
        for x in range(side):
            one = (grid[y % 8][x % 8] if interlaced else "", y)
            rows[one] = rows.get(one, 0) + 1
    packed = b"".join(b"\0" + bytes((columns * values * depth + 7) // 8) for columns in rows.values())
    more = chunk(b"PLTE", bytes(12)) if colour == 3 else b""
    data = MAGIC + header(side, side, depth=depth, colour=colour, interlaced=interlaced) + more
    made = plain_png(data + chunk(b"IDAT", zlib.compress(packed)) + END)
    assert chunks_of(made)[0][1] == chunks_of(data + END)[0][1]
    assert zlib.decompress(dict(chunks_of(made))[b"IDAT"]) == packed
    for wrong in (packed + b"\0", packed[:-1]):
        with pytest.raises(BadPackage):
            plain_png(data + chunk(b"IDAT", zlib.compress(wrong)) + END)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        MAGIC,
        MAGIC + END,
        MAGIC + chunk(b"CgBI", b"") + END,
        MAGIC + chunk(b"IHDR", b"short") + END,
        MAGIC + header(4, 4),
        MAGIC + header(4, 4) + END,
        MAGIC + header(4, 4) + chunk(b"IDAT", b"nonsense") + END,
        MAGIC + header(0, 4) + END,
        MAGIC + header(MAX_SIDE + 1, 1) + END,
        MAGIC + header(1, 0xFFFFFFFF) + END,
        MAGIC + header(4, 4, depth=3) + END,
        MAGIC + header(4, 4, depth=16, colour=3) + END,
        MAGIC + header(4, 4, colour=5) + END,
        MAGIC + header(4, 4, interlaced=2) + END,
        MAGIC + header(1, 1) + chunk(b"IDAT", zlib.compress(b"\5" + bytes(4))) + END,
        MAGIC + header(1, 1, colour=3) + chunk(b"IDAT", zlib.compress(bytes(2))) + END,
        build_png([b"\0"], colour=3, more=chunk(b"PLTE", bytes(3)) * 2),
        build_png([b"\0"], colour=3, more=chunk(b"PLTE", bytes(771))),
        build_png([b"\0"], colour=3, more=chunk(b"PLTE", bytes(4))),
        build_png([b"\0"], colour=3, more=chunk(b"tRNS", b"\0") + chunk(b"PLTE", bytes(3))),
        build_png(picture(2, 2))[:-4] + b"none",
        b"\xff\xfe" * 10,
    ],
    ids=lambda data: f"{len(data)}-{zlib.crc32(data):x}",
)
def test_what_is_no_image_is_refused_in_words(data):
    assert refusal(data).endswith(".")


@pytest.mark.parametrize(
    "form", [{"depth": 16}, {"interlaced": 1}, {"colour": 3}, {"colour": 0}, {"colour": 4}, {"depth": 16, "colour": 2}]
)
def test_forms_that_apple_does_not_write_are_refused(form):
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    values = {0: 1, 3: 1, 4: 2, 2: 3}.get(form.get("colour"), 4)
    packed = engine.compress(bytes(1 + values * form.get("depth", 8) // 8)) + engine.flush()
    data = MAGIC + chunk(b"CgBI", b"") + header(1, 1, **form) + chunk(b"IDAT", packed) + END
    assert "a form of Apple's that this server does not know" in refusal(data)


def test_a_bomb_is_refused_before_it_unfolds():
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = engine.compress(bytes(64 * 1024 * 1024)) + engine.flush()
    plain = zlib.compress(bytes(64 * 1024 * 1024), 9)
    for start, packed in ((MAGIC, plain), (MAGIC + chunk(b"CgBI", b""), raw)):
        data = start + header(64, 64) + chunk(b"IDAT", packed) + END
        tracemalloc.start()
        assert "larger than" in refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * 1024 * 1024


def test_a_filter_that_does_not_exist_is_found_before_the_long_part():
    row, engine = bytes(MAX_SIDE * 4), zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = engine.compress((b"\4" + row) * (MAX_SIDE - 1) + b"\5" + row) + engine.flush()
    data = MAGIC + chunk(b"CgBI", b"") + header(MAX_SIDE, MAX_SIDE) + chunk(b"IDAT", packed) + END
    started = time.process_time()
    assert refusal(data) == "The image is damaged."
    assert time.process_time() - started < 0.5


def test_the_largest_image_with_the_dearest_filter_costs_seconds_and_not_more():
    engine = zlib.compressobj(1, zlib.DEFLATED, -15)
    row = b"\4" + random.Random(1).randbytes(MAX_SIDE * 4)
    packed = engine.compress(row * MAX_SIDE) + engine.flush()
    data = MAGIC + chunk(b"CgBI", b"") + header(MAX_SIDE, MAX_SIDE) + chunk(b"IDAT", packed) + END
    started = time.process_time()
    made = plain_png(data)
    assert time.process_time() - started < 15
    assert header_of(made).width == MAX_SIDE


def test_it_says_how_large_an_image_is_without_reading_it():
    found = header_of(MAGIC + chunk(b"CgBI", b"") + header(180, 120))
    assert (found.width, found.height) == (180, 120)


SAMPLES = [build_png(picture(9, 7)), build_apple_png(picture(9, 7)), build_apple_png(picture(5, 5, 3), colour=2)]


@BOUNDED
@given(st.sampled_from(SAMPLES), st.data())
def test_whatever_is_changed_it_is_an_image_or_a_refusal(sample, data):
    """Checksums are put right again, so that the changes get further than to them."""
    changed = []
    for kind, content in chunks_of(sample):
        altered = bytearray(content)
        for _ in range(data.draw(st.integers(0, 3)) if altered else 0):
            altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 255))
        changed.append(chunk(kind, bytes(altered)))
    try:
        made = plain_png(MAGIC + b"".join(changed))
    except BadPackage:
        return
    kind, content = chunks_of(made)[0]
    width, height = struct.unpack_from(">LL", content)
    assert kind == b"IHDR"
    assert 0 < width <= MAX_SIDE
    assert 0 < height <= MAX_SIDE


@BOUNDED
@given(st.binary(max_size=200))
def test_anything_after_the_right_beginning(rest):
    for start in (MAGIC, MAGIC + chunk(b"CgBI", b""), MAGIC + header(2, 2)):
        with pytest.raises(BadPackage):
            plain_png(start + rest)
