"""How devices that Apple lists enroll: the settings of a DEP server, defined at Apple and assigned to its devices."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from devices.models import DeviceGroup
from enrollment.models.dep import DepServer
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder
from mdm.common.tokens import new_token


class PrimaryAccount(models.TextChoices):
    """What the person who sets up a Mac gets."""

    ADMINISTRATOR = "administrator", gettext_lazy("An administrator account")
    STANDARD = "standard", gettext_lazy("A standard account")
    NONE = "none", gettext_lazy("No account")


class DepSettings(AccountScoped, SecretHolder):
    """One row a server. What Apple keeps of it is a "profile" there, known by `profile_uuid`; a change makes a new one."""

    server = models.OneToOneField(DepServer, on_delete=models.CASCADE, related_name="settings")
    device_group = models.ForeignKey(DeviceGroup, on_delete=models.PROTECT, related_name="+")
    # Stands in the address that Apple gives to devices.
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    options = models.JSONField(
        default=dict,
        help_text="Apple's keys, as `mdm/protocol/dep_profile.py` lists them, without those that follow here.",
    )
    requires_sign_in = models.BooleanField(
        default=False, help_text="People of the account sign in on the device first."
    )
    minimum_os = models.JSONField(default=dict, help_text="Platform → the least OS version that may enroll.")

    # Accounts of a Mac, made by Setup Assistant.
    admin_short_name = models.CharField(max_length=64, blank=True)
    admin_full_name = models.CharField(max_length=255, blank=True)
    admin_password = EncryptedTextField()
    admin_is_hidden = models.BooleanField(default=True)
    primary_account = models.CharField(max_length=20, choices=PrimaryAccount, default=PrimaryAccount.ADMINISTRATOR)
    primary_full_name = models.CharField(max_length=255, blank=True)
    primary_user_name = models.CharField(max_length=64, blank=True)
    locks_primary_account = models.BooleanField(default=False)

    # What stands at Apple, and the work that brings it there.
    profile_uuid = models.CharField("profile UUID", max_length=64, blank=True, editable=False)
    defined_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="SHA-256 of what was defined."
    )
    defined_at = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False, help_text="When to define and assign next.")
    started_at = models.DateTimeField(null=True, editable=False, help_text="A worker has it since.")
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    left_groups = models.JSONField(
        default=list,
        editable=False,
        help_text="Keys of device groups named before: a worker moves devices that still wait in them.",
    )
    removed_at = models.DateTimeField(
        null=True, editable=False, help_text="Somebody deleted them; they go once they are taken back at Apple."
    )
    updated_at = models.DateTimeField(auto_now=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "enrollment settings of a DEP server"
        verbose_name_plural = verbose_name
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="dep_settings_due")]

    def __str__(self) -> str:
        return f"Settings of {self.server_id}"

    @property
    def url(self) -> str:
        """Where a device asks for its management profile."""
        return f"{settings.BASE_URL}/e/ade/{self.token}"

    @property
    def sign_in_url(self) -> str:
        """The page that it shows first; '' without one."""
        return f"{self.url}/sign-in" if self.requires_sign_in else ""
