"""Write the CertRep that answers a request. Source: RFC 8894, section 3.3.2."""

import secrets

from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mdm.protocol.cms_structures import DIGESTS, issuer_and_serial
from mdm.protocol.envelope import UnsupportedEnvelope, seal_envelope
from mdm.protocol.scep.messages import (
    AttributeOid,
    FailInfo,
    MessageType,
    PkiMessage,
    PkiStatus,
    RequestHeader,
    ScepError,
)
from mdm.protocol.scep.structures import certificate_choice, certificates_only

_NONCE_BYTES = 16
_MAX_TEXT_CHARS = 255


def success(
    request: PkiMessage, issued: x509.Certificate, *, ca_certificate: x509.Certificate, ca_key: rsa.RSAPrivateKey
) -> bytes:
    """A CertRep with the issued certificate first and the CA's after it, encrypted to whoever signed the request.

    Raises ScepError when the signer's key cannot decrypt.
    """
    content = certificates_only([issued, ca_certificate])
    try:
        envelope = seal_envelope(
            content, recipient=request.signer_certificate, content_encryption=request.content_encryption
        )
    except UnsupportedEnvelope as error:
        raise ScepError(str(error), fail_info=FailInfo.BAD_ALG, partial=request) from error
    return _cert_rep(request, PkiStatus.SUCCESS, ca_certificate, ca_key, envelope=envelope)


def pending(request: RequestHeader, *, ca_certificate: x509.Certificate, ca_key: rsa.RSAPrivateKey) -> bytes:
    """A CertRep that asks the client to poll later with the same transaction id."""
    return _cert_rep(request, PkiStatus.PENDING, ca_certificate, ca_key)


def failure(
    request: RequestHeader,
    fail_info: FailInfo,
    *,
    ca_certificate: x509.Certificate,
    ca_key: rsa.RSAPrivateKey,
    text: str | None = None,
) -> bytes:
    """A CertRep that refuses.

    `request` may be a ScepError's `partial`. Some clients show `text`, and it travels unencrypted.
    """
    extra = [_attribute(AttributeOid.FAIL_INFO, core.PrintableString(str(int(fail_info))))]
    if text:
        extra.append(_attribute(AttributeOid.FAIL_INFO_TEXT, core.UTF8String(text[:_MAX_TEXT_CHARS])))
    return _cert_rep(request, PkiStatus.FAILURE, ca_certificate, ca_key, extra=extra)


def _cert_rep(
    request: RequestHeader,
    status: PkiStatus,
    ca_certificate: x509.Certificate,
    ca_key: rsa.RSAPrivateKey,
    *,
    envelope: bytes | None = None,
    extra: list[cms.CMSAttribute] | None = None,
) -> bytes:
    """Sign the answer with the digest the client itself used; without an envelope the signed content is absent."""
    digest = DIGESTS[request.digest_algorithm]
    hasher = hashes.Hash(digest)
    hasher.update(envelope or b"")
    attributes = cms.CMSAttributes(
        [
            _attribute(AttributeOid.CONTENT_TYPE, "data"),
            _attribute(AttributeOid.MESSAGE_DIGEST, hasher.finalize()),
            _attribute(AttributeOid.MESSAGE_TYPE, core.PrintableString(str(int(MessageType.CERT_REP)))),
            _attribute(AttributeOid.PKI_STATUS, core.PrintableString(str(int(status)))),
            _attribute(AttributeOid.TRANSACTION_ID, core.PrintableString(request.transaction_id)),
            _attribute(AttributeOid.RECIPIENT_NONCE, core.OctetString(request.sender_nonce)),
            _attribute(AttributeOid.SENDER_NONCE, core.OctetString(secrets.token_bytes(_NONCE_BYTES))),
            *(extra or []),
        ]
    )
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier(name="issuer_and_serial_number", value=issuer_and_serial(ca_certificate)),
        "digest_algorithm": {"algorithm": request.digest_algorithm},
        "signed_attrs": attributes,
        "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
        "signature": ca_key.sign(attributes.dump(), padding.PKCS1v15(), digest),
    }
    content_info: dict[str, object] = {"content_type": "data"}
    if envelope is not None:
        content_info["content"] = envelope
    signed_data = {
        "version": "v1",
        "digest_algorithms": [{"algorithm": request.digest_algorithm}],
        "encap_content_info": content_info,
        "certificates": [certificate_choice(ca_certificate)],
        "signer_infos": [signer],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed_data)}).dump()


def _attribute(oid: str, value: object) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": oid, "values": [value]})
