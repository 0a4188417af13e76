"""Writing xar archives: a header, a compressed table of contents, and the heap: its checksum, signatures, the files.

Nothing is compressed here: what is in a package is compressed already, or small.
Source: the xar project, "xar file format"; xar.h.
"""

import base64
import hashlib
import struct
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mdm.protocol.pkg.signature import PackageSigner

_HEADER = struct.Struct(">4sHHQQL")
_VERSION = 1
# SHA-1, as productsign(1) still writes it whatever it is told: of other checksums not every macOS knows how to check the
# signature. What counts for security beside it are the CMS signature and the SHA-256 hashes of the install manifest.
_SHA1 = 1
_CHECKSUM_STYLE, _CHECKSUM_BYTES = "sha1", 20
_SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive; path: of at most one folder and a name."""

    path: str
    content: bytes


def archive(members: Sequence[Member], *, made_at: datetime, signer: PackageSigner | None = None) -> bytes:
    """The whole archive; the same bytes for the same input. made_at: aware."""
    toc_of_files, heap_of_files = Element("toc"), []
    checksum = SubElement(toc_of_files, "checksum", style=_CHECKSUM_STYLE)
    _number(checksum, "offset", 0)
    _number(checksum, "size", _CHECKSUM_BYTES)
    SubElement(toc_of_files, "creation-time").text = made_at.strftime("%Y-%m-%dT%H:%M:%S")
    place = _CHECKSUM_BYTES
    if signer is not None:
        place = _add_signatures(toc_of_files, signer, place)
    folders: dict[str, Element] = {"": toc_of_files}
    time = made_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    count = 0
    for member in members:
        folder, _, name = member.path.rpartition("/")
        if folder not in folders:
            count += 1
            folders[folder] = _add_entry(toc_of_files, count, folder, "directory", "0755", time)
        count += 1
        _add_data(_add_entry(folders[folder], count, name, "file", "0644", time), member.content, place)
        heap_of_files.append(member.content)
        place += len(member.content)
    packed, unpacked_bytes = _compressed(toc_of_files)
    digest = _sha1(packed)
    signatures = b"" if signer is None else signer.raw_signature(digest) + signer.cms_signature(digest)
    header = _HEADER.pack(b"xar!", _HEADER.size, _VERSION, len(packed), unpacked_bytes, _SHA1)
    return b"".join([header, packed, digest, signatures, *heap_of_files])


def _compressed(toc: Element) -> tuple[bytes, int]:
    """And how long it is uncompressed."""
    root = Element("xar")
    root.append(toc)
    indent(root, " ")
    text = tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"
    return zlib.compress(text, 9), len(text)


def _add_signatures(toc: Element, signer: PackageSigner, place: int) -> int:
    """Both, as productsign makes them: macOS prefers the second one. Returns where the heap goes on."""
    for tag, style, length in (
        ("signature", "RSA", signer.raw_bytes),
        ("x-signature", "CMS", signer.cms_bytes),
    ):
        signature = SubElement(toc, tag, style=style)
        _number(signature, "offset", place)
        _number(signature, "size", length)
        key_info = SubElement(signature, "KeyInfo", xmlns=_SIGNATURE_NAMESPACE)
        chain = SubElement(key_info, "X509Data")
        for certificate in signer.chain_der:
            text = base64.b64encode(certificate).decode()
            SubElement(chain, "X509Certificate").text = "\n".join(textwrap.wrap(text, 72))
        place += length
    return place


def _add_entry(parent: Element, number: int, name: str, kind: str, mode: str, time: str) -> Element:
    entry = SubElement(parent, "file", id=str(number))
    for tag, text in (("name", name), ("type", kind), ("mode", mode), ("uid", "0"), ("user", "root")):
        SubElement(entry, tag).text = text
    for tag, text in (("gid", "0"), ("group", "wheel"), ("atime", time), ("mtime", time), ("ctime", time)):
        SubElement(entry, tag).text = text
    return entry


def _add_data(entry: Element, content: bytes, place: int) -> None:
    data = SubElement(entry, "data")
    for tag in ("archived-checksum", "extracted-checksum"):
        SubElement(data, tag, style=_CHECKSUM_STYLE).text = _sha1(content).hex()
    SubElement(data, "encoding", style="application/octet-stream")
    _number(data, "size", len(content))
    _number(data, "offset", place)
    _number(data, "length", len(content))


def _number(parent: Element, tag: str, value: int) -> None:
    SubElement(parent, tag).text = str(value)


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()
