"""Whom an invitation goes to: an e-mail address or an international phone number, as a person writes it."""

import re
from dataclasses import dataclass

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from phonenumbers import PhoneNumberFormat, ValidationResult

from enrollment.models import InvitationKind
from enrollment.services.errors import EnrollmentError

MAX_LENGTH = 254
EXAMPLE = "+1 415 555 0123"
# Between digits people and address books write spaces, dashes of all kinds, dots, slashes and parentheses.
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015\u2212().\/]+")
# Address books put marks of the writing direction around a copied number.
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PHONE = re.compile(r"\+?[0-9]{4,}")


@dataclass(frozen=True)
class Contact:
    """value: an e-mail address, or a phone number in E.164 (+14155550123)."""

    kind: InvitationKind
    value: str


def read_contact(text: str) -> Contact:
    """Raises EnrollmentError for what is neither."""
    text = _INVISIBLE.sub("", text).strip()
    number = _BETWEEN.sub("", text)
    if _PHONE.fullmatch(number):
        return Contact(InvitationKind.SMS, _phone(number))
    if "@" not in text and re.fullmatch(r"[+(]?[0-9].*", text):
        raise EnrollmentError(f"This is neither an e-mail address nor a phone number. Write a number as {EXAMPLE}.")
    if len(text) > MAX_LENGTH:
        raise EnrollmentError("This e-mail address is too long.")
    try:
        validate_email(text)
    except ValidationError as error:
        raise EnrollmentError("This is not a valid e-mail address.") from error
    return Contact(InvitationKind.EMAIL, text)


def _phone(number: str) -> str:
    """number: an optional plus, and digits."""
    if number.startswith("00"):
        number = f"+{number[2:]}"
    if not number.startswith("+"):
        raise EnrollmentError(f"Write the phone number with a plus and its country code, for example {EXAMPLE}.")
    try:
        parsed = phonenumbers.parse(number)  # the zero of "+49 (0)170 …" goes, where the country has one that does
    except phonenumbers.NumberParseException as error:
        raise EnrollmentError(f"No country has this code. Write the phone number as {EXAMPLE}.") from error
    match phonenumbers.is_possible_number_with_reason(parsed):
        # Its length is right for its country. Whether its range is in use is not asked: new ones are opened all the time.
        case ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
        case ValidationResult.TOO_LONG:
            raise EnrollmentError("This phone number has too many digits for its country.")
    raise EnrollmentError("This phone number has too few digits for its country.")
