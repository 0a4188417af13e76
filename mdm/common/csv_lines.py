"""Lines of a CSV file that spreadsheets show as they are, whoever wrote what stands in them."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

# Spreadsheets take what begins with these for a formula and run it.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(rows: Sequence[Sequence[Any]]) -> bytes:
    """Every cell in quotes: a spreadsheet that parts cells at semicolons must not find one in the middle of a text."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows([[csv_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def csv_cell(value: Any) -> str | int | float:
    """Times in ISO 8601, numbers as they are, nothing for None; a text that would be a formula gets an apostrophe before it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
