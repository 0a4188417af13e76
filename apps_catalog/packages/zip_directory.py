"""The table of contents of a zip archive, read with bounds, and single files out of it.

Not `zipfile`: that one keeps an object for every entry of the archive, and its many ways to fail are no sentences.
Source: PKWARE, "APPNOTE.TXT - .ZIP File Format Specification", 4.3.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.reading import NO_HEADER, inflate, read_at, size_of

MAX_DIRECTORY_BYTES = 16 * 1024 * 1024

_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\5\6"
_MAX_COMMENT = 0xFFFF
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64_LOCATOR_MAGIC = b"PK\6\7"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_MAGIC = b"PK\6\6"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_MAGIC = b"PK\1\2"
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_MAGIC = b"PK\3\4"
_IN_ZIP64 = 0xFFFFFFFF
_SHORT_IN_ZIP64 = 0xFFFF
_ZIP64_EXTRA = 1
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8

_DAMAGED = "The zip archive is damaged: upload it again, or export the app anew."


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive as its table of contents describes it; none of it is checked yet."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int

    @property
    def is_encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)


def entries(file: BinaryIO) -> Iterator[Entry]:
    """All entries in the order of the table of contents. Raises BadPackage."""
    offset, length = _directory(file)
    if length > MAX_DIRECTORY_BYTES:
        raise BadPackage(f"The table of contents of this zip archive is larger than {MAX_DIRECTORY_BYTES} bytes.")
    directory = read_at(file, offset, length, "its table of contents is complete")
    at = 0
    while at < length:
        try:
            entry, at = _entry(directory, at)
        except (struct.error, IndexError) as error:
            raise BadPackage(_DAMAGED) from error
        yield entry


def read_entry(file: BinaryIO, entry: Entry, limit: int) -> bytes:
    """The content, unpacked and checked; both its declared and its real size are bounded. Raises BadPackage."""
    what = entry.name.rpartition("/")[2]
    if entry.size > limit or entry.packed_size > limit:
        raise BadPackage(f"{what} of this file is larger than {limit} bytes.")
    header = read_at(file, entry.offset, _LOCAL.size, f"{what} is complete")
    magic, *_, name_length, extra_length = _LOCAL.unpack(header)
    start = entry.offset + _LOCAL.size + name_length + extra_length
    if magic != _LOCAL_MAGIC or file.read(name_length) != entry.raw_name:
        raise BadPackage(_DAMAGED)
    packed = read_at(file, start, entry.packed_size, f"{what} is complete")
    if entry.method == _DEFLATED:
        content = inflate(packed, limit, what, header=NO_HEADER)
    elif entry.method == _STORED:
        content = packed
    else:
        raise BadPackage(f"{what} of this file is compressed in a way that devices cannot read.")
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise BadPackage(f"{what} of this file is damaged.")
    return content


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Offset and length of the table of contents, which the end of the file tells."""
    file_size = size_of(file)
    tail_length = min(file_size, _END.size + _MAX_COMMENT)
    tail_start = file_size - tail_length
    tail = read_at(file, tail_start, tail_length, "its table of contents")
    found = tail.rfind(_END_MAGIC)
    if found < 0 or found + _END.size > len(tail):
        raise BadPackage(
            "This file ends before the table of contents of its zip archive: the upload or the download before it was "
            "cut off."
        )
    _, disk, first_disk, _, count, length, offset, _ = _END.unpack_from(tail, found)
    end = tail_start + found
    if _SHORT_IN_ZIP64 in (disk, first_disk, count) or _IN_ZIP64 in (length, offset):
        disk, first_disk, length, offset, end = _zip64(file, end) or (disk, first_disk, length, offset, end)
    if disk or first_disk:
        raise BadPackage("This zip archive is split into several files.")
    if offset + length > end:
        raise BadPackage(_DAMAGED)
    return offset, length


def _zip64(file: BinaryIO, end: int) -> tuple[int, int, int, int, int] | None:
    """disk, first_disk, length, offset and place of the large end record, if there is one in front of the small one."""
    at = end - _END64_LOCATOR.size
    if at < 0:
        return None
    magic, _, record_at, _ = _END64_LOCATOR.unpack(read_at(file, at, _END64_LOCATOR.size, "its table of contents"))
    if magic != _END64_LOCATOR_MAGIC:
        return None
    if record_at + _END64.size > at:
        raise BadPackage(_DAMAGED)
    record = _END64.unpack(read_at(file, record_at, _END64.size, "its table of contents"))
    if record[0] != _END64_MAGIC:
        raise BadPackage(_DAMAGED)
    disk, first_disk, _, _, length, offset = record[4:]
    return disk, first_disk, length, offset, record_at


def _entry(directory: bytes, at: int) -> tuple[Entry, int]:
    """The entry at this position, and where the next one begins. Raises struct.error where the bytes end."""
    fields = _ENTRY.unpack_from(directory, at)
    magic, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length = fields[:13]
    offset = fields[-1]
    if magic != _ENTRY_MAGIC:
        raise BadPackage(_DAMAGED)
    name_end = at + _ENTRY.size + name_length
    raw_name = directory[at + _ENTRY.size : name_end]
    following = name_end + extra_length + comment_length
    if following > len(directory):
        raise BadPackage(_DAMAGED)
    if _IN_ZIP64 in (packed, size, offset):
        extra = directory[name_end : name_end + extra_length]
        size, packed, offset = _large(extra, size, packed, offset)
    name = raw_name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    return Entry(name, raw_name, flags, method, crc, packed, size, offset), following


def _large(extra: bytes, *values: int) -> list[int]:
    """The values that did not fit into 32 bits stand in the extra field, in this order, and only those."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            numbers = iter(struct.unpack_from(f"<{min(length, 24) // 8}Q", extra, at + 4))
            return [next(numbers, value) if value == _IN_ZIP64 else value for value in values]
        at += 4 + length
    return list(values)
