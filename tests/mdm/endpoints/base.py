"""An account whose CA has issued certificates to devices that sign what they say."""

from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.utils import timezone

from devices.models import Device
from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate
from enrollment.services import ca
from mdm.accounts.models import Account
from mdm.commands.models import Command
from mdm.common import certs
from mdm.common.tokens import new_token
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_default_group, make_enrollment
from tests.mdm.endpoints.signed_device import SignedDevice, new_key


@cache
def _authority_key() -> rsa.RSAPrivateKey:
    """Made once per run: the accounts of different tests may share it, their certificates differ."""
    return certs.new_rsa_key(2048)


def make_authority(account: Account) -> CertificateAuthority:
    present = CertificateAuthority.objects.filter(account=account).first()
    if present:
        return present
    certificate = certs.create_ca(f"CA {account.pk}", organization=account.name, key=_authority_key())
    return CertificateAuthority.objects.create(
        account=account,
        scep_id=new_token(12),
        certificate_der=certificate.public_bytes(Encoding.DER),
        key_pem=certs.key_to_pem(_authority_key()).decode(),
        not_after=certs.not_after(certificate),
    )


class ForeignAuthority:
    """A CA of somebody else's; nobody trusts it before he says so."""

    def __init__(self, name: str = "Somebody's CA") -> None:
        self._key = _authority_key()
        self.certificate = certs.create_ca(name, organization="Somebody", key=self._key)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def device(self, **options: str) -> SignedDevice:
        key = new_key()
        serial = certs.new_serial()
        certificate = certs.issue_identity(
            self.certificate, self._key, key.public_key(), common_name="device", serial=serial
        )
        return SignedDevice(certificate, key, **options)

    def expired_device(self) -> SignedDevice:
        key, now = new_key(), timezone.now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "expired")])
        builder = x509.CertificateBuilder(self.certificate.subject, name, key.public_key(), certs.new_serial())
        builder = builder.not_valid_before(now - timedelta(days=10)).not_valid_after(now - timedelta(days=1))
        return SignedDevice(builder.sign(self._key, hashes.SHA256()), key)


class DeviceRequests:
    """Mixed into test cases that have `self.account`."""

    account: Account

    def issue(
        self, *, account: Account | None = None, enrollment: Enrollment | None = None, device: Device | None = None
    ) -> tuple[x509.Certificate, object]:
        """A certificate of the account's CA, as SCEP would have issued it by that link or for that device's renewal."""
        account = account or self.account
        make_authority(account)
        key = new_key()
        identity = ca.issue(account, key.public_key(), enrollment=enrollment, device=device)
        return certs.load_certificate(bytes(identity.certificate_der)), key

    def new_device(
        self,
        platform: str = "iOS",
        *,
        enrollment: Enrollment | None = None,
        account: Account | None = None,
        **facts: str,
    ) -> SignedDevice:
        """A device with a certificate that has not said a word yet; it comes by a group's link unless one is given."""
        account = account or self.account
        if enrollment is None:
            make_default_group(account)
            enrollment = make_enrollment(account)
        certificate, key = self.issue(account=account, enrollment=enrollment)
        return SignedDevice(certificate, key, platform=platform, **facts)

    def enrolled_device(self, platform: str = "iOS", **options: object) -> SignedDevice:
        """Enrolled, its queue emptied of the first inventory."""
        device = self.new_device(platform, **options).enroll()
        Command.objects.filter(channel=device.channel).delete()
        return device

    def identity_of(self, device: SignedDevice) -> IdentityCertificate:
        return IdentityCertificate.objects.get(fingerprint=device.fingerprint)

    def expire(self, device: SignedDevice) -> None:
        now = timezone.now()
        IdentityCertificate.objects.filter(fingerprint=device.fingerprint).update(not_after=now - timedelta(days=1))

    def event_types(self) -> list[str]:
        return list(Event.objects.filter(account=self.account).order_by("pk").values_list("event_type", flat=True))

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.filter(account=self.account, event_type=event_type).order_by("pk"))


class DeviceTestCase(DeviceRequests, AccountTestCase):
    pass
