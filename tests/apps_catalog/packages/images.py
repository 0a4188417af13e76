"""PNG images made by hand: plain ones, and the form that Xcode writes into apps."""

import struct
import zlib
from collections.abc import Callable, Sequence

MAGIC = b"\x89PNG\r\n\x1a\n"
Pixel = tuple[int, ...]
STEPS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def header(width: int, height: int, *, depth: int = 8, colour: int = 6, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced))


def picture(width: int, height: int, step: int = 4) -> list[bytes]:
    """Rows of opaque pixels, no two alike near each other."""
    rows = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            row += bytes([(x * 37 + y) % 256, (y * 91 + x * x) % 256, (x ^ y) * 5 % 256, 255][:step])
        rows.append(bytes(row))
    return rows


def filtered(rows: Sequence[bytes], step: int, kind_of: Callable[[int], int]) -> bytes:
    """As an encoder packs them; kind_of: number of the row → its filter."""
    found, above = bytearray(), bytes(len(rows[0]))
    for number, row in enumerate(rows):
        kind = kind_of(number)
        found.append(kind)
        for at, value in enumerate(row):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            found.append(
                (value - (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[kind]) % 256
            )
        above = row
    return bytes(found)


def paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))


def build_png(
    rows: Sequence[bytes],
    *,
    colour: int = 6,
    kind_of: Callable[[int], int] = lambda number: number % 5,
    more: bytes = b"",
    end: bytes = b"",
) -> bytes:
    """8 bits a value. more: chunks in front of the pixels; end: what follows the image."""
    step = STEPS[colour]
    packed = zlib.compress(filtered(rows, step, kind_of))
    middle = len(packed) // 2
    return (
        MAGIC
        + header(len(rows[0]) // step, len(rows), colour=colour)
        + more
        + chunk(b"IDAT", packed[:middle])
        + chunk(b"IDAT", packed[middle:])
        + chunk(b"IEND", b"")
        + end
    )


def build_apple_png(
    rows: Sequence[bytes], *, colour: int = 6, kind_of: Callable[[int], int] = lambda number: number % 5
) -> bytes:
    """Of rows as a plain PNG would have them: colours multiplied with their alpha, blue first, packed without a header."""
    step = STEPS[colour]
    turned = []
    for row in rows:
        turned_row = bytearray()
        for at in range(0, len(row), step):
            red, green, blue, *alpha = row[at : at + step]
            factor = alpha[0] if alpha else 255
            turned_row += bytes([*((value * factor + 127) // 255 for value in (blue, green, red)), *alpha])
        turned.append(bytes(turned_row))
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = engine.compress(filtered(turned, step, kind_of)) + engine.flush()
    return (
        MAGIC
        + chunk(b"CgBI", b"\x50\x00\x20\x02")
        + header(len(rows[0]) // step, len(rows), colour=colour)
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Asserts what makes a PNG: its beginning, checksums, and nothing behind the end."""
    assert data.startswith(MAGIC)
    found, at = [], len(MAGIC)
    while at < len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">L", data, at + 8 + length)[0] == zlib.crc32(kind + content)
        found.append((kind, content))
        at += 12 + length
    assert found[0][0] in (b"IHDR", b"CgBI")
    assert found[-1] == (b"IEND", b"")
    return found


def rows_of(data: bytes) -> list[bytes]:
    """Pixels of an 8-bit image that is not interlaced, its filters undone."""
    chunks = chunks_of(data)
    width, _, depth, colour, *_ = struct.unpack(">LLBBBBB", chunks[0][1])
    assert depth == 8
    step = STEPS[colour]
    raw = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    length, rows, above = width * step, [], bytes(width * step)
    for start in range(0, len(raw), 1 + length):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + length])
        for at in range(length):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            row[at] = (
                row[at] + (0, left, above[at], (left + above[at]) // 2, paeth(left, above[at], corner))[kind]
            ) % 256
        above = bytes(row)
        rows.append(above)
    return rows
