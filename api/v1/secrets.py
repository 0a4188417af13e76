"""Secrets in answers: who may see them, and the line of the log that says who did.

Values of secret attributes are shown as an empty text beside `secret: true`, unless the request carries
`include_secret_custom_attributes` and its key may change devices: whoever only reads gets 403 for the flag.
"""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from api.errors import ApiError
from api.v1.fields import flag
from devices.models import Device
from devices.services.attributes import Effective
from devices.services.viewing import log_viewed
from mdm.accounts.api_scopes import may_use

MASK = ""
# Attributes of a device that hold what it entrusted to us.
DEVICE_SECRETS = ("filevault_recovery_key", "firmware_password", "recovery_lock_password")


class SecretsFilter(serializers.Serializer):
    include_secret_custom_attributes = flag(help_text="Show secret values too; 403 for keys that only read devices.")


def require_secrets(request: Request) -> None:
    """403 for a key that may not see the values of secret attributes."""
    if not may_use(request.auth, "devices", changes=True):
        raise ApiError(403, "Only an API key that may change devices sees the values of secret attributes.")


class Secrets:
    """What of secrets one answer shows; `log()` when it is complete. of: whose they are, as the log says it."""

    def __init__(self, request: Request, *, of: str = "device") -> None:
        """Raises ApiError 403 when the request asks for what its key may not see."""
        filters = SecretsFilter(data=request.params)
        filters.is_valid(raise_exception=True)
        self.request = request
        self.of = of
        self.is_open = bool(filters.validated_data["include_secret_custom_attributes"])
        self.shown: dict[str, list[int]] = {}
        if self.is_open:
            require_secrets(request)

    def value(self, value: Effective, name: str, pk: int) -> str:
        """As the answer may show it. pk: of whose value it is."""
        if not value.is_secret:
            return value.value
        if not (self.is_open and value.is_set):
            return MASK
        self._note(f"custom attribute {name}", pk)
        return value.value

    def note_device(self, attributes: dict[str, Any], pk: int) -> None:
        for name in DEVICE_SECRETS:
            if attributes.get(name):
                self._note(name, pk)

    def log(self, device: Device | None = None) -> None:
        """device: when the answer is about this one only."""
        log_viewed(self.request.account.pk, self.shown, of=self.of, actor=self.request.actor, device=device)

    def _note(self, secret: str, pk: int) -> None:
        self.shown.setdefault(secret, []).append(pk)
