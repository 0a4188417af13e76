from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedBinaryField, SecretHolder


class ChannelState(models.TextChoices):
    AUTHENTICATED = "authenticated", gettext_lazy("Enrolling")  # Authenticate came, the first TokenUpdate did not
    OPEN = "open", gettext_lazy("Open")
    LEAVING = "leaving", gettext_lazy("Leaving")  # an operator removed the device; it is told so at its next connect
    CLOSED = "closed", gettext_lazy("Closed")  # the device checked out, or was replaced by another enrollment


# Neither pushes nor commands any more; what the device hears differs.
GONE = (ChannelState.CLOSED, ChannelState.LEAVING)


class Channel(AccountScoped, SecretHolder):
    """One MDM conversation: with a device, or with one user of it. Protocol state only; facts about it live in devices."""

    device = models.ForeignKey("devices.Device", on_delete=models.CASCADE, related_name="channels")
    device_key = models.CharField("UDID or EnrollmentID", max_length=128)
    user_key = models.CharField("user", max_length=128, blank=True, help_text="Empty on the device channel.")
    user_short_name = models.CharField(max_length=255, blank=True)
    user_long_name = models.CharField(max_length=255, blank=True)
    is_user_enrollment = models.BooleanField(default=False)
    state = models.CharField(max_length=20, choices=ChannelState, default=ChannelState.AUTHENTICATED)
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the identity certificate that speaks for this channel."
    )

    topic = models.CharField(max_length=255, blank=True)
    push_token = models.BinaryField(default=b"", blank=True)
    push_magic = models.CharField(max_length=255, blank=True)
    unlock_token = EncryptedBinaryField()
    bootstrap_token = EncryptedBinaryField()
    awaiting_configuration = models.BooleanField(
        default=False, help_text="It waits in Setup Assistant until it is told to go on."
    )
    awaiting_since = models.DateTimeField(null=True)

    enrolled_at = models.DateTimeField(null=True)
    token_updated_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    last_seen_ip = models.GenericIPAddressField(null=True)
    closed_at = models.DateTimeField(null=True)

    push_due_at = models.DateTimeField(null=True, help_text="When to push next; empty when there is no reason to.")
    push_attempts = models.PositiveSmallIntegerField(default=0)
    last_push_at = models.DateTimeField(null=True, help_text="When APNs last accepted a push.")
    push_token_dead_at = models.DateTimeField(null=True, help_text="When APNs said that the token is no longer valid.")
    push_error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            # Who is calling: the lookup of every device request.
            models.UniqueConstraint(
                fields=["fingerprint", "user_key"], condition=~Q(fingerprint=""), name="channel_by_identity"
            ),
            models.UniqueConstraint(fields=["account", "device_key", "user_key"], name="one_channel_per_key"),
        ]
        indexes = [
            models.Index(fields=["push_due_at"], condition=Q(push_due_at__isnull=False), name="channel_push_due"),
            models.Index(fields=["id"], condition=Q(awaiting_configuration=True), name="channel_awaiting"),
            # Alerts of the home page: devices that enrolled with another push certificate, and those that cannot be woken.
            models.Index(
                fields=["account", "topic"], condition=Q(user_key="", state=ChannelState.OPEN), name="channel_topics"
            ),
            models.Index(
                fields=["account"],
                condition=Q(user_key="", state=ChannelState.OPEN, push_token_dead_at__isnull=False),
                name="channel_cannot_be_woken",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_key} {self.user_short_name or self.user_key}".strip()

    @property
    def is_user_channel(self) -> bool:
        return bool(self.user_key)

    @property
    def can_be_pushed(self) -> bool:
        return bool(self.push_token) and self.push_token_dead_at is None
