"""The small forms of content tokens."""

from django import forms
from django.utils.translation import gettext_lazy

from apps_catalog.services.licence_tokens import MAX_TOKEN_BYTES
from mdm.accounts.admin_forms import PageForm, SmallFileField, TypedConfirmForm

GIVE_BACK, LEAVE = "give_back", "leave"


class TokenFileForm(PageForm):
    token = SmallFileField(
        what=gettext_lazy("a content token"),
        most_bytes=MAX_TOKEN_BYTES,
        label=gettext_lazy("Content token"),
        help_text=gettext_lazy("The file that Apple's portal gave you; its name ends in .vpptoken."),
    )


class RemoveTokenForm(TypedConfirmForm):
    licences = forms.ChoiceField(
        label=gettext_lazy("Licences that were given out here"),
        choices=[
            (GIVE_BACK, gettext_lazy("Give them back first")),
            (LEAVE, gettext_lazy("Leave them with their devices")),
        ],
        initial=GIVE_BACK,
        help_text=gettext_lazy(
            "What is given back can be used elsewhere, and the apps stop to open after a while. What is left "
            "with the devices another device management may take over."
        ),
    )
    field_order = ("licences", "confirmation")
