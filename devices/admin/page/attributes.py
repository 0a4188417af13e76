"""The custom attributes of a device: which value counts, where it was set, and the device's own."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import CustomAttribute, Device
from devices.services.attribute_reasons import explain
from devices.services.attributes import MAX_VALUE_BYTES
from mdm.accounts.admin_forms import PageForm

MOST = 200
# What a secret attribute is called among the secrets of a device, with its key behind it.
OF_ATTRIBUTE = "attribute-"


def attributes(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    found = explain(device)
    lines = [(one, f"{OF_ATTRIBUTE}{one.attribute.pk}") for one in found[:MOST]]
    return {"attributes": lines, "is_cut": len(found) > MOST, "most": MOST}


class OwnValueForm(PageForm):
    """One attribute and the value that this device is to have for itself. An empty one takes the device's own value back."""

    attribute = forms.ModelChoiceField(
        CustomAttribute.objects.none(), label=gettext_lazy("Attribute"), empty_label=None
    )
    value = forms.CharField(
        label=gettext_lazy("Value for this device"),
        required=False,
        strip=False,
        max_length=MAX_VALUE_BYTES,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "Counts before those of its groups and of the account. Left empty, the device has no value of its own, and what its "
            "groups or the account say counts."
        ),
    )

    def __init__(self, *args: Any, chosen: CustomAttribute | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["attribute"].queryset = self.fields["attribute"].queryset.order_by("name", "pk")
        if chosen is not None:
            self.fields["attribute"].initial = chosen.pk
            if chosen.is_secret:
                self.fields["value"].widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
                self.fields["value"].help_text = _(
                    "It is encrypted, and the present one is not shown here. Left empty, the device has no value of its own."
                )
