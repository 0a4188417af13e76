"""The log, for reading: every line as a sentence, with all that was noted about it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.actors import Source
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_html import NOTHING, badge, exact_time, link, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.events.admin_deliveries import WebhookDeliveryAdmin
from mdm.events.admin_filters import MENUS, PARAMETERS, fault_words
from mdm.events.admin_webhooks import WebhookAdmin
from mdm.events.export import UnknownFormat, answer, export
from mdm.events.log_filters import MOST_DEVICES, devices_named, narrow, read
from mdm.events.models import Event, Level
from mdm.events.words import details, level_words, sentence

__all__ = ["LogAdmin", "WebhookAdmin", "WebhookDeliveryAdmin"]

SOURCES = {
    Source.ADMIN: gettext_lazy("Admin"),
    Source.API: "API",
    Source.DEVICE: gettext_lazy("Device"),
    Source.SYSTEM: "Pomona",
}


@admin.register(Event)
class LogAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Log")
    list_display = ("what", "about", "who", "level_badge", "when")
    list_select_related = ("device",)
    list_filter = MENUS
    search_fields = ("serial_number",)
    search_help_text = gettext_lazy("Device: name, serial number or UDID")
    ordering = ("-id",)
    sortable_by = ()  # by its key only: any other order would sort the whole log
    paginator = EndlessPaginator
    change_list_template = "admin/events/log.html"
    pages = (Page("export/", "export", Action.VIEW, post_only=True),)
    empty_state = EmptyState(
        gettext_lazy("Nothing has happened yet"),
        gettext_lazy("Everything that people, programs and devices do is noted here."),
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """The menus and the words for a device, all at once: the one place where the page's log is filtered."""
        account, wanted = request.get_account(), read(request.GET)
        devices = devices_named(account, wanted.device_words) if wanted.device_words else []
        request.log_faults = fault_words(request.GET, wanted.faults)
        request.log_devices_shown = MOST_DEVICES if len(devices) > MOST_DEVICES else 0
        return narrow(queryset, account, wanted, devices), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        names = [name for name in request.GET if name in (*PARAMETERS, "q")]
        kept = {name: request.GET[name] for name in names if request.GET[name]}
        export_url = f"{self.url('export')}?{urlencode(kept)}"
        return super().changelist_view(request, {"export_url": export_url, **(extra_context or {})})

    def export(self, request: HttpRequest) -> HttpResponse:
        """The lines that the list shows, all pages of them, as a file."""
        try:
            found = export(
                request.get_account(),
                read(request.GET),
                format_name=request.POST.get("format", ""),
                actor=actor_of(request),
            )
        except UnknownFormat as error:
            return self.refused(request, str(error), self.list_url)
        return answer(found)

    @display(description=gettext_lazy("What happened"))
    def what(self, event: Event) -> str:
        return two_lines(sentence(event), details(event))

    @display(description=gettext_lazy("Device"))
    def about(self, event: Event) -> str:
        if event.device is None:
            return event.serial_number or event.udid or NOTHING
        if event.device.removed_at:
            return two_lines(event.device, _("removed"))
        name, serial_number = str(event.device), event.serial_number
        url = reverse("admin:devices_device_change", args=[event.device_id])
        return two_lines(link(url, name), serial_number if serial_number != name else "")

    @display(description=gettext_lazy("Who"))
    def who(self, event: Event) -> str:
        words = SOURCES.get(event.source, event.source)
        return two_lines(event.actor_label or words, words if event.actor_label else "")

    @display(description=gettext_lazy("Level"))
    def level_badge(self, event: Event) -> str:
        return "" if event.level == Level.INFO else badge(level_words(event), event.get_level_display())

    @display(description=gettext_lazy("When"))
    def when(self, event: Event) -> str:
        return two_lines(time_tag(event.at), exact_time(event.at))

    def detail(self, request: HttpRequest, obj: Event) -> HttpResponse:
        context = {
            "event": obj,
            "sentence": sentence(obj),
            "level_words": level_words(obj),
            "facts": list(_facts(obj.metadata)),
            "exact_time": exact_time(obj.at),
            "who": SOURCES.get(obj.source, obj.source),
        }
        return self.page(request, "admin/events/event.html", title=sentence(obj), **context)


def _facts(metadata: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in metadata.items():
        words = key.replace("_", " ").capitalize()
        yield words, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
