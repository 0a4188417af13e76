from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceGroup
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.common.tokens import new_token


def new_code() -> str:
    """128 random bits: short enough to type when needed, too long to guess."""
    return new_token(16)


class EnrollmentQuerySet(AccountQuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Those that people made; the ones of automated enrollment are nobody's to hand out, revoke or look at."""
        return super().for_account(account).filter(is_automated=False)


class Enrollment(AccountScoped):
    """An invitation with a URL: for one device (used once) or for a device group (used by many)."""

    code = models.CharField(max_length=64, unique=True, default=new_code, editable=False)
    # Stands in the check-in and connect URLs of the profile; knows the enrollment again where the certificate cannot.
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.CASCADE, related_name="enrollments", editable=False
    )
    device_group = models.ForeignKey(DeviceGroup, on_delete=models.CASCADE, related_name="enrollments")
    # Made when a device of Apple's lists asks for its profile; such ones are in no list and nobody opens their URL.
    is_automated = models.BooleanField(default=False, editable=False)
    name = models.CharField(max_length=200, blank=True, help_text="For yourself: where you hand this link out.")
    expires_at = models.DateTimeField("valid until", null=True, blank=True, help_text="Empty: it does not run out.")
    spent_at = models.DateTimeField("used", null=True, editable=False)
    spent_fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(spent_at=None, revoked_at=None, is_automated=False),
                name="one_open_enrollment_per_device",
            ),
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(spent_at=None, revoked_at=None, is_automated=True),
                name="one_open_automated_enrollment",
            ),
        ]
        indexes = [models.Index(fields=["account", "id"], name="enrollment_pages")]

    def __str__(self) -> str:
        return self.name or f"Enrollment {self.pk}"

    @property
    def is_one_time(self) -> bool:
        return self.device_id is not None

    @property
    def url(self) -> str:
        return f"{settings.BASE_URL}/e/?c={self.code}"

    @property
    def why_closed(self) -> str:
        """'' while the URL works, else 'revoked', 'spent' or 'expired'."""
        if self.revoked_at:
            return "revoked"
        if self.is_one_time and self.spent_at:
            return "spent"
        if self.expires_at and self.expires_at <= timezone.now():
            return "expired"
        return ""
