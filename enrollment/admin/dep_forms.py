"""The small forms of DEP servers."""

from django import forms
from django.utils.translation import gettext_lazy

from enrollment.models import DepServer
from enrollment.services.dep_tokens import MAX_TOKEN_BYTES
from mdm.accounts.admin_forms import PageForm, SmallFileField


class TokenForm(PageForm):
    token = SmallFileField(
        what=gettext_lazy("a server token"),
        most_bytes=MAX_TOKEN_BYTES,
        label=gettext_lazy("Server token"),
        help_text=gettext_lazy("The file that Apple's portal gave you; its name ends in .p7m."),
    )


class ServerForm(TokenForm):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=DepServer._meta.get_field("name").max_length,
        help_text=gettext_lazy("What you call the server here, for example “Head office”."),
    )
    field_order = ("name", "token")


class NameForm(PageForm):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=DepServer._meta.get_field("name").max_length)
