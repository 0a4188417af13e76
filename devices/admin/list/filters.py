"""What the list can be narrowed by: each filter reads its parameters of the address, says them in words, and is a condition.

A value that makes no sense fits no device, and is said: else an action on all that match would reach devices that nobody meant.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list.known import Known
from devices.models import AssignmentMember, DeviceState, InstalledApp, ItemState, Platform, ProfileInstall
from devices.services.memberships import named_in
from mdm.accounts.admin_base import row_number
from mdm.channels.models import Channel, ChannelState

Values = Mapping[str, str]
NOTHING = Q(pk__in=())
MISSING = (ItemState.PENDING, ItemState.PUSHED, ItemState.FAILED)


@dataclass(frozen=True)
class Choice:
    value: str
    words: str


@dataclass(frozen=True)
class Chip:
    """A condition in words, and the parameters without which it is gone. is_fault: it could not be understood."""

    words: str
    parameters: tuple[str, ...]
    is_fault: bool = False


class Filter:
    """parameters: all that it reads; the first one has to be there for it to count."""

    parameters: tuple[str, ...] = ()
    title: str | Promise = ""

    def condition(self, values: Values, known: Known) -> Q:
        raise NotImplementedError

    def chips(self, values: Values, known: Known) -> list[Chip]:
        raise NotImplementedError

    def is_set(self, values: Values) -> bool:
        return self.parameters[0] in values


class ChoiceFilter(Filter):
    """One of some values. read: a value as a condition, or None if it makes no sense."""

    def __init__(
        self,
        parameter: str,
        title: str | Promise,
        options: Callable[[Known], list[Choice]],
        read: Callable[[str, Known], Q | None],
    ) -> None:
        self.parameters, self.title, self.options, self._read = (parameter,), title, options, read

    def condition(self, values: Values, known: Known) -> Q:
        found = self._read(values[self.parameters[0]], known)
        return NOTHING if found is None else found

    def chips(self, values: Values, known: Known) -> list[Chip]:
        value = values[self.parameters[0]]
        words = next((one.words for one in self.options(known) if one.value == value), value)
        is_fault = self._read(value, known) is None
        text = _("%(title)s: “%(value)s” is not known") if is_fault else _("%(title)s: %(value)s")
        return [Chip(text % {"title": self.title, "value": words}, self.parameters, is_fault)]


# --- Conditions -------------------------------------------------------------------------------------------------------
def _own_channels() -> Channel:
    return Channel.objects.filter(device=OuterRef("pk"), user_key="")


def _seen(value: str, known: Known) -> Q | None:
    """The channels are read once and joined; asking for each device what it was last seen would take seconds."""
    if value == "never":
        return ~Q(Exists(_own_channels().filter(last_seen_at__isnull=False)))
    days = {"day": 1, "week": 7, "month": 30}.get(value.removeprefix("not-"))
    if days is None:
        return None
    since = timezone.now() - timedelta(days=days)
    recent = Exists(_own_channels().filter(last_seen_at__gte=since))
    if not value.startswith("not-"):
        return Q(recent)
    return Q(Exists(_own_channels().filter(last_seen_at__lt=since))) & ~Q(recent)


def _push(value: str, known: Known) -> Q | None:
    if value != "dead":
        return None
    return Q(Exists(_own_channels().filter(state=ChannelState.OPEN, push_token_dead_at__isnull=False)))


def _version(value: str, known: Known) -> Q | None:
    platform, _space, version = value.rpartition(" ")
    return Q(platform=platform, os_version=version) if version else None


def _group(value: str, known: Known) -> Q | None:
    pk = row_number(value)
    return None if pk is None else Q(group_id=pk)


def _assigned(value: str, known: Known) -> Q | None:
    pk = row_number(value)
    if pk is None:
        return None
    return named_in(AssignmentMember.objects.filter(account=known.account, group_id=pk))


def _answer(column: str) -> Callable[[str, Known], Q | None]:
    def read(value: str, known: Known) -> Q | None:
        if value == "unknown":
            return Q(**{f"{column}__isnull": True})
        answer = {"yes": True, "no": False}.get(value)
        return None if answer is None else Q(**{column: answer})

    return read


def _one_of(column: str, values: type[DeviceState] | type[Platform]) -> Callable[[str, Known], Q | None]:
    return lambda value, known: Q(**{column: value}) if value in values.values else None


def _day(value: str) -> date | None:
    """None for what is no day, or none with a day before and after it."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return day if date.min < day < date.max else None


# --- Choices ----------------------------------------------------------------------------------------------------------
def _names(part: str) -> Callable[[Known], list[Choice]]:
    return lambda known: [Choice(str(pk), name) for pk, name in getattr(known, part).items()]


def _yes_or_no(known: Known) -> list[Choice]:
    return [Choice("yes", _("Yes")), Choice("no", _("No")), Choice("unknown", _("Not known"))]


