"""Certificates that are not bound to a channel yet: is one of ours, and may it speak for this device?"""

from typing import NoReturn

from django.db import transaction

from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.admission import Caller
from enrollment.services.ca import identify_certificate
from mdm.accounts.actors import DEVICE
from mdm.channels.models import Channel, ChannelState
from mdm.channels.services import bind_identity
from mdm.common import rows
from mdm.endpoints.door import Forbidden, MustLeave
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.protocol.cms import Signer
from mdm.protocol.ids import ChannelKey


def caller_of(signer: Signer, token: str) -> Caller:
    """Who is enrolling with this certificate. Raises Forbidden for a certificate of nobody's, revoked or expired."""
    found, enrollment = identify_certificate(signer.certificate_der, signer.fingerprint), None
    if found is None or found.identity is None:
        # Not one of ours: the token of the URL says whose trusted CA it may be from.
        enrollment = _enrollment_of(token)
        account_id = enrollment.account_id if enrollment else None
        found = identify_certificate(signer.certificate_der, signer.fingerprint, account_id=account_id)
    if found is None:
        raise Forbidden("The certificate was issued by no authority that is trusted here.")
    if found.why_not:
        raise Forbidden(found.why_not)
    # The certificate knows its own enrollment best.
    own = found.enrollment if found.identity else enrollment
    return Caller(found.account_id, signer.fingerprint, found.identity, own)


def _enrollment_of(token: str) -> Enrollment | None:
    if not token or not token.isprintable():
        return None
    return Enrollment.objects.select_related("device", "device_group").filter(token=token).first()


def rebind_renewed(signer: Signer, key: ChannelKey) -> bool:
    """A renewed certificate speaks for the first time: bind it to its device.

    False if it is not that device's, speaks for it already, or is older than the one that does: a certificate that was
    replaced never comes back.
    """
    found = identify_certificate(signer.certificate_der, signer.fingerprint)
    if found is None or found.why_not or found.identity is None or found.identity.device_id is None:
        return False
    with transaction.atomic():
        channel = (
            Channel.objects.select_for_update()
            .filter(
                account_id=found.account_id, device_id=found.identity.device_id, device_key=key.device_id, user_key=""
            )
            .first()
        )
        if channel is None or not channel.fingerprint or channel.fingerprint == signer.fingerprint:
            return False
        newer = IdentityCertificate.objects.filter(fingerprint=channel.fingerprint, pk__gt=found.identity.pk)
        if newer.exists():
            return False
        bind_identity(channel, signer.fingerprint)
    return True


def require_live(state: str) -> None:
    """Raises MustLeave for a removed device, Forbidden for a closed channel."""
    if state == ChannelState.LEAVING:
        raise MustLeave("The device was removed from this server.")
    if state == ChannelState.CLOSED:
        raise Forbidden("The device is not enrolled.")


def refuse_wrong_device(account_id: int, device_id: int, key: ChannelKey) -> NoReturn:
    """Raises Forbidden, and leaves a line in the log of the device whose certificate it is."""
    log_wrong_device(account_id, device_id, key)
    raise Forbidden("The certificate belongs to another device.")


def find_channel(signer: Signer, key: ChannelKey) -> Channel | None:
    """The channel that this certificate is bound to; None if there is none. Raises Forbidden for another device's."""
    condition = "fingerprint = %s AND user_key = %s"
    channel = next(iter(rows.select(Channel, condition, signer.fingerprint, key.user_id)), None)
    if channel is None and rebind_renewed(signer, key):
        return find_channel(signer, key)
    if channel is not None and channel.device_key != key.device_id:
        refuse_wrong_device(channel.account_id, channel.device_id, key)
    return channel


def log_wrong_device(account_id: int, device_id: int, key: ChannelKey) -> None:
    """Somebody uses the certificate of one device in the name of another: worth a line in the log."""
    channel = Channel.objects.select_related("device").filter(device_id=device_id).first()
    emit(
        "device.refused",
        account_id=account_id,
        actor=DEVICE,
        device=channel.device if channel else None,
        level=Level.WARNING,
        why="its certificate was used in the name of another device",
        named=key.device_id,
    )
