"""Apps and Books: content tokens, what their locations own, and which device has a licence of what."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from devices.models import Device
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder
from mdm.common.tokens import new_token

# How long apps wait for Apple to say for the first time what a location owns.
UNREAD_FOR_AT_MOST = timedelta(hours=1)


def new_mdm_id() -> str:
    return str(uuid.uuid4())


class ContentToken(AccountScoped, SecretHolder):
    """One location of Apple Business or School Manager, and how far its apps and licences are known.

    A worker looks at it when a sync is due, or licences of it are; and after trouble not before `paused_until`.
    """

    token = EncryptedTextField()
    organization_name = models.CharField(max_length=255, blank=True, help_text="As the token says.")
    expires_at = models.DateTimeField("expires")
    location_id = models.CharField("location ID", max_length=64, blank=True, help_text="Apple's; known after a sync.")
    location_name = models.CharField("location", max_length=255, blank=True)
    country = models.CharField(max_length=8, blank=True)

    mdm_id = models.CharField(max_length=64, default=new_mdm_id, editable=False, help_text="What Apple knows us by.")
    is_ours = models.BooleanField(default=False, editable=False, help_text="Apple has us as what manages it.")
    other_mdm = models.CharField(max_length=100, blank=True, help_text="What manages the location instead of us.")
    takes_over = models.BooleanField(default=False, editable=False, help_text="Somebody wants it taken over.")
    is_leaving = models.BooleanField(default=False, editable=False, help_text="It goes once its licences are back.")

    notification_token = EncryptedTextField()
    notification_key = models.CharField(max_length=64, default=new_token, unique=True, editable=False)
    notification_url = models.CharField(max_length=512, blank=True, editable=False)
    notification_error = models.CharField(max_length=300, blank=True, editable=False)

    sync_due_at = models.DateTimeField(null=True, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False, help_text="A worker has it since.")
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.CharField(max_length=500, blank=True)
    counted_at = models.DateTimeField(null=True, editable=False, help_text="When Apple last said how many there are.")
    last_synced_at = models.DateTimeField("last sync", null=True)

    # The list of assignments: the version that we have, and the one that is being read.
    assignments_version = models.CharField(max_length=100, blank=True, editable=False)
    reading_version = models.CharField(max_length=100, blank=True, editable=False)
    reading_page = models.PositiveIntegerField(default=0, editable=False)
    reading_since = models.DateTimeField(null=True, editable=False)
    read_at = models.DateTimeField(null=True, editable=False, help_text="When the whole list was last read.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "location_id"], condition=~Q(location_id=""), name="one_content_token_per_location"
            )
        ]

    def __str__(self) -> str:
        return self.location_name or self.organization_name or f"Content token {self.pk}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def days_left(self) -> int:
        return max((self.expires_at - timezone.now()).days, 0)

    @property
    def is_unread(self) -> bool:
        """Whether what it owns is still to be learnt; given up after an hour, so that trouble with Apple holds no app up."""
        is_young = self.created_at > timezone.now() - UNREAD_FOR_AT_MOST
        return self.counted_at is None and self.gives_licences and not self.is_expired and is_young

    @property
    def gives_licences(self) -> bool:
        """Whether we may give its licences out: not those of a location that somebody else manages."""
        return not self.is_leaving and not self.other_mdm


class ContentAsset(AccountScoped):
    """An app or a book that a location owns licences of."""

    token = models.ForeignKey(ContentToken, on_delete=models.CASCADE, related_name="assets")
    adam_id = models.BigIntegerField("App Store ID")
    pricing_param = models.CharField(max_length=10, help_text="STDQ or PLUS.")
    name = models.CharField(max_length=255, blank=True, help_text="In the App Store.")
    named_at = models.DateTimeField(null=True, editable=False, help_text="When the App Store was asked for its name.")
    product_type = models.CharField(max_length=20, blank=True, help_text="App or Book.")
    platforms = models.JSONField(default=list)
    is_device_assignable = models.BooleanField(default=False)
    is_revocable = models.BooleanField(default=False)
    total = models.PositiveIntegerField(default=0)
    assigned = models.PositiveIntegerField(default=0)
    available = models.PositiveIntegerField(default=0)
    retired = models.PositiveIntegerField(default=0)
    short_since = models.DateTimeField(null=True, editable=False, help_text="Devices wait, and none is left.")
    seen_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "adam_id", "pricing_param"], name="one_content_asset")]
        indexes = [models.Index(fields=["account", "adam_id"], name="content_asset_by_store_id")]

    def __str__(self) -> str:
        return self.name or f"{self.product_type or 'Product'} {self.adam_id}"


class LicenceState(models.TextChoices):
    WANTED = "wanted", gettext_lazy("Waiting for a licence")
    ASKING = "asking", gettext_lazy("Being assigned")
    ASSIGNED = "assigned", gettext_lazy("Assigned")
    LEAVING = "leaving", gettext_lazy("To be given back")
    GIVING_BACK = "giving_back", gettext_lazy("Being given back")


class RequestKind(models.TextChoices):
    ASSOCIATE = "associate", gettext_lazy("Give out")
    DISASSOCIATE = "disassociate", gettext_lazy("Give back")


class LicenceRequest(AccountScoped):
    """What was asked of Apple in one request, until Apple says that it is done. Without an event id nobody knows whether
    Apple has it: its licences are asked for again, which does no harm.
    """

    token = models.ForeignKey(ContentToken, on_delete=models.CASCADE, related_name="requests")
    kind = models.CharField(max_length=20, choices=RequestKind)
    event_id = models.CharField(max_length=128, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often it was looked after.")
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["event_id"], name="licence_request_by_event")]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class LicenceAssignment(AccountScoped):
    """A licence of an asset for one device, by its serial number. Those that others gave out are known, and left alone."""

    asset = models.ForeignKey(ContentAsset, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    serial_number = models.CharField(max_length=64)
    device = models.ForeignKey(
        Device, null=True, on_delete=models.SET_NULL, related_name="licences", help_text="For whom we wanted it."
    )
    is_ours = models.BooleanField(default=False, help_text="We wanted it, so that it is ours to give back.")
    state = models.CharField(max_length=20, choices=LicenceState, default=LicenceState.WANTED)
    request = models.ForeignKey(LicenceRequest, null=True, on_delete=models.SET_NULL, related_name="assignments")
    is_short = models.BooleanField(default=False, help_text="There is no licence left for it.")
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False, help_text="When Apple last said that it is assigned.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["asset", "serial_number"], name="one_licence_per_device")]
        indexes = [
            models.Index(fields=["account", "serial_number"], name="licence_by_serial_number"),
            # What is to be done; the many that are simply there are not in it.
            models.Index(fields=["asset", "state"], condition=~Q(state="assigned"), name="licence_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} for {self.serial_number}: {self.state}"
