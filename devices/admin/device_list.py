"""Filters and columns of the device list."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from devices.models import Device, DeviceGroup, DeviceState
from devices.models.device import Platform
from mdm.accounts.admin_base import row_number
from mdm.channels.models import Channel, ChannelState

SEEN = {"day": ("in the last day", 1), "week": ("in the last week", 7), "month": ("in the last 30 days", 30)}
NOT_SEEN = {"not-week": ("not for a week", 7), "not-month": ("not for 30 days", 30)}


def with_last_seen(queryset: QuerySet) -> QuerySet:
    """`seen_at` of each device: a subquery, as a join would show a device once for each of its channels."""
    own = Channel.objects.filter(device=OuterRef("pk"), user_key="").order_by(F("last_seen_at").desc(nulls_last=True))
    return queryset.annotate(seen_at=Subquery(own.values("last_seen_at")[:1]))


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = "State", "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(DeviceState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(state=self.value()) if self.value() else queryset


class PlatformFilter(admin.SimpleListFilter):
    title, parameter_name = "Platform", "platform"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(value, words) for value, words in Platform.choices if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(platform=self.value()) if self.value() else queryset


class GroupFilter(admin.SimpleListFilter):
    title, parameter_name = "Group", "group"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        groups = DeviceGroup.objects.for_account(request.get_account()) if request.get_account() else ()
        return [(str(group.pk), group.name) for group in groups]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(group_id=row_number(self.value())) if self.value() else queryset


class SupervisedFilter(admin.SimpleListFilter):
    title, parameter_name = "Supervised", "supervised"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(is_supervised=wanted)


class VersionFilter(admin.SimpleListFilter):
    """The versions that the account's devices have, newest first."""

    title, parameter_name = "OS version", "os"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        found = model_admin.get_queryset(request).exclude(os_version="").order_by()
        pairs = found.values_list("platform", "os_version").distinct()[:200]
        return [
            (f"{platform} {version}".strip(), f"{platform} {version}".strip())
            for platform, version in sorted(pairs, key=lambda pair: (pair[0], _numbers(pair[1])), reverse=True)
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        platform, _, version = self.value().rpartition(" ")
        return queryset.filter(platform=platform, os_version=version)


class SeenFilter(admin.SimpleListFilter):
    title, parameter_name = "Last seen", "seen"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in {**SEEN, **NOT_SEEN}.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wanted = self.value()
        if wanted in SEEN:
            since = timezone.now() - timedelta(days=SEEN[wanted][1])
            return queryset.filter(seen_at__gte=since)
        if wanted in NOT_SEEN:
            before = timezone.now() - timedelta(days=NOT_SEEN[wanted][1])
            return queryset.filter(seen_at__lt=before)
        return queryset


class PushFilter(admin.SimpleListFilter):
    title, parameter_name = "Push", "push"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("dead", "cannot be woken")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "dead":
            return queryset
        dead = Channel.objects.filter(user_key="", state=ChannelState.OPEN, push_token_dead_at__isnull=False)
        return queryset.filter(pk__in=dead.values("device_id"))


FILTERS = (StateFilter, PlatformFilter, GroupFilter, SupervisedFilter, VersionFilter, SeenFilter, PushFilter)


def model_words(device: Device) -> str:
    return device.model_name or device.product_name or (device.get_platform_display() if device.platform else "")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]
