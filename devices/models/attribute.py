"""Custom attributes: named texts with a value for the account, a group or a device."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from devices.models.assignment import AssignmentGroup
from devices.models.device import Device
from devices.models.group import DeviceGroup
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class StoredText(SecretHolder):
    """A text in the open, or encrypted when its attribute is secret: in one of the two columns, never in both."""

    plain = models.TextField(blank=True)
    sealed = EncryptedTextField()

    class Meta:
        abstract = True

    @property
    def value(self) -> str:
        return self.plain or self.sealed

    @property
    def is_set(self) -> bool:
        """Whether the value is not empty; what is sealed stays so."""
        return bool(self.plain or self.__dict__["sealed"])

    def set_value(self, value: str, *, is_secret: bool) -> None:
        self.plain, self.sealed = ("", value) if is_secret else (value, "")


class CustomAttribute(AccountScoped, StoredText):
    """The definition; its own value is the default, used where neither device nor group has one."""

    name = models.CharField(max_length=255)
    is_secret = models.BooleanField(
        "secret", default=False, help_text="Values are encrypted and shown to nobody unasked."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Names differ by more than their case; the lookup of every value that is set.
            models.UniqueConstraint("account", Lower("name"), name="one_attribute_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class AttributeValue(AccountScoped, StoredText):
    """The value of an attribute for exactly one device, device group or assignment group."""

    attribute = models.ForeignKey(CustomAttribute, on_delete=models.CASCADE, related_name="values")
    device = models.ForeignKey(Device, null=True, on_delete=models.CASCADE, related_name="attribute_values")
    device_group = models.ForeignKey(DeviceGroup, null=True, on_delete=models.CASCADE, related_name="attribute_values")
    assignment_group = models.ForeignKey(
        AssignmentGroup, null=True, on_delete=models.CASCADE, related_name="attribute_values"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device", "attribute"], condition=Q(device__isnull=False), name="one_value_per_device"
            ),
            models.UniqueConstraint(
                fields=["device_group", "attribute"],
                condition=Q(device_group__isnull=False),
                name="one_value_per_device_group",
            ),
            models.UniqueConstraint(
                fields=["assignment_group", "attribute"],
                condition=Q(assignment_group__isnull=False),
                name="one_value_per_assignment_group",
            ),
            models.CheckConstraint(
                condition=(
                    Q(device__isnull=False, device_group=None, assignment_group=None)
                    | Q(device=None, device_group__isnull=False, assignment_group=None)
                    | Q(device=None, device_group=None, assignment_group__isnull=False)
                ),
                name="attribute_value_has_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attribute_id}: {self.device or self.device_group or self.assignment_group}"
