"""cpio archives in the portable format of old ("odc"), compressed: the payload of a package, and its scripts.

Source: The Open Group, "pax", section "cpio Interchange Format".
"""

import gzip
from collections.abc import Sequence

from mdm.protocol.pkg.entries import Entry

_MAGIC = "070707"
_LAST = "TRAILER!!!"
_BLOCK_BYTES = 512
_LARGEST = 8**11 - 1  # what eleven octal digits can say
_MOST_ENTRIES = 8**6 - 1


def packed(entries: Sequence[Entry], *, modified_at: int) -> bytes:
    """The archive, gzipped; the same bytes for the same entries. modified_at: seconds since 1970, of all of them.

    Raises ValueError for what the format cannot hold.
    """
    if len(entries) > _MOST_ENTRIES:
        raise ValueError(f"A package cannot hold more than {_MOST_ENTRIES} files and folders.")
    parts: list[bytes] = []
    for number, entry in enumerate(entries, 1):
        links = 1 if entry.content is not None else 2
        parts.append(_header(number, entry.mode, links, modified_at, entry.name_in_archive, entry.size))
        parts.append(entry.content or b"")
    parts.append(_header(0, 0, 1, 0, _LAST, 0))
    archive = b"".join(parts)
    archive += b"\0" * (-len(archive) % _BLOCK_BYTES)
    return gzip.compress(archive, mtime=0)


def _header(inode: int, mode: int, links: int, modified_at: int, name: str, size: int) -> bytes:
    """With the name behind it. Owner and group are 0: root and wheel."""
    if size > _LARGEST:
        raise ValueError(f"{name} is too large for a package.")
    encoded = name.encode() + b"\0"
    numbers = (
        f"{0:06o}{inode:06o}{mode:06o}{0:06o}{0:06o}{links:06o}{0:06o}{modified_at:011o}{len(encoded):06o}{size:011o}"
    )
    return (_MAGIC + numbers).encode() + encoded
