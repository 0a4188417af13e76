from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mdm.accounts.models.account import Account
from mdm.accounts.scoping import AccountScoped


class UserManager(BaseUserManager):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Whoever runs the server vouches for the address: nobody could have asked for such a login."""
        fields.setdefault("email_proved_at", timezone.now())
        return self.create_user(email, password, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email=(email or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in to the admin. What they may do is said by their role in each account, not here."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True, help_text="Off: the person can no longer sign in anywhere.")
    preferences = models.JSONField(default=dict, blank=True, editable=False, help_text="How pages are shown to them.")
    email_proved_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When somebody showed that the address is theirs; until then, whoever made the login may be anybody.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def name_and_email(self) -> str:
        """ "Ada Lovelace (ada@example.com)", or the address alone."""
        return f"{self.name} ({self.email})" if self.name else self.email

    @property
    def is_staff(self) -> bool:
        """Whoever has an active login may open the admin; what it shows depends on the role."""
        return self.is_active


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Administrator")
    OPERATOR = "operator", _("Operator")
    READ_ONLY = "read_only", _("Read-only")


class Membership(AccountScoped):
    """A person's role in one account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships", editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.READ_ONLY)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "user"], name="one_role_per_account")]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"
