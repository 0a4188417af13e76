"""CMS structures that only SCEP has, on asn1crypto."""

from collections.abc import Sequence

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from mdm.protocol.cms_structures import to_asn1


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


def certificate_choice(certificate: x509.Certificate) -> cms.CertificateChoices:
    return cms.CertificateChoices(name="certificate", value=to_asn1(certificate))
