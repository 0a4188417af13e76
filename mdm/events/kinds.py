"""Every event name with its sentence. `event_type` in the log, the API and webhooks is always one of these."""

from enum import StrEnum


class Namespace(StrEnum):
    ADMIN = "admin"  # what people and programs do
    DEVICE = "device"  # what devices do and answer
    SYSTEM = "system"  # what Pomona does by itself


KINDS: dict[str, str] = {
    # people, programs, the account
    "user.signed_in": "Somebody signed in",
    "user.sign_in_failed": "A sign-in failed",
    "account.created": "The account was created",
    "account.updated": "The account was changed",
    "member.added": "A person was added",
    "member.changed": "A person's role was changed",
    "member.removed": "A person was removed",
    "api_key.created": "An API key was created",
    "api_key.revoked": "An API key was revoked",
    # devices as operators see them
    "device.created": "A device was added",
    "device.updated": "A device was changed",
    "device.removed": "A device was removed",
    "device.changed_group": "A device moved to another group",
    "device_group.created": "A device group was added",
    "device_group.updated": "A device group was changed",
    "device_group.removed": "A device group was deleted",
    "secret.viewed": "A secret was shown to somebody",
    # enrollment
    "enrollment.created": "An enrollment link was created",
    "enrollment.revoked": "An enrollment link was revoked",
    "enrollment.invitation_sent": "An invitation was sent",
    "enrollment.invitation_failed": "An invitation could not be sent",
    "enrollment.refused": "An enrollment was refused",
    "device.enrolled": "A device enrolled",
    "device.reenrolled": "A known device enrolled again",
    "device.unenrolled": "A device left management",
    "device.refused": "A device's request was refused",
    "channel.opened": "A user of a device can be managed",
    "channel.closed": "A channel was closed",
    "device.token_updated": "A device renewed its push token",
    "bootstrap_token.stored": "A Mac stored its bootstrap token",
    "bootstrap_token.cleared": "A Mac took back its bootstrap token",
    "bootstrap_token.fetched": "A Mac fetched its bootstrap token",
    "declarative.status": "A device sent a status report",
    # certificates
    "certificate.issued": "An identity certificate was issued",
    "certificate.renewed": "An identity certificate was renewed",
    "certificate.renewal_asked": "A device was asked to renew its identity certificate",
    "certificate.refused": "A certificate request was refused",
    "certificate.revoked": "An identity certificate was revoked",
    "trusted_authority.added": "An external CA is trusted now",
    "trusted_authority.removed": "An external CA is no longer trusted",
    # commands
    "command.queued": "A command was queued",
    "command.cancelled": "A command was cancelled",
    "command.expired": "A command expired",
    "command.acknowledged": "A device carried out a command",
    "command.failed": "A device could not carry out a command",
    "command.undeliverable": "A command could not be completed for delivery",
    "command.unknown_answer": "A device answered a command that it was not given",
    "result.failed": "An answer could not be read",
    "queue.cleared": "A queue was cleared",
    # push
    "push_certificate.requested": "A push certificate request was created",
    "push_certificate.uploaded": "A push certificate was uploaded",
    "push_certificate.expiring": "The push certificate runs out soon",
    "push_certificate.rejected": "APNs refused the push certificate",
    "push.token_dead": "APNs does not know a device any more",
}
