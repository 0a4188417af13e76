"""Forms of the admin's own pages: plain Django forms that look like the rest."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.forms import ActionForm
from unfold.widgets import CHECKBOX_CLASSES, INPUT_CLASSES, SELECT_CLASSES, TEXTAREA_CLASSES, UnfoldBooleanWidget

from mdm.accounts.models import Account

# The first one that fits the widget; order matters, as a Textarea is no Input but a FileInput is one.
_CLASSES: tuple[tuple[type[forms.Widget], list[str]], ...] = (
    (forms.CheckboxSelectMultiple, []),
    (forms.CheckboxInput, CHECKBOX_CLASSES),
    (forms.FileInput, ["pm-file"]),
    (forms.Select, SELECT_CLASSES),
    (forms.Textarea, TEXTAREA_CLASSES),
    (forms.widgets.Input, INPUT_CLASSES),
)


class SmallFileField(forms.FileField):
    """For certificates, keys and tokens: larger files are refused unread. what: "a server token", for the sentence."""

    def __init__(self, *, what: str, most_bytes: int = 64 * 1024, **options: Any) -> None:
        super().__init__(**options)
        self.what, self.most_bytes = what, most_bytes

    def to_python(self, data: Any) -> UploadedFile | None:
        file = super().to_python(data)
        if file is not None and file.size > self.most_bytes:
            raise forms.ValidationError(
                _("%(name)s is far too large to be %(what)s.") % {"name": file.name, "what": self.what}
            )
        return file


class PageForm(forms.Form):
    """A form whose fields know the account: choices of rows are limited to it, and errors are tied to their fields."""

    required_css_class = "pm-required"

    def __init__(self, *args: Any, account: Account | None, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = field.queryset.model.objects.for_account(account).order_by("pk")
            dress(field)


def posted(request: HttpRequest) -> QueryDict | None:
    """What the form was sent with; None while it is only shown. (An empty form that was sent is not the same as none.)"""
    return request.POST if request.method == "POST" else None


def posted_files(request: HttpRequest) -> MultiValueDict | None:
    return request.FILES if request.method == "POST" else None


def dress(field: forms.Field) -> None:
    """Give the field's widget the look of the admin's other inputs."""
    for kind, classes in _CLASSES:
        if isinstance(field.widget, kind):
            known = field.widget.attrs.get("class", "")
            field.widget.attrs["class"] = " ".join([known, *classes]).strip()
            return


def choose_all_box(label: str) -> str:
    """For the heading of a list with actions; Django's `actions.js` knows it by its id."""
    words = {"id": "action-toggle", "class": "action-toggle", "aria-label": label, "title": label}
    return UnfoldBooleanWidget(words).render("action-toggle", False)


class ChosenRowsForm(ActionForm):
    """Of an action on rows of a list: those that are ticked, whatever else is sent. Not all that the filters leave: long
    lists are not counted, so nobody could say how many those are."""

    def clean_select_across(self) -> bool:
        return False


class ConfirmForm(PageForm):
    """Nothing to fill in: the button is the answer."""


class TypedConfirmForm(PageForm):
    """For what cannot be undone: the person types a name first."""

    confirmation = forms.CharField(
        label=gettext_lazy("Confirm"), strip=True, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, expected: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.expected = expected
        self.fields["confirmation"].label = _("Type “%(expected)s” to confirm") % {"expected": expected}

    def clean_confirmation(self) -> str:
        if self.cleaned_data["confirmation"] != self.expected.strip():
            raise forms.ValidationError(_("That is not the name. Nothing was done."))
        return self.cleaned_data["confirmation"]
