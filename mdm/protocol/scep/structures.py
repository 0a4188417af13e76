"""CMS structures that SCEP shares between requests and answers, on asn1crypto."""

from collections.abc import Sequence

from asn1crypto import cms, core, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

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


class IssuerAndSubjectName(core.Sequence):
    """The content of a CertPoll. Source: RFC 8894, section 3.3.3."""

    _fields = [("issuer", asn1_x509.Name), ("subject", asn1_x509.Name)]


class _CertificatesInOrder(core.SequenceOf):
    """Certificates as they were given: DER's sorting of a SET could put the CA before the issued certificate.

    Under its implicit tag it is encoded exactly as the SET of RFC 5652 is.
    """

    _child_spec = cms.CertificateChoices


class _CertificatesOnly(core.Sequence):
    """SignedData that signs nothing (RFC 8894, section 3.4, "degenerate certificates-only")."""

    _fields = [
        ("version", cms.CMSVersion),
        ("digest_algorithms", cms.DigestAlgorithms),
        ("encap_content_info", cms.ContentInfo),
        ("certificates", _CertificatesInOrder, {"implicit": 0}),
        ("signer_infos", cms.SignerInfos),
    ]


class _CertificatesOnlyInfo(core.Sequence):
    _fields = [("content_type", cms.ContentType), ("content", _CertificatesOnly, {"explicit": 0})]


def certificates_only(certificates: Sequence[x509.Certificate]) -> bytes:
    """A degenerate PKCS#7 with these certificates in this order."""
    return _CertificatesOnlyInfo(
        {
            "content_type": "signed_data",
            "content": {
                "version": "v1",
                "digest_algorithms": [],
                "encap_content_info": {"content_type": "data"},
                "certificates": [certificate_choice(certificate) for certificate in certificates],
                "signer_infos": [],
            },
        }
    ).dump()


def to_asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def certificate_choice(certificate: x509.Certificate) -> cms.CertificateChoices:
    return cms.CertificateChoices(name="certificate", value=to_asn1(certificate))


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
