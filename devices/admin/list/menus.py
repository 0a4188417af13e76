"""What stands above the list to narrow it: menus of links for what is asked most, one form for the rest."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list import filters
from devices.admin.list.address import Address
from devices.admin.list.attribute_filter import ATTRIBUTE
from devices.admin.list.filters import Choice, ChoiceFilter
from devices.admin.list.known import Known
from devices.admin.list.version_range import PLATFORMS, VERSION_RANGE

MENUS = (filters.STATE, filters.PLATFORM, filters.VERSION, filters.GROUP, filters.SEEN)
SELECTS = (filters.SUPERVISED, filters.FILEVAULT, filters.AUTOMATED, filters.ASSIGNED, filters.PUSH)
WITH_FINDING = 12  # a longer menu has a field to find things in it
FORM_PARAMETERS = (
    *(name for one in SELECTS for name in one.parameters),
    *(*filters.ENROLLED.parameters, *filters.APP.parameters, *filters.PROFILE.parameters, *ATTRIBUTE.parameters),
)


@dataclass(frozen=True)
class Link:
    url: str
    words: str
    is_chosen: bool


@dataclass(frozen=True)
class Menu:
    """range_form: the menu of versions asks for a range as well."""

    key: str
    title: str | Promise
    links: list[Link]
    is_set: bool
    chosen: str
    range_form: dict[str, object] | None = None

    @property
    def has_finding(self) -> bool:
        return len(self.links) > WITH_FINDING


@dataclass(frozen=True)
class Select:
    name: str
    title: str | Promise
    options: list[Choice]
    value: str


def menus_of(address: Address, known: Known) -> list[Menu]:
    return [_menu(one, address, known) for one in MENUS]


def _menu(one: ChoiceFilter, address: Address, known: Known) -> Menu:
    (name,), value = one.parameters, address.values.get(one.parameters[0], "")
    options = one.options(known)
    chosen = next((option.words for option in options if option.value == value), value)
    links = [Link(_to(one, "", address), _("All"), not value)]
    links += [Link(_to(one, option.value, address), option.words, option.value == value) for option in options]
    if one is not filters.VERSION:
        return Menu(name, one.title, links, bool(value), chosen)
    is_range = VERSION_RANGE.is_set(address.values)
    words = ", ".join(chip.words for chip in VERSION_RANGE.chips(address.values, known)) if is_range else chosen
    return Menu(name, one.title, links, bool(value) or is_range, words, _range_form(address))


def _to(one: ChoiceFilter, value: str, address: Address) -> str:
    """One version and a range of versions exclude each other."""
    if one is filters.PLATFORM:
        return address.for_platform(value)
    others = dict.fromkeys(VERSION_RANGE.parameters, "") if one is filters.VERSION else {}
    return address.with_(**{one.parameters[0]: value}, **others)


def _range_form(address: Address) -> dict[str, object]:
    values = address.values
    return {
        "platforms": PLATFORMS,
        "platform": VERSION_RANGE.platform(values),
        "least": values.get("os_min", ""),
        "below": values.get("os_below", ""),
        "others": address.others(*VERSION_RANGE.parameters, "os"),
    }


@dataclass(frozen=True)
class MoreForm:
    """The rest of the filters. number: how many of them are set."""

    selects: list[Select]
    profiles: list[Select]
    attributes: list[Select]
    values: dict[str, str]
    others: list[tuple[str, str]]
    number: int


_STATED = gettext_lazy("State of the profile")
_COMPARED = gettext_lazy("Comparison")


def more_form(address: Address, known: Known) -> MoreForm:
    values = dict(address.values)
    selects = [Select(one.parameters[0], one.title, one.options(known), _value(one, values)) for one in SELECTS]
    profiles, attributes = [], []
    if known.profiles:
        names = [Choice(str(pk), name) for pk, name in known.profiles.items()]
        profiles = [
            Select("profile", filters.PROFILE.title, names, values.get("profile", "")),
            Select("profile_is", _STATED, filters.PROFILE.states(), values.get("profile_is", "missing")),
        ]
    if known.attributes:
        names = [Choice(str(pk), one.name) for pk, one in known.attributes.items()]
        attributes = [
            Select("attribute", ATTRIBUTE.title, names, values.get("attribute", "")),
            Select("attribute_is", _COMPARED, ATTRIBUTE.comparisons(), values.get("attribute_is", "is")),
        ]
    counted = (*SELECTS, filters.ENROLLED, filters.APP, filters.PROFILE, ATTRIBUTE)
    number = sum(one.is_set(values) for one in counted)
    shown = [one for one in selects if one.options]
    return MoreForm(shown, profiles, attributes, values, address.others(*FORM_PARAMETERS), number)


def _value(one: ChoiceFilter, values: dict[str, str]) -> str:
    return values.get(one.parameters[0], "")
