"""Filter by the system's version: at least, older than. Texts cannot be compared by the database ("9.3" is not above "17"), so
the versions that the account's devices have are, and those that fit are asked for."""

import re

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.list.filters import NOTHING, Chip, Filter, Values
from devices.admin.list.known import Known, version_numbers
from devices.models import Platform

_VERSION = re.compile(r"\d{1,5}(\.\d{1,5}){0,3}")
PLATFORMS = [value for value in Platform.values if value]


class VersionRangeFilter(Filter):
    """os_min and os_below, of the platform os_of; without it of the one that the list is narrowed to anyway."""

    parameters, title = ("os_min", "os_below", "os_of"), gettext_lazy("Version of the system")

    def is_set(self, values: Values) -> bool:
        return "os_min" in values or "os_below" in values

    def condition(self, values: Values, known: Known) -> Q:
        if self.fault(values):
            return NOTHING
        platform = self.platform(values)
        least, below = (version_numbers(values.get(name, "")) for name in ("os_min", "os_below"))
        fitting = [
            version
            for of, version in known.versions
            if of == platform
            and ("os_min" not in values or version_numbers(version) >= least)
            and ("os_below" not in values or version_numbers(version) < below)
        ]
        return Q(platform=platform, os_version__in=fitting)

    def chips(self, values: Values, known: Known) -> list[Chip]:
        fault = self.fault(values)
        if fault:
            return [Chip(fault, self.parameters, is_fault=True)]
        platform, chips = self.platform(values), []
        ends = {"os_min": _("%(system)s %(version)s or newer"), "os_below": _("%(system)s older than %(version)s")}
        for name, text in ends.items():
            if name in values:
                chips.append(Chip(text % {"system": platform, "version": values[name]}, self._without(name, values)))
        return chips

    def platform(self, values: Values) -> str:
        return values.get("os_of") or values.get("platform", "")

    def fault(self, values: Values) -> str:
        """Why the range cannot be understood, as a sentence; empty if it can."""
        for name in ("os_min", "os_below"):
            if name in values and not _VERSION.fullmatch(values[name]):
                return _("“%(text)s” is no version: write numbers with dots, such as 14.4.") % {"text": values[name]}
        if self.platform(values) not in PLATFORMS:
            return _("Say which system the version is of: iOS, macOS, tvOS, visionOS or watchOS.")
        return ""

    def _without(self, name: str, values: Values) -> tuple[str, ...]:
        """What goes with one end of the range: the platform only with the last one."""
        other = "os_below" if name == "os_min" else "os_min"
        return (name,) if other in values else (name, "os_of")


VERSION_RANGE = VersionRangeFilter()
