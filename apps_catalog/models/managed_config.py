from django.db import models
from django.utils.translation import gettext_lazy

from apps_catalog.models.app import App
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder


class ValueType(models.TextChoices):
    """As `value_type` in the API."""

    BOOLEAN = "boolean", gettext_lazy("Boolean")
    DATE = "date", gettext_lazy("Date")
    FLOAT = "float", gettext_lazy("Float")
    FLOAT_ARRAY = "float array", gettext_lazy("Float array")
    INTEGER = "integer", gettext_lazy("Integer")
    INTEGER_ARRAY = "integer array", gettext_lazy("Integer array")
    STRING = "string", gettext_lazy("String")
    STRING_ARRAY = "string array", gettext_lazy("String array")


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
