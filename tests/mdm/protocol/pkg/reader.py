"""A strict reader of packages: everything is where it is said to be, nothing overlaps, nothing is left over."""

import base64
import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree

SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"


@dataclass
class Signature:
    style: str
    content: bytes
    chain: list[bytes]


@dataclass
class Archive:
    checksum: bytes
    signatures: list[Signature]
    files: dict[str, bytes]


def read_xar(raw: bytes) -> Archive:
    magic, header_size, version, packed_size, size, algorithm = struct.unpack(">4sHHQQL", raw[:28])
    assert (magic, header_size, version, algorithm) == (b"xar!", 28, 1, 1)
    packed, heap = raw[28 : 28 + packed_size], raw[28 + packed_size :]
    text = zlib.decompress(packed)
    assert len(text) == size
    toc = ElementTree.fromstring(text).find("toc")
    used: list[tuple[int, int]] = []

    def take(element, length="size"):
        start, count = int(element.findtext("offset")), int(element.findtext(length))
        assert start + count <= len(heap)
        used.append((start, start + count))
        return heap[start : start + count]

    checksum = take(toc.find("checksum"))
    assert used == [(0, 20)]
    assert checksum == hashlib.sha1(packed).digest()
    signatures = [
        Signature(
            element.get("style"),
            take(element),
            [base64.b64decode(one.text) for one in element.iter(f"{SIGNATURE}X509Certificate")],
        )
        for element in toc
        if element.tag in ("signature", "x-signature")
    ]
    files: dict[str, bytes] = {}
    ids: list[str] = []
    _walk(toc, "", take, files, ids)
    assert len(set(ids)) == len(ids)
    used.sort()
    assert used[-1][1] == len(heap)
    assert all(end == start for (_, end), (start, _) in pairwise(used))
    return Archive(checksum, signatures, files)


def _walk(folder, path, take, files, ids):
    for element in folder.findall("file"):
        ids.append(element.get("id"))
        own = f"{path}{element.findtext('name')}"
        if element.findtext("type") == "directory":
            _walk(element, f"{own}/", take, files, ids)
            continue
        data = element.find("data")
        assert data.find("encoding").get("style") == "application/octet-stream"
        assert data.findtext("size") == data.findtext("length")
        content = take(data, "length")
        for tag in ("archived-checksum", "extracted-checksum"):
            assert data.findtext(tag) == hashlib.sha1(content).hexdigest()
        files[own] = content


@dataclass
class Stored:
    """Of a cpio archive or of a bill of materials; a folder has no content."""

    mode: int
    owner: int
    group: int
    modified_at: int
    content: bytes = b""
    size: int = 0
    checksum: int = 0


def read_cpio(packed: bytes) -> dict[str, Stored]:
    raw = gzip.decompress(packed)
    assert len(raw) % 512 == 0
    place, found, inodes = 0, {}, set()
    while True:
        header = raw[place : place + 76].decode()
        assert header[:6] == "070707"
        numbers = [int(header[start : start + 6], 8) for start in range(6, 48, 6)]
        _, inode, mode, owner, group, _, _ = numbers
        modified_at, name_size, size = int(header[48:59], 8), int(header[59:65], 8), int(header[65:76], 8)
        place += 76
        name = raw[place : place + name_size]
        assert name.endswith(b"\0")
        place += name_size
        content = raw[place : place + size]
        place += size
        if name == b"TRAILER!!!\0":
            assert not raw[place:].strip(b"\0")
            return found
        assert inode not in inodes
        inodes.add(inode)
        found[name[:-1].decode()] = Stored(mode, owner, group, modified_at, content, size)


def read_bom(raw: bytes) -> dict[str, Stored]:
    """Path → facts."""
    magic, version, count, index_at, index_size, names_at, names_size = struct.unpack(">8sIIIIII", raw[:32])
    assert (magic, version) == (b"BOMStore", 1)
    assert index_at + index_size == len(raw)
    (entries,) = struct.unpack_from(">I", raw, index_at)
    assert entries == count + 1
    places = [struct.unpack_from(">II", raw, index_at + 4 + 8 * number) for number in range(entries)]
    assert places[0] == (0, 0)
    ordered = sorted(places[1:])
    assert ordered[0][0] == names_at + names_size
    assert all(at + size == following for (at, size), (following, _) in pairwise(ordered))
    assert sum(ordered[-1]) == index_at

    def block(number):
        at, size = places[number]
        assert at > 0
        assert size > 0
        return raw[at : at + size]

    names = _names(raw[names_at : names_at + names_size])
    assert list(names) == ["BomInfo", "Paths", "HLIndex", "VIndex", "Size64"]
    found = _paths(block, _tree(block, names["Paths"]))
    info = struct.unpack(">IIIIIII", block(names["BomInfo"]))
    assert info[:3] == (1, len(found) + 1, 1)
    assert info[5] == sum(one.size for one in found.values())
    assert _tree(block, names["HLIndex"]) == _tree(block, names["Size64"]) == []
    assert _tree(block, struct.unpack(">IIIB", block(names["VIndex"]))[1]) == []
    return found


def _names(raw: bytes) -> dict[str, int]:
    (count,), place, names = struct.unpack(">I", raw[:4]), 4, {}
    for _ in range(count):
        number, length = struct.unpack_from(">IB", raw, place)
        names[raw[place + 5 : place + 5 + length].decode()] = number
        place += 5 + length
    assert place == len(raw)
    return names


def _tree(block, number) -> list[tuple[int, int]]:
    magic, version, root, node_size, count, _ = struct.unpack(">4sIIIIB", block(number))
    assert (magic, version) == (b"tree", 1)
    node = block(root)
    assert len(node) == node_size
    is_leaf, own_count, forward, backward = struct.unpack_from(">HHII", node)
    assert (is_leaf, own_count, forward, backward) == (1, count, 0, 0)
    return [struct.unpack_from(">II", node, 12 + 8 * one) for one in range(count)]


def _paths(block, pairs) -> dict[str, Stored]:
    by_number: dict[int, str] = {}
    found: dict[str, Stored] = {}
    order = []
    for key, value in pairs:
        number, facts_number = struct.unpack(">II", block(key))
        (parent,), name = struct.unpack(">I", block(value)[:4]), block(value)[4:]
        assert name.endswith(b"\0")
        order.append((parent, name))
        name = name[:-1].decode()
        path = f"{by_number[parent]}/{name}" if parent else name
        by_number[number] = path
        facts = block(facts_number)
        kind, one, flags, mode, owner, group, modified_at, size, two = struct.unpack_from(">BBHHIIIIB", facts)
        assert (one, flags, two) == (1, 15, 1)
        is_folder = mode & 0o170000 == 0o040000
        assert (kind, len(facts)) == ((2, 31) if is_folder else (1, 35))
        assert facts.endswith(bytes(8))
        checksum = 0 if is_folder else struct.unpack_from(">I", facts, 23)[0]
        found[path] = Stored(mode, owner, group, modified_at, size=size, checksum=checksum)
    assert order == sorted(order), "a search in the tree would not find all of them"
    return found
