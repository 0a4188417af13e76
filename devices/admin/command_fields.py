"""One form field for one parameter of a command, whatever its type."""

import base64
import binascii
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.protocol.request_types import Parameter, Platform, Support
from mdm.protocol.request_types.formats import SIX_DIGITS
from mdm.protocol.request_types.names import label

MAX_DATA_BYTES = 700_000  # base64 of it fits into the size that a command may have
UNSET = ("", gettext_lazy("Leave as it is"))
YES_NO = (("true", gettext_lazy("Yes")), ("false", gettext_lazy("No")))
BOOLEANS = {"true": True, "false": False}


class ForgetfulTextarea(forms.Textarea):
    """A text area that never shows what was typed before: for secrets."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class DataWidget(forms.MultiWidget):
    """A file to upload, or below it a place to paste."""

    def __init__(self, *, is_secret: bool) -> None:
        area = ForgetfulTextarea if is_secret else forms.Textarea
        attributes = {"rows": 3, "placeholder": _("or paste it here: base64, or XML"), "class": "pm-paste"}
        file = forms.FileInput(attrs={"class": "pm-file", "aria-label": _("a file to upload")})
        super().__init__({"file": file, "text": area(attrs=attributes | {"aria-label": _("or paste it here")})})

    def decompress(self, value: Any) -> list[Any]:
        return [None, None]


class DataField(forms.MultiValueField):
    """Bytes, from a file, from base64, or from XML text as profiles are written in."""

    def __init__(self, *, is_secret: bool, required: bool, **options: Any) -> None:
        parts = (forms.FileField(required=False), forms.CharField(required=False, strip=True))
        widget = DataWidget(is_secret=is_secret)
        super().__init__(parts, require_all_fields=False, required=required, widget=widget, **options)

    def compress(self, values: list[Any]) -> bytes | None:
        file, text = values or (None, "")
        data = _read(file) if file else _decode(text)
        if data is not None and len(data) > MAX_DATA_BYTES:
            kilobytes = MAX_DATA_BYTES // 1000
            raise forms.ValidationError(
                _("More than %(size)d KB; that is too large for a command.") % {"size": kilobytes}
            )
        return data


class LinesField(forms.CharField):
    """An array of short values, one on each line."""

    def __init__(self, *, of_integers: bool, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 4}), **options)
        self.of_integers = of_integers

    def to_python(self, value: Any) -> list[str | int]:
        lines = [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]
        if not self.of_integers:
            return list(lines)
        try:
            return [int(line) for line in lines]
        except ValueError as error:
            raise forms.ValidationError(_("Every line must be a whole number.")) from error


def field_for(parameter: Parameter, *, required: bool, platform: Platform | None, above: Support | None) -> forms.Field:
    """The field of a parameter that is no dictionary with known keys. Its cleaned value is None when nothing was given."""
    options = {"label": title_of(parameter), "help_text": help_of(parameter), "required": required}
    if parameter.type == "boolean":
        return _boolean(parameter, options)
    if parameter.type == "array":
        return _array(parameter, options, platform, above)
    if parameter.type in ("dictionary", "any"):
        return _json(parameter, options)
    if parameter.values:
        return _choice(parameter, options)
    return _scalar(parameter, options)


def title_of(parameter: Parameter) -> str:
    """What the catalogue calls it, else its key in words, which are Apple's."""
    return _(parameter.label) if parameter.label else label(parameter.key)


def help_of(parameter: Parameter) -> str:
    default = parameter.default
    if default is None or parameter.type in ("array", "dictionary"):
        return _(parameter.help)
    words = {True: _("Yes"), False: _("No")}.get(default, default) if isinstance(default, bool) else default
    usually = _("Usually: %(value)s.") % {"value": words}
    return f"{_(parameter.help)} {usually}".strip()


def _boolean(parameter: Parameter, options: dict[str, Any]) -> forms.Field:
    choices = YES_NO if options["required"] else (UNSET, *YES_NO)
    return forms.TypedChoiceField(choices=choices, coerce=BOOLEANS.get, empty_value=None, **options)


def _choice(parameter: Parameter, options: dict[str, Any]) -> forms.Field:
    named = [(str(value), str(value)) for value in parameter.values]
    choices = named if options["required"] else [UNSET, *named]
    coerce = int if parameter.type == "integer" else str
    return forms.TypedChoiceField(choices=choices, coerce=coerce, empty_value=None, **options)


def _scalar(parameter: Parameter, options: dict[str, Any]) -> forms.Field:
    limits = {"min_value": parameter.minimum, "max_value": parameter.maximum}
    match parameter.type:
        case "integer":
            return forms.IntegerField(**options, **limits)
        case "real":
            return forms.FloatField(**options, **limits)
        case "date":
            options["label"] += " (UTC)"
            return forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), **options)
        case "data":
            return DataField(is_secret=parameter.secret, **options)
    widget: forms.Widget = forms.TextInput(attrs={"autocomplete": "off"})
    if parameter.secret:
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    if parameter.format == SIX_DIGITS:
        widget.attrs |= {"inputmode": "numeric", "maxlength": 6}
    return forms.CharField(strip=False, empty_value=None, widget=widget, **options)


def _array(
    parameter: Parameter, options: dict[str, Any], platform: Platform | None, above: Support | None
) -> forms.Field:
    item = parameter.item
    if item is not None and item.type == "string" and item.values:
        return forms.MultipleChoiceField(
            choices=_offered(item, platform, above), widget=forms.CheckboxSelectMultiple, **options
        )
    if item is not None and item.type in ("string", "integer"):
        how = _("One on each line.")
        options["help_text"] = f"{options['help_text']} {how}".strip()
        return LinesField(of_integers=item.type == "integer", **options)
    return _json(parameter, options)


def _offered(item: Parameter, platform: Platform | None, above: Support | None) -> list[tuple[str, str]]:
    """The named values that the platform has."""
    if not item.children:
        return [(str(value), str(value)) for value in item.values]
    usable = [
        child
        for child in item.children
        if platform is None or above is None or child.support(platform, above).is_available
    ]
    return [(child.key, label(child.key)) for child in usable]


def _json(parameter: Parameter, options: dict[str, Any]) -> forms.Field:
    example = _example(parameter)
    how = _("JSON, for example %(example)s") % {"example": example}
    options["help_text"] = f"{options['help_text']} {how}".strip()
    area = ForgetfulTextarea if parameter.secret else forms.Textarea
    return forms.JSONField(widget=area(attrs={"rows": 6, "spellcheck": "false", "class": "pm-code"}), **options)


def _example(parameter: Parameter) -> str:
    inner = parameter.item if parameter.type == "array" else parameter
    keys = [child.key for child in inner.children[:3]] if inner is not None and not inner.is_free else []
    shape = "{" + ", ".join(f'"{key}": …' for key in keys or ["Key"]) + "}"
    return f"[{shape}]" if parameter.type == "array" else shape


def _read(file: UploadedFile) -> bytes:
    return file.read(MAX_DATA_BYTES + 1)


def _decode(text: str) -> bytes | None:
    if not text:
        return None
    if text.lstrip().startswith("<"):
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise forms.ValidationError(_("This is neither base64 nor XML.")) from error
