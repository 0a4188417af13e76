"""The enrollment profile: what a device installs to be managed, signed by the account's CA.

Identifiers and UUIDs are the same in every profile of an account: a newer one replaces the older. Apple refuses a
replacement whose topic, server URL or check-in URL differ, so a renewal repeats what the device enrolled with.
Source: Apple, "MDM" (payload) and "SCEP".
"""

from cryptography.hazmat.primitives import hashes
from django.conf import settings

from devices.models import Device
from enrollment.models import CertificateAuthority, Enrollment, IdentityCertificate
from enrollment.services.ade_settings import settings_of
from enrollment.services.ca import authority_of, open_authority
from enrollment.services.challenges import challenge_for_device, challenge_for_enrollment
from mdm.accounts.models import Account
from mdm.common.certs import fit_name
from mdm.protocol import cms
from mdm.protocol.profile import (
    configuration,
    mdm_payload,
    root_certificate_payload,
    scep_payload,
    stable_uuid,
)
from mdm.push.models import PushCertificate

KEY_SIZE = 2048
# Together at least licences.RESERVATION: whoever has to wait for the last licence learns how it ended.
SCEP_RETRIES = 7
SCEP_RETRY_DELAY_SECONDS = 20


def enrollment_profile(enrollment: Enrollment) -> bytes:
    """The signed profile (CMS) with a fresh challenge. Whether the link is open is the caller's question."""
    account = enrollment.account
    return _signed(
        authority_of(account),
        account,
        topic=topic_of(account, authority_of(account)),
        token=enrollment.token,
        challenge=challenge_for_enrollment(enrollment),
        is_locked=_is_locked(enrollment),
    )


def renewal_profile(device: Device) -> bytes:
    """The profile that the device has, signed again, with a challenge for a new identity of this device."""
    account = device.account
    authority = authority_of(account)
    channel = device.device_channel
    came_in_by = IdentityCertificate.objects.filter(device=device, enrollment__isnull=False).order_by("-pk")
    latest = came_in_by.select_related("enrollment").first()
    return _signed(
        authority,
        account,
        topic=(channel.topic if channel else "") or topic_of(account, authority),
        token=latest.enrollment.token if latest else "",
        challenge=challenge_for_device(device),
        is_locked=_is_locked(latest.enrollment if latest else None),
    )


def topic_of(account: Account, authority: CertificateAuthority) -> str:
    """The push certificate's topic; until there is one, a name of the same form that can carry no push."""
    topic = PushCertificate.objects.filter(account=account).values_list("topic", flat=True).first()
    return topic or f"com.apple.mgmt.External.{stable_uuid(authority.scep_id, 'topic').lower()}"


def profile_identifier(authority: CertificateAuthority) -> str:
    """PayloadIdentifier of the whole profile: by it a device is told to remove it."""
    return f"{_base(authority)}.enrollment"


def _base(authority: CertificateAuthority) -> str:
    return f"pomona.{stable_uuid(authority.scep_id, 'account').lower()}"


def _is_locked(enrollment: Enrollment | None) -> bool:
    """Whether nobody may take the profile off the device: as the settings of its DEP server say, for devices of Apple's lists."""
    if enrollment is None or not enrollment.is_automated or enrollment.device_id is None:
        return False
    settings_of_server = settings_of(enrollment.device_id)
    return settings_of_server is not None and settings_of_server.options.get("is_mdm_removable") is False


def _signed(
    authority: CertificateAuthority, account: Account, *, topic: str, token: str, challenge: str, is_locked: bool
) -> bytes:
    base = _base(authority)
    identity_uuid = stable_uuid(authority.scep_id, "identity")
    opened = open_authority(authority)
    payloads = [
        root_certificate_payload(
            bytes(authority.certificate_der),
            identifier=f"{base}.ca",
            uuid=stable_uuid(authority.scep_id, "ca"),
            display_name=f"{account.name} Device CA",
        ),
        scep_payload(
            identifier=f"{base}.identity",
            uuid=identity_uuid,
            url=f"{settings.BASE_URL}/scep/{authority.scep_id}",
            challenge=challenge,
            subject=[("O", fit_name(account.name)), ("CN", "Device Identity")],
            key_size=KEY_SIZE,
            # Devices tell the kind of digest by its length and know SHA-1; the CA is also inside this signed profile.
            ca_fingerprint=opened.certificate.fingerprint(hashes.SHA1()),  # noqa: S303
            retries=SCEP_RETRIES,
            retry_delay_seconds=SCEP_RETRY_DELAY_SECONDS,
        ),
        mdm_payload(
            identifier=f"{base}.mdm",
            uuid=stable_uuid(authority.scep_id, "mdm"),
            server_url=_device_url("connect", token),
            check_in_url=_device_url("checkin", token),
            topic=topic,
            identity_certificate_uuid=identity_uuid,
        ),
    ]
    profile = configuration(
        profile_identifier(authority),
        stable_uuid(authority.scep_id, "enrollment"),
        f"{account.name} Device Management",
        payloads,
        organization=account.name,
        description=f"Lets {account.name} set up and look after this device.",
        removal_disallowed=is_locked,
    )
    return cms.sign(profile, opened.key, opened.certificate)


def _device_url(endpoint: str, token: str) -> str:
    return f"{settings.BASE_URL}/mdm/{endpoint}" + (f"/{token}" if token else "")
