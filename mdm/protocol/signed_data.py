"""The structure of CMS signed data (RFC 5652, section 5), read from BER or DER with asn1crypto's parser.

Element by element and without asn1crypto's schema classes: a tenth of the cost, on the path of every device request.
"""

from typing import NamedTuple

from asn1crypto import core, parser
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import InvalidVersion

from mdm.protocol.errors import BadSignature
from mdm.protocol.signature_algorithms import Algorithm, digest_algorithm, signature_algorithm

UNIVERSAL, CONTEXT = 0, 2
SEQUENCE, SET = 16, 17
# What asn1crypto and cryptography raise over bytes that are not what they should be.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, RecursionError, UnsupportedAlgorithm, InvalidVersion)

_MAX_ELEMENTS = 100
_MAX_STRING_DEPTH = 4
_SIGNED_DATA = core.ObjectIdentifier("1.2.840.113549.1.7.2").contents


class Element(NamedTuple):
    """One BER element as asn1crypto's parser gives it; trailer is the end mark of an indefinite length."""

    class_: int
    constructed: int
    tag: int
    header: bytes
    contents: bytes
    trailer: bytes

    @property
    def encoded(self) -> bytes:
        return self.header + self.contents + self.trailer


class SignedData(NamedTuple):
    """What matters of a SignedData with its one SignerInfo; content is None when detached, attributes when absent."""

    content_type: bytes
    content: bytes | None
    certificates: list[bytes]
    signer_id: Element
    digest: hashes.HashAlgorithm
    attributes: Element | None
    algorithm: Algorithm
    signature: bytes


def read_signed_data(encoded: bytes) -> SignedData:
    """Read a ContentInfo with signed data inside. Raises BadSignature."""
    try:
        return _read_signed_data(encoded)
    except UNREADABLE as error:
        raise BadSignature("The signature is not readable CMS signed data.") from error


def _read_signed_data(encoded: bytes) -> SignedData:
    content_type, wrapped = children(parser.parse(encoded, strict=True)[4])
    if content_type.contents != _SIGNED_DATA:
        raise ValueError("another kind of content")
    _, _, encapsulated, *rest = children(children(wrapped.contents)[0].contents)
    certificates: list[bytes] = []
    for element in rest[:-1]:
        if element.class_ == CONTEXT and element.tag == 0:
            certificates = [item.encoded for item in children(element.contents) if has_tag(item, SEQUENCE)]
    if not has_tag(rest[-1], SET):
        raise ValueError("no signers")
    signers = children(rest[-1].contents)
    if len(signers) != 1:
        raise BadSignature("The message must be signed exactly once.")
    signed_type, *content = children(encapsulated.contents)
    return SignedData(
        signed_type.contents,
        octets(children(content[0].contents)[0]) if content else None,
        certificates,
        *_read_signer(signers[0]),
    )


def _read_signer(
    signer: Element,
) -> tuple[Element, hashes.HashAlgorithm, Element | None, Algorithm, bytes]:
    """signer_id, digest, attributes, algorithm and signature of a SignerInfo."""
    _, signer_id, digest, *rest = children(signer.contents)
    attributes = rest.pop(0) if rest[0].class_ == CONTEXT else None
    return (
        signer_id,
        digest_algorithm(digest.encoded),
        attributes,
        signature_algorithm(rest[0].encoded),
        octets(rest[1]),
    )


def children(contents: bytes) -> list[Element]:
    """The elements that follow each other in the contents of a SEQUENCE, SET or tag. Raises ValueError."""
    elements = []
    while contents:
        element = Element(*parser.parse(contents))
        elements.append(element)
        if len(elements) > _MAX_ELEMENTS:
            raise ValueError("too many elements")
        contents = contents[len(element.header) + len(element.contents) + len(element.trailer) :]
    return elements


def has_tag(element: Element, tag: int) -> bool:
    return element.class_ == UNIVERSAL and element.tag == tag


def octets(element: Element, depth: int = 0) -> bytes:
    """The bytes of an OCTET STRING; BER may cut it into several. Raises ValueError."""
    if not element.constructed:
        return element.contents
    if depth == _MAX_STRING_DEPTH:
        raise ValueError("a string in pieces of pieces")
    # A long list, so split by asn1crypto in one pass and not by children().
    pieces = core.SequenceOf.load(parser.emit(UNIVERSAL, 1, SEQUENCE, element.contents), spec=core.Any)
    return b"".join(octets(Element(*parser.parse(piece.dump())), depth + 1) for piece in pieces)
