"""Parts of Cryptographic Message Syntax that requests for certificates, tokens and recovery keys share, on asn1crypto."""

from asn1crypto import cms, core, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

# SHA-1 stays for the clients that know nothing else; MD5 does not.
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# What asn1crypto and cryptography raise on bytes that are not what they claim to be. asn1crypto reads lazily, so it may
# be any of these at any access to a field.
MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
)

_MAX_ELEMENTS = 4000  # an ordinary request has some 150
_PRIMITIVE = 0
_OCTET_STRING = (0, core.OctetString.tag)
_COLLECTIONS = {(0, core.Sequence.tag), (0, core.Set.tag)}


def load_content_info(ber: bytes) -> cms.ContentInfo:
    """Decode a ContentInfo from BER or DER; raises one of MALFORMED, now or at a later access."""
    simplified, _ = _simplify(ber, _MAX_ELEMENTS)
    return cms.ContentInfo.load(simplified)


def _simplify(ber: bytes, budget: int) -> tuple[bytes, int]:
    """Spare asn1crypto the BER that it does not read; returns the element and what is left of the budget of elements.

    It loses the end marks of an indefinite-length CHOICE (signer and recipient identifiers), so sequences and sets get
    definite lengths; it refuses a definite-length string in chunks, so octet strings are joined. Tagged elements keep
    their form: only the schema knows whether octet strings inside are chunks. DER, such as a certificate, stays.
    """
    if budget <= 0:
        raise ValueError("too many elements")
    class_, method, tag, header, contents, trailer = parser.parse(ber)
    budget -= 1
    if method == _PRIMITIVE:
        return header + contents, budget
    children, offset = [], 0
    while offset < len(contents):
        rest = contents[offset:]
        size = sum(len(part) for part in parser.parse(rest)[3:])
        child, budget = _simplify(rest[:size], budget)
        children.append(child)
        offset += size
    if (class_, tag) == _OCTET_STRING:
        return parser.emit(0, _PRIMITIVE, tag, b"".join(parser.parse(child)[4] for child in children)), budget
    joined = b"".join(children)
    if joined == contents and not trailer:
        return header + contents, budget
    if (class_, tag) in _COLLECTIONS or not trailer:
        return parser.emit(class_, method, tag, joined), budget
    return header + joined + trailer, budget


def to_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def issuer_and_serial(certificate: x509.Certificate) -> cms.IssuerAndSerialNumber:
    """How CMS names a signer or a recipient."""
    parsed = to_asn1(certificate)
    return cms.IssuerAndSerialNumber({"issuer": parsed.issuer, "serial_number": parsed.serial_number})


def names(identifier: cms.SignerIdentifier | cms.RecipientIdentifier, certificate: asn1_x509.Certificate) -> bool:
    """Whether a signer's or recipient's identifier means this certificate."""
    if identifier.name == "issuer_and_serial_number":
        chosen = identifier.chosen
        if chosen["serial_number"].native != certificate.serial_number:
            return False
        return chosen["issuer"].dump() == certificate.issuer.dump() or chosen["issuer"] == certificate.issuer
    return bytes(identifier.chosen) == certificate.key_identifier
