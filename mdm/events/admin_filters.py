"""The menus above the log: time, who, what, level. What is chosen is read from the address by `log_filters`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.models import ApiKey, Membership
from mdm.events import log_filters
from mdm.events.kinds import KINDS
from mdm.events.log_filters import ACTORS, RANGES
from mdm.events.models import Event
from mdm.events.topics import TOPICS, kinds_of
from mdm.events.words import LEVELS

# A menu of people or keys shows so many; an account with more of them filters by the device or the time.
MOST_NAMES = 200
MOMENTS = {"since": gettext_lazy("since"), "until": gettext_lazy("until")}
MOST_SHOWN = 100  # characters of a value that nobody understands
_NO_TIME = gettext_lazy("“%(value)s” is no time, so no line is shown. A time is written as 2026-12-31T18:30, in UTC.")
FAULTS = {
    "since": _NO_TIME,
    "until": _NO_TIME,
    "time": gettext_lazy("“%(value)s” is no range of time that can be chosen, so no line is shown."),
    "level": gettext_lazy("“%(value)s” is no level, so no line is shown."),
}


class LogFilter(admin.ListFilter):
    """A menu of one or more parameters. It filters nothing by itself: `LogAdmin` does, for all of them at once.

    menu: the template that shows it, where that is not the usual list of links.
    """

    parameters: tuple[str, ...] = ()
    menu = ""

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: object, model_admin: object) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        for name in self.parameters:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str]:
        return list(self.parameters)

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset

    def chosen(self) -> str:
        return self.used_parameters.get(self.parameters[0], "")

    def options(self) -> Iterator[tuple[str, str, str]]:
        """Value, words, and the heading under which it stands."""
        raise NotImplementedError

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        chosen, is_known = self.chosen(), False
        without = list(self.parameters)
        every = changelist.get_query_string(remove=without)
        yield {"selected": not chosen, "query_string": every, "display": _("All"), "heading": "", "value": ""}
        for value, words, heading in self.options():
            is_known = is_known or value == chosen
            query = changelist.get_query_string({self.parameters[0]: value}, without[1:])
            yield {
                "selected": value == chosen,
                "query_string": query,
                "display": words,
                "heading": heading,
                "value": value,
            }
        if chosen and not is_known:
            query = changelist.get_query_string()
            yield {"selected": True, "query_string": query, "display": self.unknown(chosen), "heading": "", "value": ""}

    def unknown(self, value: str) -> str:
        """What a value is called that is not in the menu: of an older version, or somebody who has left."""
        return value


class TimeFilter(LogFilter):
    title, parameters, menu = gettext_lazy("Time"), ("time", "since", "until"), "admin/events/time_menu.html"

    def options(self) -> Iterator[tuple[str, str, str]]:
        for value, (words, _span) in RANGES.items():
            yield value, words, ""

    def chosen(self) -> str:
        """An exact time counts more than a range, as it does for what is shown."""
        is_exact = any(self.used_parameters.get(name) for name in MOMENTS)
        return "exact" if is_exact else self.used_parameters.get("time", "")

    def moments(self) -> dict[str, str]:
        """since and until as ISO 8601 in UTC, where they are given and make sense."""
        found = {name: log_filters.read_time(self.used_parameters.get(name, "")) for name in MOMENTS}
        return {name: at.strftime("%Y-%m-%dT%H:%M") for name, at in found.items() if at}

    def unknown(self, value: str) -> str:
        moments = self.moments()
        words = [f"{MOMENTS[name]} {at.replace('T', ' ')}" for name, at in moments.items()]
        return f"{' '.join(words)} UTC" if words else _("not understood")

    def others(self) -> list[tuple[str, str]]:
        """What the form of exact times has to keep of the address."""
        return [(name, value) for name, value in self.request.GET.items() if name not in (*self.parameters, "p")]


class ActorFilter(LogFilter):
    title, parameters, menu = gettext_lazy("Who"), ("actor",), "admin/events/long_menu.html"

    def options(self) -> Iterator[tuple[str, str, str]]:
        for value, (words, _query) in ACTORS.items():
            yield value, words, ""
        account = self.request.get_account()
        people = Membership.objects.for_account(account).order_by("user__email").values_list("user_id", "user__email")
        for key, email in people[:MOST_NAMES]:
            yield f"person-{key}", email, _("One person")
        keys = ApiKey.objects.for_account(account).order_by("name").values_list("pk", "name")
        for key, name in keys[:MOST_NAMES]:
            yield f"key-{key}", name, _("One API key")

    def unknown(self, value: str) -> str:
        return _("somebody who has left")


class KindFilter(LogFilter):
    title, parameters, menu = gettext_lazy("What happened"), ("event_type",), "admin/events/long_menu.html"

    def options(self) -> Iterator[tuple[str, str, str]]:
        for topic, (words, _names) in TOPICS.items():
            names, title = kinds_of(topic), _(words)
            if names:
                yield topic, _("Everything of: %(title)s") % {"title": title}, title
            for name in names:
                yield name, _(KINDS[name]), title


class LevelFilter(LogFilter):
    title, parameters = gettext_lazy("Level"), ("level",)

    def options(self) -> Iterator[tuple[str, str, str]]:
        yield "trouble", _("Warnings and errors"), ""
        for level, words in LEVELS.items():
            yield str(level.value), str(words).capitalize(), ""


class DeviceFilter(LogFilter):
    """Set by links from a device's page; not offered as a list, there are too many devices."""

    title, parameters = gettext_lazy("Device"), ("device",)

    def has_output(self) -> bool:
        return bool(self.chosen())

    def options(self) -> Iterator[tuple[str, str, str]]:
        key = log_filters.read({"device": self.chosen()}).device_id
        devices = Event._meta.get_field("device").related_model.objects.filter(account=self.request.get_account())
        device = devices.filter(pk=key).first()
        yield self.chosen(), str(device) if device else _("unknown"), ""


MENUS = (TimeFilter, ActorFilter, KindFilter, LevelFilter, DeviceFilter)
PARAMETERS = {name for menu in MENUS for name in menu.parameters}


def fault_words(query: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """A sentence for each of what `log_filters.read` did not understand of the address."""
    return [str(FAULTS[name]) % {"value": query[name][:MOST_SHOWN]} for name in names]
