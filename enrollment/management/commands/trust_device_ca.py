import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from enrollment.management.accounts import account_with_id
from enrollment.services.errors import EnrollmentError
from enrollment.services.trust import trust_authority
from mdm.accounts.actors import SYSTEM


class Command(BaseCommand):
    help = (
        "Let an account accept device certificates that an external CA signed; prints one JSON object. May be repeated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")
        parser.add_argument("--name", default="", help="what to call the CA; its subject if left out")
        parser.add_argument("file", type=Path, metavar="FILE.pem", help="the certificate of the CA, PEM or DER")

    def handle(self, *, account: int, file: Path, name: str = "", **options: Any) -> None:
        owner = account_with_id(account)
        try:
            trusted = trust_authority(owner, Path(file).read_bytes(), name.strip()[:200], SYSTEM)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except EnrollmentError as error:
            raise CommandError(f"{file}: {error}") from error
        self.stdout.write(json.dumps({"trusted_authority_id": trusted.pk, "fingerprint": trusted.fingerprint}))
