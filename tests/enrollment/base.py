"""An account with its CA, and a SCEP client that speaks to the server's real URLs."""

from itertools import count
from unittest import mock

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from django.http import HttpResponse
from django.test import Client

from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate
from enrollment.services.ca import authority_of
from enrollment.services.challenges import challenge_for_enrollment
from mdm.common import certs
from mdm.events.models import Event
from mdm.protocol.scep import FailInfo, PkiStatus
from mdm.protocol.scep.structures import IssuerAndSubjectName
from tests.base import AccountTestCase
from tests.factories import make_enrollment
from tests.mdm.protocol.scep_client import (
    FAIL_INFO,
    PKI_STATUS,
    RECIPIENT_NONCE,
    TRANSACTION_ID,
    Answer,
    make_csr,
    make_envelope,
    read_answer,
    rsa_key,
    sign_message,
)

_messages = count(1)


class ScepDevice:
    """One device at one CA. Each request is a transaction of its own unless one is given."""

    def __init__(self, authority: CertificateAuthority, label: str = "client") -> None:
        self.http = Client()
        self.url = f"/scep/{authority.scep_id}"
        self.ca = certs.load_certificate(bytes(authority.certificate_der))
        self.key = rsa_key(label)
        self.signer = certs.self_signed("SCEP client", key=self.key)

    def request(self, challenge: str | None, *, transaction_id: str = "", **options: object) -> Answer:
        """PKCSReq for the device's key."""
        return self.read(self.post(self.message(challenge, transaction_id=transaction_id, **options)))

    def renew(self, present: x509.Certificate, present_key: rsa.RSAPrivateKey, *, message_type: int = 17) -> Answer:
        """RenewalReq for the device's key, signed with the present certificate."""
        envelope = make_envelope(make_csr(self.key, challenge=None), recipient=self.ca)
        message = sign_message(
            envelope,
            key=present_key,
            signer=present,
            message_type=message_type,
            transaction_id=f"transaction-{next(_messages)}",
        )
        return self.read(self.post(message), key=present_key)

    def poll(self, transaction_id: str) -> Answer:
        names = IssuerAndSubjectName({"issuer": _name(self.ca.subject), "subject": _name(self.signer.subject)})
        envelope = make_envelope(names.dump(), recipient=self.ca)
        message = sign_message(
            envelope, key=self.key, signer=self.signer, message_type=20, transaction_id=transaction_id
        )
        return self.read(self.post(message))

    def message(self, challenge: str | None, *, transaction_id: str = "", **options: object) -> bytes:
        password = core.PrintableString(challenge) if challenge is not None else None
        envelope = make_envelope(make_csr(self.key, challenge=password), recipient=self.ca, **options)
        return sign_message(
            envelope,
            key=self.key,
            signer=self.signer,
            transaction_id=transaction_id or f"transaction-{next(_messages)}",
        )

    def post(self, message: bytes) -> HttpResponse:
        return self.http.post(f"{self.url}?operation=PKIOperation", message, content_type="application/x-pki-message")

    def read(self, response: HttpResponse, *, key: rsa.RSAPrivateKey | None = None) -> Answer:
        assert response.status_code == 200, response.content
        return read_answer(response.content, ca=self.ca, key=key or self.key)


class EnrollmentTestCase(AccountTestCase):
    """authority: the CA of self.account. device_at(…) makes SCEP clients. CA keys are made once per run."""

    def setUp(self) -> None:
        super().setUp()
        numbers = count(1)
        make_key = mock.Mock(side_effect=lambda _bits: rsa_key(f"ca {next(numbers)}"))
        patched = mock.patch("enrollment.services.ca.new_rsa_key", make_key)
        patched.start()
        self.addCleanup(patched.stop)
        self.authority = authority_of(self.account)

    def scep(self, label: str = "client") -> ScepDevice:
        return ScepDevice(self.authority, label)

    def group_link(self, **fields: object) -> Enrollment:
        return make_enrollment(self.account, **fields)

    def challenge(self, enrollment: Enrollment | None = None) -> str:
        return challenge_for_enrollment(enrollment or self.group_link())

    def issued(self, enrollment: Enrollment | None = None, label: str = "client") -> IdentityCertificate:
        """An identity that a device got over SCEP with a fresh challenge."""
        answer = self.scep(label).request(self.challenge(enrollment))
        self.assert_success(answer)
        return IdentityCertificate.objects.get(fingerprint=certs.fingerprint(answer.certificates[0]))

    def assert_success(self, answer: Answer) -> None:
        self.assertEqual(status_of(answer), PkiStatus.SUCCESS)

    def assert_refused(self, answer: Answer, why: str, fail_info: FailInfo = FailInfo.BAD_REQUEST) -> None:
        """The client learns the failInfo only; the log says why."""
        self.assertEqual(status_of(answer), PkiStatus.FAILURE)
        self.assertEqual(answer.attributes[FAIL_INFO], str(int(fail_info)))
        self.assertEqual(answer.certificates, [])
        event = Event.objects.filter(event_type="certificate.refused").order_by("-pk").first()
        self.assertIsNotNone(event)
        self.assertIn(why, event.metadata["why"])

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.filter(event_type=event_type).order_by("pk"))


def status_of(answer: Answer) -> int:
    return int(answer.attributes[PKI_STATUS])


def header_of(answer: Answer) -> tuple[str, bytes]:
    return answer.attributes[TRANSACTION_ID], answer.attributes[RECIPIENT_NONCE]


def _name(name: x509.Name) -> core.Asn1Value:
    return IssuerAndSubjectName._fields[0][1].load(name.public_bytes())
