import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from enrollment.services.accounts import open_account
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account, Role, User
from mdm.accounts.services import create_api_key
from mdm.events.services import emit

KEY_NAME = "First key"


class Command(BaseCommand):
    help = (
        "Open an account with its owner and an API key; prints one JSON object. Repeated with the same name and owner it "
        "finds the account that is there and makes another key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="name of the organization")
        parser.add_argument(
            "--owner", required=True, metavar="EMAIL", help="the owner's e-mail address, to sign in with"
        )
        parser.add_argument("--password", required=True, metavar="PW", help="the owner's password")

    def handle(self, *, name: str, owner: str, password: str, **options: Any) -> None:
        name, email = name.strip(), owner.strip().lower()
        self._check(name, email, password)
        is_known = User.objects.filter(email=email).exists()
        account = Account.objects.filter(
            name=name, memberships__user__email=email, memberships__role=Role.OWNER
        ).first()
        if account is None:
            account, _ = open_account(name, owner_email=email, password=password)
        with transaction.atomic():
            key, secret = create_api_key(account, name=KEY_NAME)
            emit("api_key.created", account_id=account.pk, actor=SYSTEM, name=key.name, api_key_id=key.pk)
        if is_known:
            self.stderr.write(f"{email} was known before and keeps their password.")
        self.stdout.write(json.dumps({"account_id": account.pk, "owner": email, "api_key": secret}))

    def _check(self, name: str, email: str, password: str) -> None:
        if not 0 < len(name) <= Account._meta.get_field("name").max_length:
            raise CommandError("The account needs a name of 1 to 200 characters.")
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email} is not a valid e-mail address.") from error
        if not password:
            raise CommandError("The password must not be empty.")
