"""The small forms of content tokens."""

from django import forms

from apps_catalog.services.licence_tokens import MAX_TOKEN_BYTES
from mdm.accounts.admin_forms import PageForm, SmallFileField, TypedConfirmForm

GIVE_BACK, LEAVE = "give_back", "leave"


class TokenFileForm(PageForm):
    token = SmallFileField(
        what="a content token",
        most_bytes=MAX_TOKEN_BYTES,
        label="Content token",
        help_text="The file that Apple's portal gave you; its name ends in .vpptoken.",
    )


class RemoveTokenForm(TypedConfirmForm):
    licences = forms.ChoiceField(
        label="Licences that were given out here",
        choices=[
            (GIVE_BACK, "Give them back first"),
            (LEAVE, "Leave them with their devices"),
        ],
        initial=GIVE_BACK,
        help_text="What is given back can be used elsewhere, and the apps stop to open after a while. What is left with the "
        "devices another device management may take over.",
    )
    field_order = ("licences", "confirmation")
