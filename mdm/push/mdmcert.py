"""The service mdmcert.download: it signs push certificate requests and e-mails them to an address registered there.

It answers at once whether it will; the signed request comes by mail, encrypted to a certificate that is sent along. A key
for the service is given to each product or operator by its makers. Nothing secret stands in any error's text.
"""

import base64

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_csr

from mdm.common.peers import TIMEOUT_SECONDS, Peer, PeerAnswer, PeerAnswerUnreadable, PeerError
from mdm.common.text import clean_text

NAME = "mdmcert.download"
PATH = "/api/v1/signrequest"
MAX_ANSWER_BYTES = 64 * 1024
MAX_REASON = 200
BUSY = (408, 425, 429)
# What the reason may be called in an answer that says no.
_REASONS = ("reason", "error", "message", "description")


class SigningError(Exception):
    """The request was not taken; the text is for people."""


class SigningRefused(SigningError):
    """The same request would be refused again."""


class SigningUnavailable(SigningError):
    """Later it may be taken."""

    def __init__(self, sentence: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


def ask_for_signature(
    base_url: str,
    *,
    csr_der: bytes,
    email: str,
    api_key: str,
    certificate_pem: str,
    ca_file: str = "",
    timeout: float = TIMEOUT_SECONDS,
) -> None:
    """Hand the request in. certificate_pem: an RSA certificate that the signed request is to be encrypted to.

    Raises SigningRefused, SigningUnavailable. After the latter it may have been taken all the same.
    """
    body = {
        "csr": _base64(load_der_x509_csr(csr_der).public_bytes(Encoding.PEM)),
        "email": email,
        "key": api_key,
        "encrypt": _base64(certificate_pem.encode()),
    }
    try:
        with Peer(
            NAME, base_url, setting="MDMCERT_URL", ca_file=ca_file, timeout=timeout, max_answer_bytes=MAX_ANSWER_BYTES
        ) as peer:
            answer = peer.ask("POST", PATH, headers={"Content-Type": "application/json"}, json_body=body)
    except PeerError as error:
        raise SigningUnavailable(str(error)) from error
    _check(answer, api_key)


def _check(answer: PeerAnswer, api_key: str) -> None:
    if answer.status in BUSY or answer.status >= 500:
        raise SigningUnavailable(f"{NAME} is busy or in trouble (status {answer.status}).", answer.retry_after_seconds)
    try:
        said = answer.json_object()
    except PeerAnswerUnreadable as error:
        if answer.status == 200:
            raise SigningUnavailable(f"{NAME} sent an answer that cannot be read.") from error
        said = {}
    if answer.status == 200 and said.get("result") == "success":
        return
    reason = next((said[name] for name in _REASONS if isinstance(said.get(name), str) and said[name].strip()), "")
    # It is not ours: it may repeat what was sent.
    reason = clean_text(" ".join(reason.replace(api_key, "…").split()), MAX_REASON) or f"status {answer.status}"
    raise SigningRefused(f"{NAME} refused the request: {reason.rstrip('.')}.")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
