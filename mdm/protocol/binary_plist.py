"""The binary form of property lists, read with bounds; mdm.protocol.plist is the way in.

A few bytes of this format can describe an endless value: objects refer to each other by number, may overlap, and may
contain themselves. So the value is counted as it is expanded, not as it is stored.
Source: Apple, CoreFoundation, CFBinaryPList.c.
"""

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from mdm.protocol.errors import Malformed, TooLarge

MAGIC = b"bplist00"
MAX_DEPTH = 64
MAX_OBJECTS = 250_000
INTEGER_RANGE = range(-(1 << 63), 1 << 64)

_TRAILER = struct.Struct(">6xBBQQQ")
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


def loads(data: bytes, *, max_bytes: int) -> Any:
    """Read a binary property list. Raises Malformed or TooLarge, nothing else."""
    try:
        return _Reader(data, max_bytes).top()
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise Malformed("The binary property list is damaged.") from error


class _Reader:
    def __init__(self, data: bytes, max_bytes: int) -> None:
        if len(data) < len(MAGIC) + _TRAILER.size:
            raise Malformed("The binary property list is truncated.")
        self.offset_size, self.ref_size, self.count, self.first, self.table = _TRAILER.unpack(data[-_TRAILER.size :])
        if not (1 <= self.offset_size <= 8 and 1 <= self.ref_size <= 8):
            raise Malformed("The binary property list is damaged.")
        if self.table + self.count * self.offset_size > len(data) - _TRAILER.size:
            raise Malformed("The binary property list is truncated.")
        self.data = data
        self.objects_left = MAX_OBJECTS
        self.bytes_left = max_bytes

    def top(self) -> Any:
        return self.read(self.first, 0)

    def read(self, ref: int, depth: int) -> Any:
        """The object of this number, expanded; depth is that of the container around it."""
        self.objects_left -= 1
        if self.objects_left < 0:
            raise TooLarge(f"The property list has more than {MAX_OBJECTS} values.")
        if ref >= self.count:
            raise Malformed("The binary property list refers to an object that it does not have.")
        at = self.table + ref * self.offset_size
        at = int.from_bytes(self.data[at : at + self.offset_size], "big")
        marker = self.data[at]
        kind, low = marker & 0xF0, marker & 0x0F
        if kind in (0x00, 0x10, 0x20, 0x30):
            return self.scalar(marker, at + 1)
        size, at = self.size(low, at + 1)
        if kind == 0x40:
            return self.take(at, size)
        if kind == 0x50:
            return self.text(at, size, "ascii")
        if kind == 0x60:
            return self.text(at, size * 2, "utf-16-be")
        if depth >= MAX_DEPTH:
            raise Malformed(f"The property list is nested more than {MAX_DEPTH} levels deep.")
        if kind == 0xA0:
            return [self.read(item, depth + 1) for item in self.refs(at, size)]
        if kind == 0xD0:
            return self.dictionary(at, size, depth)
        raise Malformed("The binary property list contains a kind of value that property lists do not have.")

    def scalar(self, marker: int, at: int) -> Any:
        if marker == 0x08:
            return False
        if marker == 0x09:
            return True
        if 0x10 <= marker <= 0x14:
            # Apple's writer stores 1, 2 and 4 bytes unsigned; 8 and 16 bytes signed.
            number = int.from_bytes(self.take(at, 1 << (marker & 0x0F)), "big", signed=marker >= 0x13)
            if number not in INTEGER_RANGE:
                raise ValueError("more than 64 bits")
            return number
        if marker in (0x22, 0x23, 0x33):
            number = (
                struct.unpack(">f", self.take(at, 4))[0] if marker == 0x22 else struct.unpack(">d", self.take(at, 8))[0]
            )
            if not math.isfinite(number):
                raise ValueError("not a finite number")
            return _EPOCH + timedelta(seconds=number) if marker == 0x33 else number
        raise Malformed("The binary property list contains a kind of value that property lists do not have.")

    def size(self, low: int, at: int) -> tuple[int, int]:
        """Number of bytes, characters or members, and where they start."""
        if low != 0x0F:
            return low, at
        width = 1 << (self.data[at] & 0x03)
        return int.from_bytes(self.data[at + 1 : at + 1 + width], "big"), at + 1 + width

    def take(self, at: int, size: int) -> bytes:
        if at + size > len(self.data):
            raise Malformed("The binary property list is truncated.")
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooLarge("The property list expands to more than the server reads.")
        return self.data[at : at + size]

    def text(self, at: int, size: int, encoding: str) -> str:
        text = self.take(at, size).decode(encoding)
        # The XML form cannot hold it and databases refuse it.
        if "\0" in text:
            raise ValueError("a NUL in a string")
        return text

    def refs(self, at: int, count: int) -> list[int]:
        width = self.ref_size
        if count > self.objects_left:
            raise TooLarge(f"The property list has more than {MAX_OBJECTS} values.")
        packed = self.take(at, count * width)
        return [int.from_bytes(packed[i : i + width], "big") for i in range(0, len(packed), width)]

    def dictionary(self, at: int, count: int, depth: int) -> dict[str, Any]:
        refs = self.refs(at, count * 2)
        result: dict[str, Any] = {}
        for key_ref, value_ref in zip(refs[:count], refs[count:], strict=True):
            key = self.read(key_ref, depth + 1)
            if not isinstance(key, str):
                raise Malformed("A dictionary of the property list has a key that is not a string.")
            if key in result:
                raise Malformed("A dictionary of the property list has the same key twice.")
            result[key] = self.read(value_ref, depth + 1)
        return result
