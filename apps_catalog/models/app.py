"""Apps that the account may install, and their uploaded versions."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from mdm.accounts.scoping import AccountQuerySet, AccountScoped


class AppType(models.TextChoices):
    """As `app_type` in the API."""

    STORE = "app store", gettext_lazy("App Store app")
    ENTERPRISE = "enterprise", gettext_lazy("In-house app or package")
    CUSTOM = "custom b2b", gettext_lazy("Custom app")


class ProcessingStatus(models.TextChoices):
    QUEUED = "queued", gettext_lazy("Waiting for its details")
    PROCESSED = "processed", gettext_lazy("Ready")
    FAILED = "failed", gettext_lazy("Its details could not be found")


class AppQuerySet(AccountQuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Deleted ones stay until they are off the last device; operators no longer see them."""
        return super().for_account(account).filter(removed_at=None)


class App(AccountScoped):
    """An entry of the catalogue: named by the App Store, or uploaded as ipa or pkg."""

    name = models.CharField(max_length=255)
    has_own_name = models.BooleanField(default=False, help_text="An operator named it; uploads do not rename it.")
    app_type = models.CharField(max_length=20, choices=AppType)
    bundle_identifier = models.CharField(max_length=255, blank=True)
    itunes_store_id = models.BigIntegerField(null=True, blank=True)
    platform_support = models.CharField(max_length=20, blank=True, help_text="iOS, macOS or tvOS.")
    version = models.CharField(max_length=100, blank=True, help_text="Of the newest upload, or in the App Store.")
    icon_url = models.URLField(max_length=500, blank=True, help_text="Where the App Store had the stored icon.")
    icon = models.FileField(
        max_length=300, blank=True, help_text="An image in the storage: of the newest upload, or from the App Store."
    )
    configuration = models.PositiveIntegerField(
        default=0, help_text="Edition of its managed configuration: each push of it is the next one."
    )
    processing_status = models.CharField(max_length=20, choices=ProcessingStatus, default=ProcessingStatus.PROCESSED)
    lookup_due_at = models.DateTimeField(null=True, editable=False, help_text="When to ask the App Store about it.")
    lookup_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    lookup_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    removed_at = models.DateTimeField(null=True, editable=False)

    objects = AppQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "itunes_store_id"],
                condition=Q(removed_at=None, itunes_store_id__isnull=False),
                name="one_app_per_store_id",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "id"], condition=Q(removed_at=None), name="app_pages"),
            models.Index(fields=["account", "bundle_identifier"], name="app_by_bundle_identifier"),
            models.Index(fields=["lookup_due_at"], condition=Q(lookup_due_at__isnull=False), name="app_to_look_up"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_of_store(self) -> bool:
        """Whether it comes from the App Store, under a number that is known."""
        return self.app_type != AppType.ENTERPRISE and bool(self.itunes_store_id)


class PackageKind(models.TextChoices):
    IPA = "ipa", gettext_lazy("iOS app")
    PKG = "pkg", gettext_lazy("macOS package")


STORED_APPS = "apps"


def folder_of(account_id: int) -> str:
    """Where the storage has an account's uploads and their icons."""
    return f"{STORED_APPS}/{account_id}"


def stored_path(version: "AppVersion", filename: str) -> str:
    return f"{folder_of(version.account_id)}/{version.secret_name}.{version.kind}"


class AppVersion(AccountScoped):
    """One uploaded binary. Devices fetch it by a signed address that expires."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="versions")
    kind = models.CharField(max_length=10, choices=PackageKind)
    file = models.FileField(upload_to=stored_path, max_length=300)
    secret_name = models.CharField(max_length=40, editable=False)
    file_name = models.CharField(max_length=255, help_text="As it was uploaded.")
    size = models.BigIntegerField(help_text="Bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    chunk_size = models.IntegerField(
        default=0, help_text="Bytes of each piece that has a hash; the last may be shorter."
    )
    chunk_hashes = models.JSONField(default=list, help_text="SHA-256 of each piece, for the manifest.")
    bundle_identifier = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    version = models.CharField(max_length=100, blank=True)
    short_version = models.CharField(max_length=100, blank=True)
    minimum_os_version = models.CharField(max_length=32, blank=True)
    is_signed = models.BooleanField(null=True)
    details = models.JSONField(default=dict, help_text="Bundles of a package, device families of an app, expiry.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.title or self.bundle_identifier} {self.short_version or self.version}".strip()
