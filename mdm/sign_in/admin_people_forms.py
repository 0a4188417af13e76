"""The forms of the pages about people."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.admin_forms import PageForm
from mdm.accounts.admin_html import two_lines
from mdm.accounts.models import Role
from mdm.accounts.role_words import ROLE_HELP
from mdm.sign_in.methods import has_mail_server

MAIL, LINK, PASSWORD = "mail", "link", "password"


class InviteForm(PageForm):
    """The ways in that there are depend on whether this server sends e-mail; the first one is chosen."""

    email = forms.EmailField(label=gettext_lazy("E-mail"), help_text=gettext_lazy("They sign in with it."))
    name = forms.CharField(max_length=200, required=False, label=gettext_lazy("Name"))
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.READ_ONLY,
        widget=forms.RadioSelect,
        label=gettext_lazy("What they may do"),
    )
    way = forms.ChoiceField(widget=forms.RadioSelect, label=gettext_lazy("How they get in"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].choices = role_choices()
        self.fields["way"].choices = ways = way_choices()
        self.fields["way"].initial = ways[0][0]


class RoleForm(PageForm):
    role = forms.ChoiceField(choices=Role.choices, widget=forms.RadioSelect, label=gettext_lazy("What they may do"))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].choices = role_choices()


def role_choices() -> list[tuple[str, Any]]:
    return [(role.value, two_lines(role.label, ROLE_HELP[role])) for role in Role]


def way_choices() -> list[tuple[str, Any]]:
    link = two_lines(
        _("A link that you hand over"),
        _("Shown to you once, on the next page. It works for seven days; they choose their own password."),
    )
    if has_mail_server():
        mail = two_lines(
            _("An e-mail with a link"),
            _("Pomona sends it now. The link works for seven days; they choose their own password."),
        )
        return [(MAIL, mail), (LINK, link)]
    password = two_lines(
        _("A password that you hand over"),
        _(
            "Pomona makes the login and a password now, and shows it to you once. Whoever has a login gets a link instead."
        ),
    )
    return [(LINK, link), (PASSWORD, password)]
