"""PNG images of strangers, made anew: what comes out is a plain PNG that every browser shows, with nothing else in it.

Xcode writes another form into apps, which browsers do not know: a CgBI chunk in front, pixels packed without zlib's header,
blue before red, and colours multiplied with their alpha.
Source: W3C, "Portable Network Graphics (PNG) Specification"; what Xcode's `pngcrush -iphone` writes.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.reading import NO_HEADER, ZLIB_HEADER, inflate

MAX_SIDE = 1024

_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">LLBBBBB")
_APPLES = b"CgBI"
# Without these two an image looks different; everything else (texts, profiles, dates) stays behind.
_KEPT = (b"PLTE", b"tRNS")
_RGB, _PALETTE, _RGBA = 2, 3, 6
# Colour type → values of a pixel, and how many bits one may have.
_FORMS = {
    0: (1, (1, 2, 4, 8, 16)),
    _RGB: (3, (8, 16)),
    _PALETTE: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    _RGBA: (4, (8, 16)),
}
# The seven passes of an interlaced image: first column and row, and the steps between them.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


@dataclass(frozen=True)
class Header:
    """What IHDR says, checked; side lengths in pixels."""

    width: int
    height: int
    depth: int
    colour: int
    is_interlaced: bool

    @property
    def pixel_bits(self) -> int:
        return _FORMS[self.colour][0] * self.depth

    @property
    def rows(self) -> list[int]:
        """Bytes of each row without its filter byte, in the order in which they are packed."""
        passes = _PASSES if self.is_interlaced else ((0, 0, 1, 1),)
        return [
            (columns * self.pixel_bits + 7) // 8
            for left, top, right, down in passes
            if (columns := -((left - self.width) // right)) > 0
            for _ in range(top, self.height, down)
        ]

    def packed(self) -> bytes:
        return _HEADER.pack(self.width, self.height, self.depth, self.colour, 0, 0, int(self.is_interlaced))


def header_of(data: bytes) -> Header:
    """Without looking at the rest. Raises BadPackage for what is no PNG and for one with a side of more than MAX_SIDE."""
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            return _read_header(content)
        if kind != _APPLES:
            break
    raise BadPackage("It is no PNG image.")


def plain_png(data: bytes) -> bytes:
    """The same image as a PNG of known chunks only. The caller has bounded data. Raises BadPackage."""
    header = header_of(data)
    packed, kept, is_apples, is_complete = bytearray(), [], False, False
    for kind, content in _chunks(data):
        is_apples |= kind == _APPLES
        if kind == b"IDAT":
            packed += content
        elif kind in _KEPT:
            kept.append((kind, content))
        elif kind == b"IEND":
            is_complete = True
            break
    if not is_complete:
        raise BadPackage("The image ends too early.")
    rows = header.rows
    size = sum(rows) + len(rows)
    pixels = inflate(bytes(packed), size, "The image", header=NO_HEADER if is_apples else ZLIB_HEADER)
    if len(pixels) != size:
        raise BadPackage("The image ends too early.")
    _check_filters(header, pixels)  # before the long part, so that a bad image costs little
    if is_apples:
        pixels, kept = _from_apples(header, pixels), []
    else:
        _check_palette(header, kept)
    chunks = [(b"IHDR", header.packed()), *kept, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return _MAGIC + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(_MAGIC):
        raise BadPackage("It is no PNG image.")
    at = len(_MAGIC)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            break
        content = data[at + 8 : end]
        if zlib.crc32(kind + content) != int.from_bytes(data[end : end + 4], "big"):
            raise BadPackage("The image is damaged.")
        yield kind, content
        at = end + 4


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def _read_header(content: bytes) -> Header:
    if len(content) != _HEADER.size:
        raise BadPackage("The image is damaged.")
    width, height, depth, colour, method, filtering, interlaced = _HEADER.unpack(content)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BadPackage(f"The image has more than {MAX_SIDE} x {MAX_SIDE} pixels, or none.")
    if depth not in _FORMS.get(colour, (0, ()))[1] or method or filtering or interlaced > 1:
        raise BadPackage("The image has a form that PNG does not know.")
    return Header(width, height, depth, colour, bool(interlaced))


def _check_filters(header: Header, pixels: bytes) -> None:
    at = 0
    for length in header.rows:
        if pixels[at] > _PAETH:
            raise BadPackage("The image is damaged.")
        at += 1 + length


def _check_palette(header: Header, kept: list[tuple[bytes, bytes]]) -> None:
    """What browsers would stumble over: palettes that are missing, double or too long."""
    kinds = [kind for kind, _ in kept]
    palette = dict(kept).get(b"PLTE", b"")
    if kinds not in ([], [b"PLTE"], [b"tRNS"], [b"PLTE", b"tRNS"]) or (header.colour == _PALETTE and not palette):
        raise BadPackage("The image is damaged.")
    if len(palette) % 3 or len(palette) > 3 * 256 or len(dict(kept).get(b"tRNS", b"")) > 256:
        raise BadPackage("The image is damaged.")


def _from_apples(header: Header, pixels: bytes) -> bytes:
    """Rows without filters, red before blue, and colours as they are without their alpha."""
    if header.depth != 8 or header.colour not in (_RGB, _RGBA) or header.is_interlaced:
        raise BadPackage("The image has a form of Apple's that this server does not know.")
    step, length = _FORMS[header.colour][0], header.rows[0]
    found, previous = bytearray(), bytes(length)
    for at in range(0, len(pixels), 1 + length):
        row = _without_filter(pixels[at], bytearray(pixels[at + 1 : at + 1 + length]), previous, step)
        previous = bytes(row)
        row[0::step], row[2::step] = row[2::step], row[0::step]
        if step == len("RGBA"):
            _divide_by_alpha(row)
        found.append(0)
        found += row
    return bytes(found)


def _without_filter(kind: int, row: bytearray, above: bytes, step: int) -> bytearray:
    """kind: one that `_check_filters` let pass. above: the row before, without its filter. step: bytes of a pixel."""
    if kind == _UP:
        return bytearray([(value + up) & 255 for value, up in zip(row, above, strict=True)])
    if kind == _SUB:
        for at in range(step, len(row)):
            row[at] = (row[at] + row[at - step]) & 255
    elif kind == _AVERAGE:
        for at, up in enumerate(above):
            left = row[at - step] if at >= step else 0
            row[at] = (row[at] + (left + up) // 2) & 255
    elif kind == _PAETH:
        _without_paeth(row, above, step)
    return row


def _without_paeth(row: bytearray, above: bytes, step: int) -> None:
    for at, up in enumerate(above):
        left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
        to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
        if to_left <= to_up and to_left <= to_corner:
            nearest = left
        else:
            nearest = up if to_up <= to_corner else corner
        row[at] = (row[at] + nearest) & 255


def _divide_by_alpha(row: bytearray) -> None:
    if row[3::4].count(255) * 4 == len(row):
        return  # the usual icon: nothing shines through
    for at in range(0, len(row), 4):
        alpha = row[at + 3]
        if 0 < alpha < 255:
            row[at : at + 3] = bytes(min(255, (value * 255 + alpha // 2) // alpha) for value in row[at : at + 3])
