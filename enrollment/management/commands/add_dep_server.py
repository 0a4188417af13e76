import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from enrollment.management.accounts import account_with_id
from enrollment.services.dep import add_server
from enrollment.services.dep_tokens import MAX_TOKEN_BYTES
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import SYSTEM


class Command(BaseCommand):
    help = (
        "Add a DEP server by the server token that Apple Business or School Manager gave out for a certificate of "
        "dep_certificate; prints one JSON object. A renewed token renews the server that is there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")
        parser.add_argument("--name", required=True, help="what to call the server")
        parser.add_argument("file", type=Path, metavar="FILE.p7m", help="the server token as Apple gave it")

    def handle(self, *, account: int, name: str, file: Path, **options: Any) -> None:
        owner = account_with_id(account)
        try:
            with Path(file).open("rb") as opened:
                data = opened.read(MAX_TOKEN_BYTES + 1)
            server = add_server(owner, data, name=name.strip(), actor=SYSTEM)
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except EnrollmentError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps({"dep_server_id": server.pk}))
