"""What sign-in remembers. Neither belongs to an account: a person may work in several, and a stranger in none."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class SignInTry(models.Model):
    """A guess that was made. Rows and not a cache: counted exactly however many come at once, and nothing pushes them out."""

    key = models.CharField(max_length=64, help_text="Digest of what is counted: a person, an address, both.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["key", "at"], name="sign_in_tries_of_a_key")]

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.at}"


class PasswordReset(models.Model):
    """Somebody has forgotten a password, or says so.

    Whether anybody has the address is found out by the worker that sends the link, so that the page which took it has the
    same work for every address. Of the link, only the digest of its secret is kept.
    """

    email = models.EmailField()
    ip = models.GenericIPAddressField(null=True)
    network = models.CharField(max_length=43, blank=True, help_text="What is counted in place of the address.")
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(
        default=timezone.now, null=True, help_text="When it is tried next; empty: never again."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    digest = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 unique, where there is one
    expires_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(sent_at=None), name="password_reset_to_send"),
            models.Index(fields=["email", "created_at"], name="password_resets_of_a_person"),
            models.Index(fields=["created_at"], name="password_resets_by_age"),
        ]

    def __str__(self) -> str:
        return self.email
