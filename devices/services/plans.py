"""What has to be sent so that devices get what they should have: worked out by each kind of item, carried out here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import models

from devices.models import Followed, ItemState
from mdm.accounts.actors import Actor
from mdm.channels.models import Channel
from mdm.commands.services import Prepared, enqueue_each
from mdm.common.batches import batches
from mdm.common.many_rows import insert_many, update_many


class Order(NamedTuple):
    """A command for an item; state: that of the item's row when the command is queued. None: it stays what it is."""

    row: Followed
    channel: Channel
    request: Prepared
    state: ItemState | None


@dataclass
class Plan:
    """For one kind of item. noted: rows that changed without a command; forgotten: keys of rows that have no meaning more;
    known: all rows that the devices had before.
    """

    model: type[models.Model]
    columns: Sequence[str]
    orders: list[Order] = field(default_factory=list)
    noted: list[Any] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    known: list[Any] = field(default_factory=list)


# What every kind writes; its own columns come on top.
COLUMNS = ("state", "command_uuid", "error", "attempts", "retry_at", "is_stopped", "updated_at")


def carry_out(plans: Iterable[Plan], *, actor: Actor, is_logged: bool = True, wakes: bool = True) -> list[int]:
    """Queue the commands and write the rows, in a few statements for all. Returns the channels, once for each command."""
    plans = list(plans)
    orders = [order for plan in plans for order in plan.orders]
    commands = enqueue_each(
        [(order.channel, order.request) for order in orders], actor=actor, is_logged=is_logged, wakes=wakes
    )
    for order, command in zip(orders, commands, strict=True):
        if order.state is not None:
            order.row.state, order.row.command_uuid, order.row.error = order.state, command.command_uuid, ""
            order.row.retry_at = None
    for plan in plans:
        _write(plan)
    return [order.channel.pk for order in orders]


def _write(plan: Plan) -> None:
    for some in batches(plan.forgotten):
        plan.model.objects.filter(pk__in=some).delete()
    rows = list({id(row): row for row in [*(order.row for order in plan.orders), *plan.noted]}.values())
    insert_many([row for row in rows if row.pk is None])
    update_many([row for row in rows if row.pk is not None], [*COLUMNS, *plan.columns])
