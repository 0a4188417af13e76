"""The file that mdmcert.download mails, in the forms in which it arrives, and what it is not."""

import base64
import plistlib

import pytest
from cryptography import x509

from mdm.push.csr import new_push_request, pem_of_request
from mdm.push.mailed import MailedFileError, envelope_of, read_signed_request

MESSAGE = b"\x30\x82\x01\x00" + bytes(range(256))
BASE64 = base64.encodebytes(MESSAGE)


@pytest.mark.parametrize(
    "file",
    [
        MESSAGE,
        MESSAGE.hex().encode(),
        MESSAGE.hex().upper().encode() + b"\r\n",
        b"\n".join(MESSAGE.hex()[i : i + 64].encode() for i in range(0, len(MESSAGE.hex()), 64)),
        BASE64,
        BASE64.replace(b"\n", b""),
        b"-----BEGIN PKCS7-----\n" + BASE64 + b"-----END PKCS7-----\n",
    ],
    ids=["raw", "hex", "capitals", "lines", "base64", "one line", "PEM"],
)
def test_every_form_is_the_same_message(file: bytes) -> None:
    assert envelope_of(file) == MESSAGE


@pytest.mark.parametrize("file", [b"", b"  ", b"rubbish!", b"abc", b"ffff", b"<html></html>", "ünsinn".encode(), b"\0"])
def test_what_is_no_message_is_refused(file: bytes) -> None:
    with pytest.raises(MailedFileError, match="not the file from the e-mail"):
        envelope_of(file)


def request(csr: object, **changes: object) -> bytes:
    values = {"PushCertRequestCSR": csr, "PushCertCertificateChain": "chain", "PushCertSignature": "AAAA"} | changes
    return plistlib.dumps(values)


def test_the_request_inside_is_read_whatever_its_form() -> None:
    _, der = new_push_request("Acme", "it@acme.example", "US")
    text = base64.b64encode(der).decode()
    pem = pem_of_request(der)
    assert x509.load_pem_x509_csr(pem) == x509.load_der_x509_csr(der)
    for csr in (text, base64.encodebytes(der).decode(), der, pem.decode()):
        for wrap in (bytes, base64.b64encode, base64.encodebytes):
            found = read_signed_request(wrap(request(csr)))
            assert found.csr_der == der
            assert base64.b64decode(found.for_portal, validate=True) == request(csr)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no signed request"),
        (b"rubbish", "no signed request"),
        (b"<plist><dict>", "no signed request"),
        (plistlib.dumps([]), "not complete"),
        (request("AAAA", PushCertSignature=""), "not complete"),
        (b'<!DOCTYPE plist [<!ENTITY a "b">]><plist><dict/></plist>', "no signed request"),
    ],
)
def test_what_is_no_request_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(MailedFileError, match=words):
        read_signed_request(content)


def test_a_csr_that_is_none_equals_no_request() -> None:
    assert read_signed_request(request("not base64!")).csr_der == b""
    assert read_signed_request(request(7)).csr_der != b"\x30"
