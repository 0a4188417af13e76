"""The log, for reading: every line as a sentence, with all that was noted about it."""

import json
from collections.abc import Iterator

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from mdm.accounts.admin_base import EmptyState, EndlessPaginator, ReadOnlyAdmin
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.events.kinds import KINDS, Namespace
from mdm.events.models import Event, Level
from mdm.events.words import details, sentence

NAMESPACES = {
    Namespace.ADMIN: "People and programs",
    Namespace.DEVICE: "Devices",
    Namespace.SYSTEM: "Pomona itself",
}


class NamespaceFilter(admin.SimpleListFilter):
    title, parameter_name = "Who", "namespace"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(namespace.value, words) for namespace, words in NAMESPACES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(namespace=self.value()) if self.value() else queryset


class LevelFilter(admin.SimpleListFilter):
    title, parameter_name = "Level", "level"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(str(value), label.capitalize()) for value, label in Level.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = self.value()
        return queryset.filter(level=int(wanted)) if wanted and wanted.isdecimal() else queryset


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = "What happened", "event_type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(Event)
class LogAdmin(ReadOnlyAdmin):
    list_title = "Log"
    list_display = ("what", "about", "who", "level_badge", "when")
    list_select_related = ("device",)
    list_filter = (NamespaceFilter, LevelFilter, KindFilter)
    search_fields = ("serial_number",)
    search_help_text = "Serial number"
    ordering = ("-id",)
    paginator = EndlessPaginator
    empty_state = EmptyState(
        "Nothing has happened yet", "Everything that people, programs and devices do is noted here."
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Whole serial numbers, or their beginning: that is what the index answers at any size of the log."""
        term = search_term.strip()
        return (queryset.filter(serial_number__startswith=term.upper()) if term else queryset), False

    @display(description="What happened")
    def what(self, event: Event) -> str:
        return two_lines(sentence(event), details(event))

    @display(description="Device")
    def about(self, event: Event) -> str:
        return str(event.device or event.serial_number or event.udid or NOTHING)

    @display(description="Who")
    def who(self, event: Event) -> str:
        return two_lines(event.actor_label or event.source, event.source if event.actor_label else "")

    @display(description="Level")
    def level_badge(self, event: Event) -> str:
        return "" if event.level == Level.INFO else badge(event.get_level_display())

    @display(description="When")
    def when(self, event: Event) -> str:
        return time_tag(event.at)

    def detail(self, request: HttpRequest, obj: Event) -> HttpResponse:
        context = {"event": obj, "sentence": sentence(obj), "facts": list(_facts(obj.metadata))}
        return self.page(request, "admin/events/event.html", title=sentence(obj), **context)


def _facts(metadata: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in metadata.items():
        words = key.replace("_", " ").capitalize()
        yield words, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
