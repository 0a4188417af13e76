"""Formats of string parameters that Apple gives in prose; the name is what an error message says."""

import re

SIX_DIGITS = "six digits"
PRINTABLE_ASCII = "printable ASCII characters"

FORMATS = {
    SIX_DIGITS: re.compile(r"[0-9]{6}"),  # the lock screen of a Mac takes nothing else
    PRINTABLE_ASCII: re.compile(r"[\x20-\x7e]*"),  # what the firmware's keyboard can type
}
