"""The form that makes an API key, and a key's access in words."""

from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.admin_forms import PageForm
from mdm.accounts.admin_html import two_lines
from mdm.accounts.api_scopes import READ, SECTIONS, WRITE
from mdm.accounts.models import ApiKey

ACCESS = {
    ApiKey.Access.READ_WRITE: (
        gettext_lazy("Full"),
        gettext_lazy("Reads and changes everything in this account, also erasing devices."),
    ),
    ApiKey.Access.READ_ONLY: (gettext_lazy("Read only"), gettext_lazy("Reads everything, changes nothing.")),
    ApiKey.Access.LIMITED: (gettext_lazy("Limited"), gettext_lazy("Only the sections that you choose.")),
}
TOLD_IN_A_LIST = 3
GRANTED = {"": gettext_lazy("None"), READ: gettext_lazy("Read"), WRITE: gettext_lazy("Read and change")}


class ApiKeyForm(PageForm):
    """Cleaned, it gives what `create_api_key` takes: name, access, scopes."""

    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What uses this key, for example “Munki report script”."),
    )
    access = forms.ChoiceField(
        choices=lambda: [(value.value, two_lines(*words)) for value, words in ACCESS.items()],
        initial=ApiKey.Access.READ_WRITE,
        widget=forms.RadioSelect,
        label=gettext_lazy("What it may do"),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for section, words in SECTIONS.items():
            self.fields[_field(section)] = forms.ChoiceField(
                choices=list(GRANTED.items()), initial="", required=False, widget=forms.RadioSelect, label=words
            )

    @property
    def sections(self) -> list[tuple[str, BoundField]]:
        """Each section with its three choices: rows of a table."""
        return [(section, self[_field(section)]) for section in SECTIONS]

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        chosen = {section: given.get(_field(section)) for section in SECTIONS}
        is_limited = given.get("access") == ApiKey.Access.LIMITED
        scopes = {section: granted for section, granted in chosen.items() if granted} if is_limited else {}
        if is_limited and not scopes:
            self.add_error("access", _("Choose at least one section that the key may use."))
        return {"name": given.get("name"), "access": given.get("access"), "scopes": scopes}


def access_words(key: ApiKey) -> str:
    return str(ACCESS[ApiKey.Access(key.access)][0])


def access_help(key: ApiKey) -> str:
    """What that access lets it do; for a limited key its sections say that."""
    return "" if key.scopes else str(ACCESS[ApiKey.Access(key.access)][1])


def scope_words(key: ApiKey) -> list[tuple[str, str]]:
    """("Webhooks", "Read") for each section that a limited key may use; a section of another version by its name."""
    return [
        (str(SECTIONS.get(section, section)), str(GRANTED.get(granted, granted)))
        for section, granted in sorted(key.scopes.items())
    ]


def scopes_in_short(key: ApiKey) -> str:
    """The first ones, for a list."""
    told = [f"{section}: {granted}" for section, granted in sorted(key.scopes.items())]
    more = len(told) - TOLD_IN_A_LIST
    return " · ".join(told[:TOLD_IN_A_LIST] + ([_("%(count)s more") % {"count": more}] if more > 0 else []))


def _field(section: str) -> str:
    return f"scope_{section}"
