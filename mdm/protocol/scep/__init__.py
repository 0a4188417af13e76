"""SCEP on bytes: read a client's request, write the CertRep. Source: RFC 8894.

Who may have a certificate is the caller's question; this package only says what was asked, by whose key, and that
nothing was altered on the way. Flow: `read_transport` → `open_pki_message` → `success`, `pending` or `failure`.
"""

from mdm.protocol.scep.messages import (
    FailInfo,
    IssuerAndSubject,
    MessageType,
    PkiMessage,
    PkiStatus,
    RequestHeader,
    ScepError,
)
from mdm.protocol.scep.reply import failure, pending, success
from mdm.protocol.scep.request import open_pki_message
from mdm.protocol.scep.transport import (
    CA_AND_RA_CERTIFICATES,
    CA_CERTIFICATE,
    CAPABILITIES,
    MAX_MESSAGE_BYTES,
    PKI_MESSAGE,
    ca_certificates,
    read_transport,
)

__all__ = [
    "CAPABILITIES",
    "CA_AND_RA_CERTIFICATES",
    "CA_CERTIFICATE",
    "MAX_MESSAGE_BYTES",
    "PKI_MESSAGE",
    "FailInfo",
    "IssuerAndSubject",
    "MessageType",
    "PkiMessage",
    "PkiStatus",
    "RequestHeader",
    "ScepError",
    "ca_certificates",
    "failure",
    "open_pki_message",
    "pending",
    "read_transport",
    "success",
]
