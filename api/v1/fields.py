"""Parameters that several resources take: ids, lists, texts and switches that may be left out, uploads."""

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from api.pagination import MAX_ID

MAX_TEXT = 1000


def row_id(**options: Any) -> serializers.IntegerField:
    """The id of a row; none exists beyond these bounds."""
    return serializers.IntegerField(min_value=1, max_value=MAX_ID, **options)


def text(limit: int = MAX_TEXT, **options: Any) -> serializers.CharField:
    """A text that may be left out; an empty one and null are none."""
    return serializers.CharField(
        required=False, allow_blank=True, allow_null=True, default="", max_length=limit, **options
    )


def choice(choices: Sequence[str | tuple[str, Any]], **options: Any) -> serializers.ChoiceField:
    """One of these words (or of a TextChoices' `choices`); whoever sends another hears which there are."""
    words = [one if isinstance(one, str) else one[0] for one in choices]
    sentence = f"Must be one of {', '.join(words)}."
    return serializers.ChoiceField(choices, error_messages={"invalid_choice": sentence}, **options)


def flag(**options: Any) -> serializers.BooleanField:
    """A switch that may be left out; nothing and null are off."""
    return serializers.BooleanField(required=False, allow_null=True, default=False, **options)


def without_null(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters that have a value, for a service whose own defaults stand for the others."""
    return {key: value for key, value in given.items() if value is not None}


class BoundedList(serializers.ListField):
    """Its length is looked at before its items: each of a million costs time and memory, and a wrong one most of all."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class Ids(BoundedList):
    """One id, several separated by commas, or a list."""

    child = row_id()

    def to_internal_value(self, data: Any) -> list[int]:
        if isinstance(data, str | int):
            data = str(data).replace(",", " ").split(None, self.max_length)
        return super().to_internal_value(data)


class Names(BoundedList):
    """One name, several separated by commas, or a list."""

    child = serializers.CharField(max_length=80)

    def to_internal_value(self, data: Any) -> list[str]:
        given = data.split(",", self.max_length) if isinstance(data, str) else data
        if isinstance(given, list) and len(given) <= self.max_length:
            given = [name.strip() if isinstance(name, str) else name for name in given]
            given = [name for name in given if name != ""]
        return super().to_internal_value(given)


class Upload(serializers.FileField):
    """A file, or its text. Read one byte beyond max_bytes at most, so that the service says what is wrong with it."""

    default_error_messages = {"invalid": "Send it as a file or as text."}

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(allow_empty_file=True, **options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> bytes:
        if isinstance(data, str):
            return data.encode()
        return super().to_internal_value(data).read(self.max_bytes + 1)
