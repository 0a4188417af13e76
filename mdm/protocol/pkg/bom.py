"""The bill of materials of a package: what it installs, with sizes and checksums. macOS keeps it as the receipt.

A store of numbered blocks, some of which have names; lists are trees of blocks. Apple has not published the format; what is
known is from what mkbom(8) writes and lsbom(8) reads. All numbers are big-endian.
"""

import struct
from collections.abc import Sequence

from mdm.protocol.pkg.entries import Entry

_HEADER_BYTES = 512
_LARGE_NODE, _SMALL_NODE = 4096, 128  # how much room a tree gives each of its nodes
_NODE_HEADER = struct.Struct(">HHII")
_PAIR = struct.Struct(">II")
_MOST_PATHS = (_LARGE_NODE - _NODE_HEADER.size) // _PAIR.size  # in one node: more would need a tree of several

_FILE, _FOLDER = 1, 2
_HAS_FACTS = 0x000F  # mode, owner and so on follow; no executable of any processor
_FACTS = struct.Struct(">BBHHIIIIB")
_LARGEST = 2**32 - 1  # larger files would stand in Size64


def bill_of_materials(entries: Sequence[Entry], *, modified_at: int) -> bytes:
    """entries: as `tree_of` gives them. modified_at: seconds since 1970. Raises ValueError for more than one node can hold."""
    if len(entries) > _MOST_PATHS:
        raise ValueError(f"A package cannot list more than {_MOST_PATHS} files and folders here.")
    store = _Store()
    total = sum(entry.size for entry in entries)
    # Version, number of paths with the root above all, then one row of totals: those of files for no processor.
    store.name("BomInfo", store.add(struct.pack(">IIIIIII", 1, len(entries) + 1, 1, 0, 0, total & _LARGEST, 0)))
    store.name("Paths", store.add_tree(_paths(store, entries, modified_at), _LARGE_NODE))
    store.name("HLIndex", store.add_tree([], _LARGE_NODE))
    store.name("VIndex", store.add(struct.pack(">IIIB", 1, store.add_tree([], _SMALL_NODE), 0, 1)))
    store.name("Size64", store.add_tree([], _SMALL_NODE))
    return store.dump()


def checksum(content: bytes) -> int:
    """As cksum(1) of every POSIX system prints it: the length counts as if it followed the content, lowest byte first."""
    value = 0
    length = len(content)
    for byte in content + length.to_bytes((length.bit_length() + 7) // 8, "little"):
        value = ((value << 8) ^ _TABLE[(value >> 24) ^ byte]) & 0xFFFFFFFF
    return value ^ 0xFFFFFFFF


class _Store:
    """Blocks, numbered from 1 on: number 0 is "none"."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._names: list[tuple[str, int]] = []

    def add(self, block: bytes) -> int:
        self._blocks.append(block)
        return len(self._blocks)

    def add_tree(self, pairs: Sequence[tuple[int, int]], node_bytes: int) -> int:
        """pairs: numbers of blocks, that of the key and that of the value. One leaf, which nothing stands beside."""
        leaf = _NODE_HEADER.pack(1, len(pairs), 0, 0) + b"".join(_PAIR.pack(*pair) for pair in pairs)
        number = self.add(leaf.ljust(node_bytes, b"\0"))
        return self.add(struct.pack(">4sIIIIB", b"tree", 1, number, node_bytes, len(pairs), 0))

    def name(self, name: str, number: int) -> None:
        self._names.append((name, number))

    def dump(self) -> bytes:
        """Header, names, blocks, and where each block is."""
        names = struct.pack(">I", len(self._names))
        for name, number in self._names:
            names += struct.pack(">IB", number, len(name)) + name.encode()
        place = _HEADER_BYTES + len(names)
        index = struct.pack(">I", len(self._blocks) + 1) + _PAIR.pack(0, 0)
        for block in self._blocks:
            index += _PAIR.pack(place, len(block))
            place += len(block)
        # No block is free; mkbom leaves room for two all the same.
        index += struct.pack(">I", 0) + _PAIR.pack(0, 0) * 2
        header = struct.pack(
            ">8sIIIIII", b"BOMStore", 1, len(self._blocks), place, len(index), _HEADER_BYTES, len(names)
        )
        return header.ljust(_HEADER_BYTES, b"\0") + names + b"".join(self._blocks) + index


def _paths(store: _Store, entries: Sequence[Entry], modified_at: int) -> list[tuple[int, int]]:
    """Key: the number of the path and its facts. Value: the number of the folder that it is in, and its name there."""
    numbers: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    # Level by level: so numbered, the values are in the order that a search in the tree relies on, by folder and name.
    by_level = sorted(entries, key=lambda entry: (_depth(entry), entry.path.split("/")))
    for number, entry in enumerate(by_level, 1):
        numbers[entry.path] = number
        folder, _, name = entry.path.rpartition("/")
        parent = numbers[folder] if entry.path else 0
        key = store.add(struct.pack(">II", number, store.add(_facts(entry, modified_at))))
        pairs.append((key, store.add(struct.pack(">I", parent) + (name or ".").encode() + b"\0")))
    return pairs


def _depth(entry: Entry) -> int:
    return entry.path.count("/") + 1 if entry.path else 0


def _facts(entry: Entry, modified_at: int) -> bytes:
    if entry.size > _LARGEST:
        raise ValueError(f"{entry.path} is too large for a package.")
    kind = _FOLDER if entry.content is None else _FILE
    facts = _FACTS.pack(kind, 1, _HAS_FACTS, entry.mode, 0, 0, modified_at, entry.size, 1)
    summed = b"" if entry.content is None else struct.pack(">I", checksum(entry.content))
    return facts + summed + bytes(8)


def _table() -> list[int]:
    """The CRC of each byte, for the polynomial 0x04C11DB7, highest bit first."""
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value & 0x80000000 else 0)
        table.append(value)
    return table


_TABLE = _table()
