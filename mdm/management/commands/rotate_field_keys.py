"""Encrypt every stored secret anew with the first of FIELD_ENCRYPTION_KEYS."""

import json
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.db.models.functions import Substr

from mdm.common import crypto
from mdm.common.fields import EncryptedField, Sealed
from mdm.sign_in.second_factor import rotate_secrets

BATCH = 500
# The key's id stands at the beginning of a stored value and is shorter than this.
PREFIX_BYTES = 256


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret anew with the first of FIELD_ENCRYPTION_KEYS; prints one JSON object. Safe beside a "
        "running server, and may be repeated: what has the first key already is passed over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 when a value cannot be decrypted: the key it needs must stay (or come back) in the list."""
        counts = {"rotated": 0, "unreadable": 0}
        for model, field in encrypted_fields():
            for pk in stale_rows(model, field):
                try:
                    counts["rotated"] += rotate(model, field, pk)
                except crypto.CannotDecrypt as error:
                    counts["unreadable"] += 1
                    self.stderr.write(f"{model._meta.label} {pk}: {error}")
        for pk, error in rotate_secrets():
            counts["unreadable" if error else "rotated"] += 1
            if error:
                self.stderr.write(f"second factor {pk}: {error}")
        self.stdout.write(json.dumps(counts))
        if counts["unreadable"]:
            raise CommandError(
                f"{counts['unreadable']} values could not be read. Keep the old keys in FIELD_ENCRYPTION_KEYS."
            )


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedField]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, EncryptedField) and field.model is model:
                yield model, field


def stale_rows(model: type[models.Model], field: EncryptedField) -> Iterator[Any]:
    """Primary keys of rows whose value has another key than the first; reads the beginning of each value only."""
    rows = (
        model._base_manager.filter(**{f"{field.name}__isnull": False})
        .annotate(beginning=Substr(field.name, 1, PREFIX_BYTES, output_field=models.BinaryField()))
        .order_by("pk")
    )
    last = None
    while True:
        later = rows if last is None else rows.filter(pk__gt=last)
        batch = list(later.values_list("pk", "beginning")[:BATCH])
        if not batch:
            return
        yield from (pk for pk, beginning in batch if not crypto.is_current(bytes(beginning)))
        last = batch[-1][0]


def rotate(model: type[models.Model], field: EncryptedField, pk: object) -> int:
    """1, or 0 if the row went away or somebody stored a new value meanwhile (with the first key). Raises CannotDecrypt."""
    row = model._base_manager.filter(pk=pk)
    found = row.values_list("secret_id", field.name).first()
    if found is None or not found[1]:
        return 0
    secret_id, stored = found
    place = field.place(secret_id)
    renewed = Sealed(crypto.encrypt(crypto.decrypt(stored, place=place), place=place))
    return row.filter(**{field.name: stored}).update(**{field.name: renewed})
