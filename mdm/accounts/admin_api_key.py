"""The form that makes an API key, and a key's access in words."""

from typing import Any

from django import forms
from django.forms.boundfield import BoundField

from mdm.accounts.admin_forms import PageForm
from mdm.accounts.admin_html import two_lines
from mdm.accounts.api_scopes import READ, SECTIONS, WRITE
from mdm.accounts.models import ApiKey

ACCESS = {
    ApiKey.Access.READ_WRITE: ("Full", "Reads and changes everything in this account, also erasing devices."),
    ApiKey.Access.READ_ONLY: ("Read only", "Reads everything, changes nothing."),
    ApiKey.Access.LIMITED: ("Limited", "Only the sections that you choose."),
}
TOLD_IN_A_LIST = 3
GRANTED = {"": "None", READ: "Read", WRITE: "Read and change"}


class ApiKeyForm(PageForm):
    """Cleaned, it gives what `create_api_key` takes: name, access, scopes."""

    name = forms.CharField(max_length=100, help_text="What uses this key, for example “Munki report script”.")
    access = forms.ChoiceField(
        choices=[(value.value, two_lines(*words)) for value, words in ACCESS.items()],
        initial=ApiKey.Access.READ_WRITE,
        widget=forms.RadioSelect,
        label="What it may do",
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
            self.add_error("access", "Choose at least one section that the key may use.")
        return {"name": given.get("name"), "access": given.get("access"), "scopes": scopes}


def access_words(key: ApiKey) -> str:
    return ACCESS[ApiKey.Access(key.access)][0]


def scope_words(key: ApiKey) -> list[tuple[str, str]]:
    """("Webhooks", "Read") for each section that a limited key may use; a section of another version by its name."""
    return [
        (SECTIONS.get(section, section), GRANTED.get(granted, granted))
        for section, granted in sorted(key.scopes.items())
    ]


def scopes_in_short(key: ApiKey) -> str:
    """The first ones, for a list."""
    told = [f"{section}: {granted}" for section, granted in sorted(key.scopes.items())]
    more = len(told) - TOLD_IN_A_LIST
    return " · ".join(told[:TOLD_IN_A_LIST] + ([f"{more} more"] if more > 0 else []))


def _field(section: str) -> str:
    return f"scope_{section}"
