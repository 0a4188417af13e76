"""External certificate authorities whose device certificates an account accepts."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import IntegrityError, transaction
from django.utils import timezone

from enrollment.models import TrustedAuthority
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.events.services import emit

MAX_PEM_BYTES = 64 * 1024


def trust_authority(account: Account, pem: bytes | str, name: str, actor: Actor) -> TrustedAuthority:
    """Accept device certificates that this CA signed itself; trusting it again returns the row that is there.

    pem holds exactly one certificate (DER is read too). Its revocation lists are not asked: stop trusting it, or
    remove the device. Raises EnrollmentError.
    """
    certificate = _read_ca(pem.encode() if isinstance(pem, str) else pem)
    der = certificate.public_bytes(Encoding.DER)
    fingerprint = certs.fingerprint(der)
    trusted = TrustedAuthority(
        account=account,
        name=name or certificate.subject.rfc4514_string()[:200],
        certificate_der=der,
        fingerprint=fingerprint,
        subject_der=certificate.subject.public_bytes(),
        not_after=certs.not_after(certificate),
    )
    try:
        with transaction.atomic():
            trusted.save(force_insert=True)
            emit(
                "trusted_authority.added",
                account_id=account.pk,
                actor=actor,
                name=trusted.name,
                fingerprint=fingerprint,
            )
    except IntegrityError:
        return TrustedAuthority.objects.get(account=account, fingerprint=fingerprint)
    return trusted


def stop_trusting(trusted: TrustedAuthority, actor: Actor) -> None:
    """No device enrolls with its certificates any more; those that are enrolled stay, bound by their fingerprints."""
    with transaction.atomic():
        emit(
            "trusted_authority.removed",
            account_id=trusted.account_id,
            actor=actor,
            name=trusted.name,
            fingerprint=trusted.fingerprint,
        )
        trusted.delete()


def find_trusted_issuer(certificate: x509.Certificate, account_id: int | None = None) -> list[TrustedAuthority]:
    """The trusted CAs that signed this certificate, of one account or of all; none for the certificate of a CA."""
    named = TrustedAuthority.objects.filter(subject_der=certificate.issuer.public_bytes())
    if account_id is not None:
        named = named.filter(account_id=account_id)
    candidates = list(named)
    if not candidates or _is_marked_as_ca(certificate):
        return []
    return [
        row for row in candidates if certs.is_issued_by(certificate, certs.load_certificate(bytes(row.certificate_der)))
    ]


def _read_ca(data: bytes) -> x509.Certificate:
    if len(data) > MAX_PEM_BYTES:
        raise EnrollmentError("The file is too large for a certificate.")
    if data.count(b"-----BEGIN CERTIFICATE-----") > 1:
        raise EnrollmentError("The file holds several certificates; give only the one that signs device certificates.")
    try:
        certificate = certs.load_certificate(data)
        certificate.public_key()
        is_marked, signs = _is_marked_as_ca(certificate), _may_sign_certificates(certificate)
    except (ValueError, TypeError) as error:
        raise EnrollmentError("The file is not a readable certificate.") from error
    # Old roots have no extensions at all; then being its own issuer is the only sign of a CA.
    if not signs or not (is_marked or (is_marked is None and certificate.subject == certificate.issuer)):
        raise EnrollmentError("This is not the certificate of a certificate authority.")
    if not list(certificate.subject):
        raise EnrollmentError("The certificate has no subject, so that device certificates cannot name it as issuer.")
    if certs.not_after(certificate) <= timezone.now():
        raise EnrollmentError("This certificate authority has expired.")
    return certificate


def _is_marked_as_ca(certificate: x509.Certificate) -> bool | None:
    """None when the certificate does not say."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return None


def _may_sign_certificates(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
