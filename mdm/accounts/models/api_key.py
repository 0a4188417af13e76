from django.db import models
from django.utils.translation import gettext_lazy as _

from mdm.accounts.models.user import User
from mdm.accounts.scoping import AccountScoped


class ApiKey(AccountScoped):
    """A program's way in. The key itself is shown once and only its digest is kept."""

    class Access(models.TextChoices):
        READ_ONLY = "read_only", _("Read only")
        READ_WRITE = "read_write", _("Read and write")
        LIMITED = "limited", _("Only what is chosen below")

    name = models.CharField(max_length=100, help_text=_("What uses this key, for example “Munki report script”."))
    access = models.CharField(max_length=20, choices=Access, default=Access.READ_WRITE)
    # Section of the API (`mdm.accounts.api_scopes`) → "read" or "write", which includes reading; for limited keys.
    scopes = models.JSONField(default=dict, blank=True)
    prefix = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("API key")

    def __str__(self) -> str:
        return self.name

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None
