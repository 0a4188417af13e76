"""The `Mdm-Signature` header: base64 of a detached CMS signature over the body (Apple, "Passing an Identity Certificate
Through a Proxy")."""

import base64
from typing import Literal

from asn1crypto import parser
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from mdm.virtual import cms
from mdm.virtual.keys import Identity

SignatureStyle = Literal["modern", "field"]
OPTIONS = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
CONSTRUCTED = 1
# ContentInfo › [0] › SignedData › its fields. Certificates and signer infos one level deeper keep their DER, because
# their own signatures are over those bytes.
INDEFINITE_DEPTH = 3


def signature_header(body: bytes, identity: Identity, style: SignatureStyle) -> str:
    """modern: DER, SHA-256, signed attributes, RSA or ECDSA. field: what old iPhones send, BER with indefinite lengths,
    SHA-1, no signed attributes, RSA."""
    if style == "field":
        signed = cms.sign(body, identity, digest="sha1", detached=True, signed_attributes=False)
        return base64.b64encode(indefinite(signed)).decode("ascii")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(body)
    builder = builder.add_signer(identity.certificate, identity.key, hashes.SHA256())
    return base64.b64encode(builder.sign(serialization.Encoding.DER, OPTIONS)).decode("ascii")


def indefinite(der: bytes, depth: int = INDEFINITE_DEPTH) -> bytes:
    """Re-encode the constructed values of the upper levels with indefinite lengths (X.690, 8.1.3.6)."""
    encoded, rest = b"", der
    while rest:
        size = parser.peek(rest)
        _, method, _, header, content, _ = parser.parse(rest[:size])
        if method == CONSTRUCTED:
            inner = indefinite(content, depth - 1) if depth else content
            # All tags up here are below 31: one identifier byte.
            encoded += header[:1] + b"\x80" + inner + b"\x00\x00"
        else:
            encoded += rest[:size]
        rest = rest[size:]
    return encoded
