"""Model fields whose values are encrypted at rest, bound to model, field and row.

The row part is the model's `secret_id`, a UUID given before the first save (the primary key is unknown until then).
"""

import json
import uuid
from typing import Any

from django.db import models

from mdm.common import crypto


class SecretHolder(models.Model):
    """A model with encrypted fields inherits this: `secret_id` binds the ciphertexts to their row."""

    secret_id = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


class _Encrypted:
    """Descriptor: the attribute holds plain values; what is loaded from the database is opened on first use."""

    def __init__(self, field: "EncryptedField") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        state = instance.__dict__
        if self.field.attname not in state:
            # With the part that it is bound to, so that opening it takes no second statement.
            instance.refresh_from_db(fields=[self.field.attname, "secret_id"])
        value = state[self.field.attname]
        if isinstance(value, Sealed):
            value = state[self.field.attname] = self.field.open(value, instance)
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class Sealed(bytes):
    """Ciphertext as it came from the database."""


class EncryptedField(models.BinaryField):
    """Base: bytes in, bytes out. Empty values are stored as NULL, so that "has it one?" can be asked in SQL."""

    empty: Any = b""

    def __init__(self, verbose_name: str | None = None, **options: Any) -> None:
        options.setdefault("null", True)
        options.setdefault("blank", True)
        options.setdefault("editable", True)
        super().__init__(verbose_name, **options)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _Encrypted(self))

    def get_default(self) -> Any:
        return self.empty

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return self.empty if value is None else Sealed(bytes(value))

    def pre_save(self, instance: models.Model, add: bool) -> Sealed | None:
        value = instance.__dict__.get(self.attname, self.empty)
        return value if isinstance(value, Sealed) else self.seal(value, instance.secret_id)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Raises TypeError for a plain value: `update()` and `bulk_update()` know no row to bind it to."""
        if value is not None and not isinstance(value, Sealed):
            raise TypeError(f"{self.model.__name__}.{self.name} is encrypted: set it on the object and call save()")
        return super().get_db_prep_value(value, connection, prepared)

    def seal(self, value: Any, secret_id: uuid.UUID | str) -> Sealed | None:
        """Ciphertext of value for the row with that secret_id; None for an empty value."""
        if value in (None, self.empty):
            return None
        return Sealed(crypto.encrypt(self.to_bytes(value), place=self.place(secret_id)))

    def open(self, stored: bytes, instance: models.Model) -> Any:
        return self.from_bytes(crypto.decrypt(stored, place=self.place(instance.secret_id)))

    def place(self, secret_id: uuid.UUID | str) -> str:
        return f"{self.model._meta.label_lower}.{self.name}:{secret_id}"

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, plain: bytes) -> Any:
        return plain


class EncryptedBinaryField(EncryptedField):
    """Bytes, encrypted."""


class EncryptedTextField(EncryptedField):
    """Text, encrypted."""

    empty = ""

    def to_bytes(self, value: str) -> bytes:
        return value.encode()

    def from_bytes(self, plain: bytes) -> str:
        return plain.decode()


class EncryptedJSONField(EncryptedField):
    """A JSON value, encrypted; empty is None."""

    empty = None

    def to_bytes(self, value: Any) -> bytes:
        return json.dumps(value, separators=(",", ":")).encode()

    def from_bytes(self, plain: bytes) -> Any:
        return json.loads(plain)
