import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.events.models import Webhook, WebhookFormat
from mdm.events.outbox import OWN_EVENTS, REFERENCE_EVENTS
from mdm.events.webhooks import WebhookError, create_webhook


class Command(BaseCommand):
    help = (
        "Tell a URL of what happens in an account; prints one JSON object with the webhook's id and the secret that "
        "signs what it is sent, which cannot be shown again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, type=int, metavar="ID", help="the account's id")
        parser.add_argument("url", metavar="URL", help="where events are posted to")
        parser.add_argument(
            "--event",
            action="extend",
            nargs="+",
            default=[],
            metavar="TYPE",
            help=(
                f"only these events; if none is given, {', '.join(REFERENCE_EVENTS)}; "
                f"on request also {', '.join(OWN_EVENTS)}"
            ),
        )
        parser.add_argument(
            "--format",
            choices=WebhookFormat.values,
            default=WebhookFormat.NATIVE.value,
            help="micromdm: each message of a device, as MicroMDM tells of it, whatever events are given",
        )
        parser.add_argument("--name", default="", help="what it is for")

    def handle(self, *, account: int, url: str, event: list[str], name: str, **options: Any) -> None:
        if len(name) > Webhook._meta.get_field("name").max_length:
            raise CommandError("The name is too long.")
        try:
            webhook = create_webhook(
                Account.objects.get(pk=account),
                url=url,
                events=[part for text in event for part in text.split(",") if part],
                name=name,
                format=options["format"],
                actor=SYSTEM,
            )
        except (Account.DoesNotExist, OverflowError) as error:
            raise CommandError(f"There is no account with the id {account}.") from error
        except WebhookError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps({"webhook_id": webhook.pk, "secret": webhook.secret}))
