from django.db import models
from django.db.models import Q

from mdm.accounts.scoping import AccountScoped


class DeviceGroup(AccountScoped):
    """A collection of devices. Every device is in exactly one; each account has a default one for the rest."""

    name = models.CharField(max_length=200)
    is_default = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account"], condition=Q(is_default=True), name="one_default_group"),
        ]

    def __str__(self) -> str:
        return self.name
