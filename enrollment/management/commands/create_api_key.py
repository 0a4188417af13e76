import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from enrollment.management.accounts import account_with_id
from mdm.accounts.actors import SYSTEM
from mdm.accounts.api_scopes import SECTIONS
from mdm.accounts.models import ApiKey
from mdm.accounts.services import BadScopes, create_api_key
from mdm.events.services import emit


class Command(BaseCommand):
    help = "Make an API key for an account; prints one JSON object with the key, which cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")
        parser.add_argument("--name", required=True, metavar="N", help="what will use the key")
        access = parser.add_mutually_exclusive_group()
        access.add_argument("--read-only", action="store_true", help="the key may look but not change anything")
        access.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="SECTION:read|write",
            help=f"the key may do only this (again for more); write includes reading. Sections: {', '.join(SECTIONS)}",
        )

    def handle(
        self, *, account: int, name: str, read_only: bool = False, scope: Sequence[str] = (), **options: Any
    ) -> None:
        owner = account_with_id(account)
        name = name.strip()
        if not 0 < len(name) <= ApiKey._meta.get_field("name").max_length:
            raise CommandError("The key needs a name of 1 to 100 characters.")
        access = ApiKey.Access.READ_ONLY if read_only else ApiKey.Access.READ_WRITE
        if scope:
            access = ApiKey.Access.LIMITED
        try:
            with transaction.atomic():
                key, secret = create_api_key(owner, name=name, access=access, scopes=_scopes(scope))
                facts = {"name": key.name, "access": key.access, "scopes": key.scopes}
                emit("api_key.created", account_id=owner.pk, actor=SYSTEM, api_key_id=key.pk, **facts)
        except BadScopes as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps({"api_key": secret}))


def _scopes(given: Sequence[str]) -> dict[str, str]:
    """{"devices": "write"} of ["devices:write"]; of a section given twice the last one counts."""
    scopes = {}
    for text in given:
        section, _, granted = text.partition(":")
        scopes[section] = granted
    return scopes
