"""Typing the number of devices, before something is done with them that cannot be taken back."""

from django import forms
from django.utils.translation import gettext as _

CONFIRMATION = "confirmation"


def confirmation_field(number: int) -> forms.CharField:
    return forms.CharField(
        label=_("Type %(number)s to confirm") % {"number": number},
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
        help_text=_("The number of devices that this is for."),
    )


def check_confirmation(form: forms.Form, number: int) -> None:
    """The number as people write it: 1000, or 1,000."""
    typed = form.cleaned_data.get(CONFIRMATION)
    if typed is not None and "".join(char for char in typed if char.isalnum()) != str(number):
        form.add_error(CONFIRMATION, _("That is not the number of devices. Nothing was done."))


def forget_confirmation(form: forms.Form, number: int) -> None:
    """It was of another number: ask for this one, show it empty, and without a fault of the person's."""
    if CONFIRMATION in form.fields:
        form.data = form.data.copy()
        form.data[CONFIRMATION] = ""
        form.fields[CONFIRMATION].required = False
        form[CONFIRMATION].label = confirmation_field(number).label
        form.full_clean()
        form.errors.pop(CONFIRMATION, None)
