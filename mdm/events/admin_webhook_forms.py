"""The form of a webhook."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.admin_forms import PageForm
from mdm.accounts.admin_html import two_lines
from mdm.common.addresses import MAX_URL_LENGTH, OutboundError, check_url
from mdm.events.admin_webhook_words import FORMAT_WORDS, choices, chosen_events, event_words
from mdm.events.models import Webhook, WebhookFormat
from mdm.events.outbox import OWN_EVENTS, REFERENCE_EVENTS
from mdm.events.webhooks import refusal_words


class WebhookForm(PageForm):
    """Cleaned, it gives what `create_webhook` and `update_webhook` take: url, name, format, events."""

    url = forms.CharField(
        label=gettext_lazy("URL"),
        max_length=MAX_URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        help_text=gettext_lazy("Where Pomona posts to. It must answer within ten seconds, with any 2xx."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=Webhook._meta.get_field("name").max_length,
        required=False,
        help_text=gettext_lazy(
            "What you call it here, for example “Chat of the help desk”. Empty: the host of the URL."
        ),
    )
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=lambda: [(value.value, two_lines(*words)) for value, words in FORMAT_WORDS.items()],
        initial=WebhookFormat.NATIVE,
        widget=forms.RadioSelect,
    )
    standard = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Standard events"),
        initial=choices(REFERENCE_EVENTS),
    )
    own = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label=gettext_lazy("More events of Pomona")
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field, names in (("standard", REFERENCE_EVENTS), ("own", OWN_EVENTS)):
            self.fields[field].choices = [(name, two_lines(event_words(name), name)) for name in choices(names)]

    @staticmethod
    def values_of(webhook: Webhook) -> dict[str, Any]:
        """For `initial`."""
        chosen = chosen_events(webhook)
        return {
            "url": webhook.url,
            "name": webhook.name,
            "format": webhook.format,
            "standard": [name for name in chosen if name in REFERENCE_EVENTS],
            "own": [name for name in chosen if name in OWN_EVENTS],
        }

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        try:
            check_url(url, allows_private=settings.WEBHOOK_ALLOW_PRIVATE)
        except OutboundError as error:
            raise forms.ValidationError(refusal_words(error)) from error
        return url

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        standard, own = given.pop("standard", []), given.pop("own", [])
        if given.get("format") == WebhookFormat.NATIVE and not standard and not own and not self.errors:
            self.add_error("standard", _("Choose at least one event; the webhook would never be told anything."))
        # All standard ones and nothing else is stored as no choice: those of later versions are told, too.
        is_all = not own and set(standard) == set(choices(REFERENCE_EVENTS))
        return given | {"events": [] if is_all else [*standard, *own]}
