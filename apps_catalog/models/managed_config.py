from django.db import models

from apps_catalog.models.app import App
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class ValueType(models.TextChoices):
    """As `value_type` in the API."""

    BOOLEAN = "boolean", "Boolean"
    DATE = "date", "Date"
    FLOAT = "float", "Float"
    FLOAT_ARRAY = "float array", "Float array"
    INTEGER = "integer", "Integer"
    INTEGER_ARRAY = "integer array", "Integer array"
    STRING = "string", "String"
    STRING_ARRAY = "string array", "String array"


class ManagedConfig(AccountScoped, SecretHolder):
    """One key of the configuration that an app reads from its management."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="managed_configs")
    key = models.CharField(max_length=255)
    # As it was given; encrypted, as configurations carry tokens and passwords.
    value = EncryptedTextField()
    value_type = models.CharField(max_length=20, choices=ValueType)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "key"], name="one_managed_config_per_key")]

    def __str__(self) -> str:
        return self.key
