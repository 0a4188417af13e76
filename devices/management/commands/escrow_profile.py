from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.services.escrow import escrow_profile
from mdm.accounts.models import Account


class Command(BaseCommand):
    help = (
        "Print the configuration profile (.mobileconfig) by which Macs hand their FileVault recovery keys to an account: "
        "upload it as a custom configuration profile for devices (user_scope off) and assign it before FileVault is "
        "switched on. Each run prints the same profile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")

    def handle(self, *, account: int, **options: Any) -> None:
        try:
            found = Account.objects.get(pk=account)
        except (Account.DoesNotExist, OverflowError) as error:
            raise CommandError(f"There is no account with the id {account}.") from error
        self.stdout.write(escrow_profile(found).decode())
