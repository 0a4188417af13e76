"""Stored answers on their way to the inventory: taken in batches by whichever worker is free."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mdm.commands.models import Command
from mdm.commands.states import ApplyState
from mdm.common.text import clean_text

BATCH = 50
ATTEMPTS = 6
FIRST_RETRY_SECONDS = 30


@contextmanager
def claim(limit: int = BATCH) -> Iterator[list[Command]]:
    """Waiting answers, oldest first, locked for the length of the block; another worker skips them.

    Leave each row in a new apply_state (`applied`, `failed`): they are written when the block ends. A worker that dies in
    the block has done nothing: all is one transaction.
    """
    with transaction.atomic():
        due = Q(apply_due_at=None) | Q(apply_due_at__lte=timezone.now())
        commands = list(
            Command.objects.filter(due, apply_state=ApplyState.PENDING)
            .order_by("id")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related("channel")[:limit]
        )
        yield commands
        fields = ["apply_state", "apply_attempts", "apply_due_at", "apply_error", "error_chain"]
        Command.objects.bulk_update(commands, fields)


def mark_applied(command: Command) -> None:
    command.apply_state = ApplyState.APPLIED
    command.apply_error = ""


def mark_failed(command: Command, why: str) -> bool:
    """Keep the answer and try again later, each time after a longer pause; True when this was the last attempt."""
    command.apply_attempts += 1
    command.apply_error = clean_text(why, 2000)
    command.apply_due_at = timezone.now() + timedelta(seconds=FIRST_RETRY_SECONDS * 4 ** (command.apply_attempts - 1))
    if command.apply_attempts >= ATTEMPTS:
        command.apply_state = ApplyState.FAILED
    return command.apply_state == ApplyState.FAILED