def _seen_choices(known: Known) -> list[Choice]:
    return [
        Choice("day", _("in the last day")),
        Choice("week", _("in the last week")),
        Choice("month", _("in the last 30 days")),
        Choice("not-week", _("not for a week")),
        Choice("not-month", _("not for 30 days")),
        Choice("never", _("never")),
    ]


def _versions(known: Known) -> list[Choice]:
    return [Choice(text, text) for text in (f"{platform} {version}".strip() for platform, version in known.versions)]


# --- Filters with fields of their own ---------------------------------------------------------------------------------
class EnrolledFilter(Filter):
    """Enrolled on one day, of the time zone of the installation."""

    parameters, title = ("enrolled",), gettext_lazy("Enrolled on")

    def condition(self, values: Values, known: Known) -> Q:
        day = _day(values["enrolled"])
        if day is None:
            return NOTHING
        begin = timezone.make_aware(datetime.combine(day, time.min))
        return Q(enrolled_at__gte=begin, enrolled_at__lt=begin + timedelta(days=1))

    def chips(self, values: Values, known: Known) -> list[Chip]:
        day = _day(values["enrolled"])
        if day is None:
            words = _("“%(value)s” is no day: write it as 2026-12-31") % {"value": values["enrolled"]}
            return [Chip(words, self.parameters, is_fault=True)]
        return [Chip(_("Enrolled on %(day)s") % {"day": date_format(day)}, self.parameters)]


class AppFilter(Filter):
    """An app with this identifier is installed, by whomever."""

    parameters, title = ("app",), gettext_lazy("App installed")

    def condition(self, values: Values, known: Known) -> Q:
        apps = InstalledApp.objects.filter(account=known.account, identifier=values["app"])
        return Q(Exists(apps.filter(device=OuterRef("pk"))))

    def chips(self, values: Values, known: Known) -> list[Chip]:
        return [Chip(_("Has the app %(identifier)s") % {"identifier": values["app"]}, self.parameters)]


class ProfileFilter(Filter):
    """Devices on which one of our profiles is, is missing though wanted, or was refused."""

    parameters, title = ("profile", "profile_is"), gettext_lazy("Profile")

    def states(self) -> list[Choice]:
        return [
            Choice("missing", _("is missing")),
            Choice("failed", _("was refused")),
            Choice("installed", _("is installed")),
        ]

    def condition(self, values: Values, known: Known) -> Q:
        pk, states = row_number(values["profile"]), self._states(values)
        if pk is None or states is None:
            return NOTHING
        rows = ProfileInstall.objects.filter(account=known.account, profile_id=pk, state__in=states)
        return Q(Exists(rows.filter(device=OuterRef("pk"))))

    def chips(self, values: Values, known: Known) -> list[Chip]:
        pk, state = row_number(values["profile"]), values.get("profile_is", "missing")
        words = next((one.words for one in self.states() if one.value == state), None)
        if pk is None or words is None:
            return [Chip(_("The condition on a profile is not understood"), self.parameters, is_fault=True)]
        name = known.profiles.get(pk, str(pk))
        return [Chip(_("Profile %(name)s %(state)s") % {"name": name, "state": words}, self.parameters)]

    def _states(self, values: Values) -> tuple[str, ...] | None:
        states = {"missing": MISSING, "failed": (ItemState.FAILED,), "installed": (ItemState.INSTALLED,)}
        return states.get(values.get("profile_is", "missing"))


def platforms(known: Known) -> list[Choice]:
    return [Choice(value, str(words)) for value, words in Platform.choices if value]


def states(known: Known) -> list[Choice]:
    return [Choice(value, str(words)) for value, words in DeviceState.choices]


STATE = ChoiceFilter("state", gettext_lazy("State"), states, _one_of("state", DeviceState))
PLATFORM = ChoiceFilter("platform", gettext_lazy("Platform"), platforms, _one_of("platform", Platform))
VERSION = ChoiceFilter("os", gettext_lazy("System"), _versions, _version)
GROUP = ChoiceFilter("group", gettext_lazy("Group"), _names("groups"), _group)
SEEN = ChoiceFilter("seen", gettext_lazy("Last seen"), _seen_choices, _seen)
SUPERVISED = ChoiceFilter("supervised", gettext_lazy("Supervised"), _yes_or_no, _answer("is_supervised"))
FILEVAULT = ChoiceFilter("filevault", gettext_lazy("FileVault"), _yes_or_no, _answer("has_filevault"))
AUTOMATED = ChoiceFilter("dep", gettext_lazy("Automated enrollment"), _yes_or_no, _answer("is_dep_enrollment"))
ASSIGNED = ChoiceFilter("assigned", gettext_lazy("Assignment group"), _names("assignment_groups"), _assigned)
PUSH = ChoiceFilter("push", gettext_lazy("Push"), lambda known: [Choice("dead", _("cannot be woken"))], _push)
ENROLLED, APP, PROFILE = EnrolledFilter(), AppFilter(), ProfileFilter()


def each_set(filters: tuple[Filter, ...], values: Values) -> Iterator[Filter]:
    return (one for one in filters if one.is_set(values))
