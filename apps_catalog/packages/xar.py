"""xar archives, the outside of a flat package: a header, a compressed table of contents, and the heap with the files.

Source: the xar project, "xar file format"; xar.h.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.reading import ANY_ZLIB_HEADER, inflate, read_at, size_of, unpack_bzip2
from apps_catalog.packages.xml import read_xml

MAX_PACKED_TOC_BYTES = 4 * 1024 * 1024
MAX_TOC_BYTES = 8 * 1024 * 1024
MAX_FILES = 20_000

_HEADER = struct.Struct(">4sHHQQL")
_MAGIC = b"xar!"
_MAX_HEADER_BYTES = 4096
_TOC = "The table of contents"
_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512, "md5": hashlib.md5}
_RAW, _GZIP, _BZIP2 = "application/octet-stream", "application/x-gzip", "application/x-bzip2"
_NUMBER_DIGITS = 18
_SIGNATURES = ("signature", "x-signature")


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: path within it, and where its data lie in the heap (None for a file without data)."""

    path: str
    data: Element | None


class Archive:
    """Raises BadPackage, when made, for what is no complete xar archive."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        header = read_at(file, 0, _HEADER.size, "its header is complete")
        magic, header_length, version, packed, unpacked, _ = _HEADER.unpack(header)
        if magic != _MAGIC or version != 1 or not _HEADER.size <= header_length <= _MAX_HEADER_BYTES:
            raise BadPackage("This file has the beginning of a macOS package, but its header makes no sense.")
        if packed > MAX_PACKED_TOC_BYTES or unpacked > MAX_TOC_BYTES:
            raise BadPackage(f"{_TOC} of this file is larger than {MAX_TOC_BYTES} bytes.")
        content = read_at(file, header_length, packed, "its table of contents is complete")
        self.heap = header_length + packed
        root = read_xml(inflate(content, MAX_TOC_BYTES, _TOC, header=ANY_ZLIB_HEADER), _TOC)
        toc = root.find("toc")
        if root.tag != "xar" or toc is None:
            raise BadPackage(f"{_TOC} of this file is not that of a macOS package.")
        self.toc = toc
        self._check_toc(content)
        self.members = list(self._walk(toc, ""))

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature with a certificate; it is not verified: that is the Mac's business."""
        return any(
            (certificate.text or "").strip()
            for name in _SIGNATURES
            for signature in self.toc.findall(name)
            for certificate in signature.iter("X509Certificate")
        )

    def read(self, member: Member, limit: int) -> bytes:
        """The content of a file, unpacked; both its declared and its real size are bounded. Raises BadPackage."""
        what = member.path.rpartition("/")[2]
        data = member.data
        if data is None:
            raise BadPackage(f"{what} of this package is not a file.")
        length = _number(data, "length")
        if length > limit or _number(data, "size") > limit:
            raise BadPackage(f"{what} of this package is larger than {limit} bytes.")
        packed = read_at(self.file, self.heap + _number(data, "offset"), length, f"{what} is complete")
        encoding = data.find("encoding")
        style = _RAW if encoding is None else encoding.get("style", _RAW)
        if style == _RAW:
            return packed
        if style == _GZIP:
            return inflate(packed, limit, what, header=ANY_ZLIB_HEADER)
        if style == _BZIP2:
            return unpack_bzip2(packed, limit, what)
        raise BadPackage(f"{what} of this package is compressed in a way that this server does not know.")

    def _check_toc(self, packed: bytes) -> None:
        """The heap has a digest of the compressed table of contents; it shows files that were damaged on their way."""
        checksum = self.toc.find("checksum")
        digest = None if checksum is None else _DIGESTS.get(checksum.get("style", "").lower())
        if checksum is None or digest is None:
            return
        expected = digest(packed).digest()
        if _number(checksum, "size") != len(expected):
            raise BadPackage(f"{_TOC} of this file is damaged.")
        place = self.heap + _number(checksum, "offset")
        if read_at(self.file, place, len(expected), "its checksum") != expected:
            raise BadPackage(f"{_TOC} of this file is damaged.")

    def _walk(self, toc: Element, path: str) -> Iterator[Member]:
        """Every file, folders included; all data must lie within the archive."""
        end = size_of(self.file)
        waiting = [(toc, path)]
        count = 0
        while waiting:
            folder, path = waiting.pop()
            for element in folder.findall("file"):
                count += 1
                if count > MAX_FILES:
                    raise BadPackage(f"This package has more than {MAX_FILES} files in its archive.")
                own = f"{path}/{element.findtext('name', '')}".removeprefix("/")[:1000]
                data = element.find("data")
                if data is not None and self.heap + _number(data, "offset") + _number(data, "length") > end:
                    raise BadPackage(
                        "This file ends before all of the package's content is there: the upload or the download before "
                        "it was cut off."
                    )
                waiting.append((element, own))
                yield Member(own, data)


def _number(element: Element, name: str) -> int:
    text = (element.findtext(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS):
        raise BadPackage(f"{_TOC} of this file has no readable {name} where one must be.")
    return int(text)
