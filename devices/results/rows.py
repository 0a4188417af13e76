"""Replacing a device's inventory rows by what it reports now, in a constant number of statements."""

from collections.abc import Callable, Hashable, Sequence

from django.db import models

BATCH = 500


def replace_rows(
    present: Sequence[models.Model],
    reported: Sequence[models.Model],
    *,
    key: Callable[[models.Model], Hashable],
    fields: Sequence[str],
) -> None:
    """Create what is new, update `fields` of what is still there, delete the rest.

    present are the stored rows, reported unsaved ones; of two reported rows with the same key the last one counts.
    """
    stored = {key(row): row for row in present}
    wanted = {key(row): row for row in reported}
    model = type(next(iter([*present, *reported]), None))
    if model is type(None):
        return
    gone = [row.pk for identity, row in stored.items() if identity not in wanted]
    kept = []
    for identity, row in wanted.items():
        if identity in stored:
            for field in fields:
                setattr(stored[identity], field, getattr(row, field))
            kept.append(stored[identity])
    model.objects.filter(pk__in=gone).delete()
    model.objects.bulk_update(kept, fields, batch_size=BATCH)
    model.objects.bulk_create([row for identity, row in wanted.items() if identity not in stored], batch_size=BATCH)
