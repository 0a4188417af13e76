"""The list of apps: what it asks the database, and its filters."""

from django.contrib import admin
from django.db.models import OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App, AppAssignment, AppInstall, AppType, ProcessingStatus
from apps_catalog.services.profile_status import MOST
from devices.models import DeviceState, ItemState
from mdm.common.counts import BoundedCount

KINDS = {
    "store": (gettext_lazy("App Store"), ~Q(app_type=AppType.ENTERPRISE)),
    "ipa": (gettext_lazy("In-house app (ipa)"), Q(app_type=AppType.ENTERPRISE) & ~Q(platform_support="macOS")),
    "pkg": (gettext_lazy("Mac package (pkg)"), Q(app_type=AppType.ENTERPRISE, platform_support="macOS")),
}
UNDER_WAY = (ItemState.PENDING, ItemState.PUSHED)


def with_counts(apps: QuerySet[App]) -> QuerySet[App]:
    """Each with the numbers of enrolled devices it is on, on its way to and refused by, up to MOST, and with its groups."""
    assignments = AppAssignment.objects.select_related("group").order_by("group__name", "pk")
    return apps.annotate(
        installed=_devices_in(ItemState.INSTALLED),
        under_way=_devices_in(*UNDER_WAY),
        failed=_devices_in(ItemState.FAILED),
    ).prefetch_related(Prefetch("assignments", queryset=assignments))


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Kind"), "kind"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(KINDS[self.value()][1]) if self.value() in KINDS else queryset


class StatusFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Status"), "status"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [
            (ProcessingStatus.PROCESSED, _("Ready")),
            (ProcessingStatus.QUEUED, _("Waiting for its details")),
            (ProcessingStatus.FAILED, _("Failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(processing_status=self.value()) if self.value() in ProcessingStatus else queryset


class AssignedFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Assigned"), "assigned"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("yes", _("to a group")), ("no", _("to none"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("yes", "no"):
            return queryset
        is_assigned = Q(pk__in=AppAssignment.objects.values("app"))
        return queryset.filter(is_assigned if self.value() == "yes" else ~is_assigned)


FILTERS = (KindFilter, StatusFilter, AssignedFilter)


def _devices_in(*states: ItemState) -> BoundedCount:
    """Only what was sent or noted: a device that nobody has compared yet counts on the app's own page."""
    rows = AppInstall.objects.filter(
        app=OuterRef("pk"), state__in=states, device__state=DeviceState.ENROLLED, device__removed_at=None
    )
    return BoundedCount(rows.order_by().values("pk")[: MOST + 1])
