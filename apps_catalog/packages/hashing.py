"""Hashes of an upload: of the whole and of its pieces, in one pass."""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from apps_catalog.packages.errors import BadPackage

CHUNK_BYTES = 10 * 1024 * 1024
READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Digests:
    """SHA-256 in hex, of all bytes and of each piece of chunk_size bytes; the last piece may be shorter."""

    size: int
    sha256: str
    chunk_size: int
    chunk_hashes: list[str]


def digest_file(file: BinaryIO, *, max_bytes: int) -> Digests:
    """Reads the file from its beginning to its end. Raises BadPackage when it is larger than max_bytes."""
    file.seek(0)
    whole = hashlib.sha256()
    chunks: list[str] = []
    chunk, room, size = hashlib.sha256(), CHUNK_BYTES, 0
    while piece := file.read(min(READ_BYTES, room)):
        size += len(piece)
        if size > max_bytes:
            raise BadPackage(f"This file is larger than {max_bytes} bytes, the largest that this server stores.")
        whole.update(piece)
        chunk.update(piece)
        room -= len(piece)
        if not room:
            chunks.append(chunk.hexdigest())
            chunk, room = hashlib.sha256(), CHUNK_BYTES
    if room != CHUNK_BYTES:
        chunks.append(chunk.hexdigest())
    return Digests(size, whole.hexdigest(), CHUNK_BYTES, chunks)
