"""The words of SCEP: message types, statuses, attributes, and what a request is once it has been read."""

from dataclasses import dataclass, field
from enum import IntEnum

from cryptography import x509

from mdm.protocol.errors import ProtocolError


class MessageType(IntEnum):
    """Source: RFC 8894, section 3.2.1.2; UpdateReq is from older drafts and means a renewal."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    UPDATE_REQ = 18
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22


class PkiStatus(IntEnum):
    """Source: RFC 8894, section 3.2.1.3."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(IntEnum):
    """Source: RFC 8894, section 3.2.1.4."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4


class AttributeOid:
    """Signed attributes of a pkiMessage. Source: RFC 8894, section 3.2.1, and RFC 5652, section 11."""

    CONTENT_TYPE = "1.2.840.113549.1.9.3"
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
    MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
    PKI_STATUS = "2.16.840.1.113733.1.9.3"
    FAIL_INFO = "2.16.840.1.113733.1.9.4"
    SENDER_NONCE = "2.16.840.1.113733.1.9.5"
    RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
    TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
    FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"


@dataclass(frozen=True)
class RequestHeader:
    """What the outer layer of a request says; enough to answer it, not yet verified when it comes with an error.

    message_type is the bare number: it may be one that MessageType does not know.
    digest_algorithm is what the answer is to be signed with: the client's own, where we support it.
    """

    message_type: int
    transaction_id: str
    sender_nonce: bytes
    signer_certificate: x509.Certificate
    digest_algorithm: str


@dataclass(frozen=True)
class IssuerAndSubject:
    """What a CertPoll asks for, as DER names, comparable with `x509.Name.public_bytes()`."""

    issuer_der: bytes
    subject_der: bytes


@dataclass(frozen=True)
class PkiMessage(RequestHeader):
    """A request whose signature, integrity and (with a CSR) proof of possession have been verified.

    content_encryption: "des", "3des", "aes128", "aes192" or "aes256", as the client used it.
    csr is set for PKCSReq, RenewalReq and UpdateReq, issuer_and_subject for CertPoll.
    """

    message_type: MessageType
    content_encryption: str
    csr: x509.CertificateSigningRequest | None = None
    challenge_password: str | None = field(default=None, repr=False)
    issuer_and_subject: IssuerAndSubject | None = None

    @property
    def is_renewal(self) -> bool:
        """Whether the client asks to replace the certificate it signed with."""
        return self.message_type in (MessageType.RENEWAL_REQ, MessageType.UPDATE_REQ)

    @property
    def signer_is_self_signed(self) -> bool:
        """Whether the signer proves nothing but holding its key, the CSR's own: then only the challenge can authorize.

        False means that the certificate names an issuer: whether that is us, for whom, and still valid is the caller's
        to check, and a stranger's is worth no more than a self-signed one.
        """
        return is_self_issued(self.signer_certificate)

    @property
    def signer_holds_csr_key(self) -> bool:
        """Whether signer and CSR have one key; False only for a signer that is not self-signed, usually a renewal."""
        return self.csr is not None and self.csr.public_key() == self.signer_certificate.public_key()


class ScepError(ProtocolError):
    """A request that cannot be served.

    str(error) may be sent to the client; `detail` is for our own log: telling the client apart why a message did not
    open would let it decrypt other people's messages by trying. With `partial` None nobody can be answered in SCEP's
    terms, and HTTP 400 is the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        fail_info: FailInfo = FailInfo.BAD_REQUEST,
        partial: RequestHeader | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.fail_info = fail_info
        self.partial = partial
        self.detail = detail or message


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Issuer and subject are the same; the certificate's own signature would add nothing to the message's."""
    return certificate.issuer == certificate.subject
