import uuid
from typing import Self

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Replace
from django.utils.translation import gettext_lazy

from devices.models.group import DeviceGroup
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.channels.models import Channel


class DeviceState(models.TextChoices):
    AWAITING = "awaiting_enrollment", gettext_lazy("Awaiting enrollment")
    ENROLLED = "enrolled", gettext_lazy("Enrolled")
    UNENROLLED = "unenrolled", gettext_lazy("Unenrolled")


class Platform(models.TextChoices):
    """Apple's names, as in the command catalogue; an iPad counts as iOS."""

    UNKNOWN = "", gettext_lazy("Unknown")
    IOS = "iOS", gettext_lazy("iPhone and iPad")
    MACOS = "macOS", gettext_lazy("Mac")
    TVOS = "tvOS", gettext_lazy("Apple TV")
    VISIONOS = "visionOS", gettext_lazy("Apple Vision Pro")
    WATCHOS = "watchOS", gettext_lazy("Apple Watch")


class DeviceQuerySet(AccountQuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Devices that an operator sees: those removed from the account are kept only to tell them so."""
        return super().for_account(account).filter(removed_at=None)

    def without_facts(self) -> Self:
        """For lists: without the long columns, which each row asks for by itself should they be needed after all."""
        return self.defer("information", "security", "location", "search_text")

    def search(self, text: str) -> Self:
        """Name, UDID, serial number, IMEI, MAC address, phone number or e-mail contains text, whatever its case.

        An IMEI may be written without the spaces that devices put into theirs.
        """
        return self.filter(search_text__icontains=text)


class Device(AccountScoped):
    """An iPhone, iPad, Mac or Apple TV: the columns are what people search and filter by, the rest is in the JSON facts."""

    SEARCHED = (
        "name",
        "device_name",
        "udid",
        "serial_number",
        "imei",
        "wifi_mac",
        "bluetooth_mac",
        "ethernet_mac",
        "phone_number",
        "email",
    )

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=255, help_text="What you call it here; the device's own name stays as it is.")
    group = models.ForeignKey(
        DeviceGroup, on_delete=models.PROTECT, related_name="devices", verbose_name="device group"
    )
    state = models.CharField(max_length=30, choices=DeviceState, default=DeviceState.AWAITING)
    platform = models.CharField(max_length=10, choices=Platform, default=Platform.UNKNOWN, blank=True)

    udid = models.CharField("UDID", max_length=128, blank=True)
    enrollment_id = models.CharField("EnrollmentID", max_length=128, blank=True)
    serial_number = models.CharField(max_length=64, blank=True)
    imei = models.CharField("IMEI", max_length=64, blank=True)
    meid = models.CharField("MEID", max_length=64, blank=True)
    device_name = models.CharField("name on the device", max_length=255, blank=True)
    model = models.CharField("model number", max_length=64, blank=True)
    model_name = models.CharField("model", max_length=100, blank=True)
    product_name = models.CharField("product", max_length=64, blank=True)
    os_version = models.CharField("OS version", max_length=32, blank=True)
    build_version = models.CharField("build", max_length=32, blank=True)
    wifi_mac = models.CharField("Wi-Fi address", max_length=32, blank=True)
    bluetooth_mac = models.CharField("Bluetooth address", max_length=32, blank=True)
    ethernet_mac = models.CharField("Ethernet addresses", max_length=200, blank=True)
    phone_number = models.CharField(max_length=64, blank=True)
    email = models.EmailField("e-mail", blank=True, help_text="Of whoever uses it; profiles may name it.")
    is_supervised = models.BooleanField("supervised", null=True)
    is_user_enrollment = models.BooleanField("user enrollment", default=False)
    is_dep_enrollment = models.BooleanField("automated enrollment", null=True)
    has_filevault = models.BooleanField("FileVault", null=True, help_text="Of the last security answer; Macs only.")

    # What the device answered, Apple's keys: DeviceInformation's QueryResponses and SecurityInfo without its secrets.
    information = models.JSONField(default=dict)
    security = models.JSONField(default=dict)
    information_at = models.DateTimeField("inventory of", null=True)
    security_at = models.DateTimeField(null=True)
    inventory_asked_at = models.DateTimeField(null=True, editable=False, help_text="By the schedule.")
    # The last answer to DeviceLocation: latitude, longitude, accuracy (metres) and at (ISO 8601), all texts.
    location = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    enrolled_at = models.DateTimeField(null=True)
    unenrolled_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True, editable=False)
    # What is searched, in one text with one index (trigrams, on PostgreSQL): the database keeps it by itself. A line for each
    # column, so that nothing is found across two of them, and the IMEI without its spaces as well.
    search_text = models.GeneratedField(
        expression=Func(
            *(F(name) for name in SEARCHED),
            Replace(F("imei"), Value(" "), Value("")),
            template="(%(expressions)s)",
            arg_joiner=" || '\n' || ",
        ),
        output_field=models.TextField(),
        db_persist=True,
    )

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints = [
            # A known device that enrolls again is found here.
            models.UniqueConstraint(
                fields=["account", "udid"], condition=Q(removed_at=None) & ~Q(udid=""), name="device_by_udid"
            ),
            models.UniqueConstraint(
                fields=["account", "enrollment_id"],
                condition=Q(removed_at=None) & ~Q(enrollment_id=""),
                name="device_by_enrollment_id",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "serial_number"], name="device_by_serial_number"),
            models.Index(fields=["account", "id"], condition=Q(removed_at=None), name="device_pages"),
            # The numbers of the home page and the versions of the list, read from the index alone.
            models.Index(
                fields=["account", "state", "platform", "os_version"],
                condition=Q(removed_at=None),
                name="device_numbers",
            ),
            models.Index(fields=["account", "enrolled_at"], condition=Q(removed_at=None), name="device_newly_enrolled"),
            # Device groups with their numbers of devices.
            models.Index(
                fields=["account", "group", "state", "id"], condition=Q(removed_at=None), name="device_by_group"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.device_name or self.serial_number or self.udid or f"Device {self.pk}"

    @property
    def is_enrolled(self) -> bool:
        return self.state == DeviceState.ENROLLED

    @property
    def is_mac(self) -> bool:
        return self.platform == Platform.MACOS

    @property
    def device_channel(self) -> Channel | None:
        """The Channel of the device itself, or None. Lists prefetch `channels`, so this asks nothing more."""
        return next((channel for channel in self.channels.all() if not channel.user_key), None)
