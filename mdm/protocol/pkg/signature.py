"""The two signatures of a package, both over the checksum of its table of contents, which has the checksums of all files.

Sources: the xar project, "How To Sign an xar Archive"; RFC 5652 (CMS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from asn1crypto import algos, cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from mdm.protocol.cms_structures import issuer_and_serial, to_asn1

_CHECKSUM_BYTES = 20
_LAST_SHORT_YEAR = 2050
_SHA256: dict[str, object] = {"algorithm": "sha256", "parameters": core.Null()}


@dataclass(frozen=True)
class PackageSigner:
    """certificate is the key's own; issuers: those above it, nearest first. signed_at: aware, to the second; it is told in the
    signature and by nobody else, as no timestamp service is asked: Macs take the package while the certificate is valid.
    """

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    issuers: Sequence[x509.Certificate]
    signed_at: datetime

    @property
    def chain_der(self) -> list[bytes]:
        return [one.public_bytes(Encoding.DER) for one in (self.certificate, *self.issuers)]

    @property
    def raw_bytes(self) -> int:
        """How long the first signature is, whatever it signs."""
        return self.key.key_size // 8

    @cached_property
    def cms_bytes(self) -> int:
        """How long the second one is, whatever it signs: the table of contents tells it and is signed itself."""
        return len(self.cms_signature(bytes(_CHECKSUM_BYTES)))

    def raw_signature(self, checksum: bytes) -> bytes:
        """Over the SHA-1 checksum itself: it is the digest, and is not digested again."""
        sha1 = Prehashed(hashes.SHA1())  # noqa: S303 - see `mdm/protocol/pkg/xar.py`
        return self.key.sign(checksum, padding.PKCS1v15(), sha1)

    def cms_signature(self, checksum: bytes) -> bytes:
        """A SignedData over the checksum as its (detached) content, in DER."""
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["data"]},
                {"type": "signing_time", "values": [_time(self.signed_at)]},
                {"type": "message_digest", "values": [_sha256(checksum)]},
            ]
        )
        signature = self.key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256())
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": issuer_and_serial(self.certificate)}),
            "digest_algorithm": algos.DigestAlgorithm(_SHA256),
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_rsa", "parameters": core.Null()},
            "signature": signature,
        }
        signed = {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm(_SHA256)],
            "encap_content_info": {"content_type": "data"},
            "certificates": [to_asn1(one) for one in (self.certificate, *self.issuers)],
            "signer_infos": [signer],
        }
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump()


def _time(at: datetime) -> cms.Time:
    """Source: RFC 5652, section 11.3."""
    return cms.Time({"utc_time" if at.year < _LAST_SHORT_YEAR else "general_time": at})


def _sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()
