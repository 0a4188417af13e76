"""The account itself."""

from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import Resource, describe, shape
from api.v1.base import ResourceView
from devices.models import Device, DeviceState
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.events.services import emit

_LICENSES = shape("Licenses", total=serializers.IntegerField(), available=serializers.IntegerField())
ACCOUNT = Resource(
    "Account",
    {
        "name": serializers.CharField(),
        "apple_store_country_code": serializers.CharField(),
        "subscription": shape("Subscription", licenses=_LICENSES())(required=False),
    },
    identifier=None,
)


class AccountChange(serializers.Serializer):
    name = serializers.CharField(max_length=200, required=False)
    apple_store_country_code = serializers.RegexField(
        r"^[A-Za-z]{2}$",
        required=False,
        error_messages={"invalid": "Must be a two-letter country code, for example US."},
    )

    def validate_apple_store_country_code(self, value: str) -> str:
        return value.upper()


class AccountView(ResourceView):
    section = "account"

    @describe("account_show", "Show the account", answers=ACCOUNT.one)
    def show(self, request: Request) -> Response:
        return self._answer(request.account)

    @describe("account_update", "Change the account", answers=ACCOUNT.one, takes=AccountChange)
    def update(self, request: Request) -> Response:
        change_account(request.account, self.read(AccountChange), request.actor)
        return self._answer(request.account)

    def _answer(self, account: Account) -> Response:
        attributes: dict[str, Any] = {
            "name": account.name,
            "apple_store_country_code": account.apple_store_country_code,
        }
        if account.license_total is not None:
            used = self.rows(Device).filter(state=DeviceState.ENROLLED).count()
            licenses = {"total": account.license_total, "available": max(account.license_total - used, 0)}
            attributes["subscription"] = {"licenses": licenses}
        return Response({"data": {"type": "account", "attributes": attributes}})


def change_account(account: Account, changes: dict[str, str], actor: Actor) -> None:
    """Here and not in mdm.accounts, which is below the log."""
    changed = {name: value for name, value in changes.items() if getattr(account, name) != value}
    if not changed:
        return
    for name, value in changed.items():
        setattr(account, name, value)
    with transaction.atomic():
        account.save(update_fields=list(changed))
        emit("account.updated", account_id=account.pk, actor=actor, **changed)
