from django.db import models
from django.db.models import Q
from django.utils import timezone

from mdm.accounts.models.user import Role, User
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class PersonInvitation(AccountScoped, SecretHolder):
    """Somebody is asked by e-mail to work in the account. The link's secret is kept until it is sent; then only its digest is."""

    email = models.EmailField()
    name = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.READ_ONLY)
    token = EncryptedTextField()
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # The e-mail: a worker sends it, and tries again until it is given up.
    due_at = models.DateTimeField(default=timezone.now, null=True, editable=False, help_text="When it is tried next.")
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "email"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_person",
            )
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(sent_at=None), name="person_invitation_to_send")]

    def __str__(self) -> str:
        return self.email

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def was_mailed(self) -> bool:
        """Whoever has the link reads the mail of that address: a worker made the e-mail, and it was shown to nobody else."""
        return self.sent_at is not None or self.attempts > 0
