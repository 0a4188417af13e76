"""Invitations on their way to people: the row is the order, workers send it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from enrollment.models.enrollment import Enrollment
from mdm.accounts.scoping import AccountScoped


class InvitationKind(models.TextChoices):
    EMAIL = "email", gettext_lazy("E-mail")
    SMS = "sms", gettext_lazy("Text message")


class InvitationState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting")
    SENT = "sent", gettext_lazy("Sent")
    FAILED = "failed", gettext_lazy("Failed")


class Invitation(AccountScoped):
    """One person told once of one enrollment link."""

    enrollment = models.ForeignKey(Enrollment, on_delete=models.CASCADE, related_name="invitations", db_index=False)
    kind = models.CharField(max_length=10, choices=InvitationKind)
    contact = models.CharField(max_length=254, help_text="An e-mail address, or a phone number as +14155550123.")
    state = models.CharField(max_length=10, choices=InvitationState, default=InvitationState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, null=True, help_text="When it is tried next.")
    error = models.CharField(max_length=500, blank=True)
    reference = models.CharField(max_length=200, blank=True, help_text="What the gateway calls the message.")
    # Who invited, as `mdm.accounts.actors.Actor`, for the log.
    actor = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["enrollment", "-id"], name="invitation_of_a_link"),
            models.Index(fields=["account", "created_at"], name="invitation_rate"),
            models.Index(fields=["due_at"], condition=Q(state=InvitationState.WAITING), name="invitation_to_send"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.contact}"
