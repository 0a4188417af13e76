from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from enrollment.management.accounts import account_with_id
from enrollment.services.dep_tokens import make_key
from mdm.accounts.actors import SYSTEM


class Command(BaseCommand):
    help = (
        "Make a key for the server token of Apple Business or School Manager; prints the certificate (PEM) to upload there. "
        "Each run makes another key; those made before stay good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")

    def handle(self, *, account: int, **options: Any) -> None:
        self.stdout.write(make_key(account_with_id(account), SYSTEM).certificate_pem)
