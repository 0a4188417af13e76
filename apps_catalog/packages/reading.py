"""Reading pieces out of a file by position, each with a bound; nothing is written anywhere."""

import bz2
import zlib
from typing import BinaryIO

from apps_catalog.packages.errors import BadPackage

ANY_ZLIB_HEADER = 15 + 32  # zlib's or gzip's, as xar archives have both under one name
ZLIB_HEADER = 15
NO_HEADER = -15


def size_of(file: BinaryIO) -> int:
    return file.seek(0, 2)


def read_at(file: BinaryIO, offset: int, length: int, what: str) -> bytes:
    """Exactly length bytes; the caller has bounded it. Raises BadPackage when the file is shorter."""
    # Asked first: a position far behind the end is an error of its own for some systems.
    if offset + length > size_of(file):
        raise BadPackage(f"This file ends before {what}: the upload or the download before it was cut off.")
    file.seek(offset)
    return file.read(length)


def inflate(data: bytes, limit: int, what: str, *, header: int) -> bytes:
    """Raises BadPackage for damaged data and for more than limit bytes of content."""
    engine = zlib.decompressobj(header)
    try:
        content = engine.decompress(data, limit + 1)
    except zlib.error as error:
        raise BadPackage(f"{what} of this file is damaged.") from error
    return _checked(content, limit, engine.eof, what)


def unpack_bzip2(data: bytes, limit: int, what: str) -> bytes:
    """Raises BadPackage for damaged data and for more than limit bytes of content."""
    engine = bz2.BZ2Decompressor()
    try:
        content = engine.decompress(data, limit + 1)
    except (OSError, ValueError) as error:
        raise BadPackage(f"{what} of this file is damaged.") from error
    return _checked(content, limit, engine.eof, what)


def _checked(content: bytes, limit: int, is_complete: bool, what: str) -> bytes:
    if len(content) > limit:
        raise BadPackage(f"{what} of this file is larger than {limit} bytes.")
    if not is_complete:
        raise BadPackage(f"{what} of this file is damaged.")
    return content
