"""E-mail addresses and phone numbers as people and address books write them."""

import pytest

from enrollment.models import InvitationKind
from enrollment.services.contacts import read_contact
from enrollment.services.errors import EnrollmentError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  anna@example.com\n", "anna@example.com"),
        ("o'neill+phone@mail.example.co.uk", "o'neill+phone@mail.example.co.uk"),
        ("4155550123@carrier.example.com", "4155550123@carrier.example.com"),
    ],
)
def test_an_address_is_taken_as_it_is(text: str, value: str) -> None:
    found = read_contact(text)
    assert (found.kind, found.value) == (InvitationKind.EMAIL, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+14155550123", "+14155550123"),
        ("+1 (415) 555-0123", "+14155550123"),
        ("001 415 555 0123", "+14155550123"),
        ("+49 (0)170 1234567", "+491701234567"),
        ("0049/170/1234567", "+491701234567"),
        ("+44.20.7946.0958", "+442079460958"),
        ("\u202a+33 1\u00a023 45\u201167 89\u202c", "+33123456789"),
    ],
)
def test_a_number_becomes_the_international_form(text: str, value: str) -> None:
    found = read_contact(text)
    assert (found.kind, found.value) == (InvitationKind.SMS, value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(415) 555-0123", "with a plus and its country code"),
        ("0170 1234567", "with a plus and its country code"),
        ("+999 1234567", "No country has this code"),
        ("+49 17", "too few digits"),
        ("+49 170", "too few digits"),
        ("+14155550123999", "too many digits"),
        ("+1 415 CALL-NOW", "neither an e-mail address nor a phone number"),
        ("+14155550123 ext. 7", "neither an e-mail address nor a phone number"),
        ("+1 415 555 0123, +1 415 555 0124", "neither"),
    ],
)
def test_what_is_no_international_number_is_refused_with_the_way_to_write_it(text: str, reason: str) -> None:
    with pytest.raises(EnrollmentError, match=reason):
        read_contact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "anna",
        "anna@",
        "@example.com",
        "a@example.com, b@example.com",
        "a@example.com\nBcc: b@example.com",
        "a@b\x00.example.com",
        "Anna <anna@example.com>",
        f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EnrollmentError, match="e-mail address"):
        read_contact(text)
