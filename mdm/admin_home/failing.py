"""Profiles and apps that fail on most devices: where looking first helps most."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, Model, OuterRef, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from apps_catalog.models import App, AppInstall
from devices.models import DeviceState, ItemState, Profile, ProfileInstall
from mdm.accounts.models import Account
from mdm.admin_home.charts import Bar, Item, bars
from mdm.common.counts import MOST, BoundedCount, Number
from mdm.common.words import count_of

SHOWN = 5
EXACT_UP_TO = 500


class CountOfDevices(BoundedCount):
    template = "(SELECT COUNT(DISTINCT counted.device_id) FROM (%(subquery)s) counted)"


@dataclass(frozen=True)
class Failing:
    """kind: what it is, as people say it. devices: how many refused it, in words: many are rounded."""

    kind: str
    icon: str
    bar: Bar
    devices: str


@dataclass(frozen=True)
class _Found:
    kind: str
    icon: str
    item: Item


def failing(account: Account) -> list[Failing]:
    """The worst first. Four statements.

    The first of each kind ranks all by an index alone, which also counts devices that are no longer enrolled and a Mac once for
    each of its users. So the second counts anew the few that are shown, as their own lists do, unless they are many anyway.
    """
    found = [*_profiles(account), *_apps(account)]
    worst = sorted(found, key=lambda one: (-one.item.number, one.item.label))[:SHOWN]
    drawn = bars([one.item for one in worst])
    return [Failing(one.kind, one.icon, bar, words(one.item.number)) for one, bar in zip(worst, drawn, strict=True)]


def words(number: int) -> str:
    """ "37 devices", "about 2,400 devices", "10,000+ devices"."""
    if number <= EXACT_UP_TO or number > MOST:
        return count_of(Number.up_to(number), "device")
    rounded = round(number, 2 - len(str(number)))
    return _("about %(devices)s") % {"devices": count_of(rounded, "device")}


def _profiles(account: Account) -> Iterable[_Found]:
    rows = ProfileInstall.objects.filter(profile=OuterRef("pk"))
    for profile, number in _worst(Profile.objects.for_account(account), rows):
        url = reverse("admin:devices_profile_devices", args=[profile.pk])
        yield _Found(_("Profile"), "description", _item("profile", profile, number, url))


def _apps(account: Account) -> Iterable[_Found]:
    rows = AppInstall.objects.filter(app=OuterRef("pk"))
    for app, number in _worst(App.objects.for_account(account), rows):
        url = reverse("admin:apps_catalog_app_devices", args=[app.pk])
        yield _Found(_("App"), "apps", _item("app", app, number, url))


def _worst(items: QuerySet, rows: QuerySet) -> list[tuple[Model, int]]:
    """With the number of devices, up to one more than MOST. Items that fail nowhere are left out."""
    failed = rows.filter(state=ItemState.FAILED).order_by()
    ranked = (
        items.annotate(ranked=BoundedCount(failed.values("pk")[: MOST + 1])).filter(ranked__gt=0).only("pk", "name")
    )
    found = list(ranked.order_by(F("ranked").desc(), "pk")[:SHOWN])
    few = [item.pk for item in found if item.ranked <= EXACT_UP_TO]
    here = failed.filter(device__state=DeviceState.ENROLLED, device__removed_at=None).values("device_id")
    counted = items.filter(pk__in=few).annotate(here=CountOfDevices(here[: EXACT_UP_TO + 1]))
    exact = dict(counted.values_list("pk", "here"))
    return [(item, number) for item in found if (number := exact.get(item.pk, item.ranked))]


def _item(key: str, item: Model, number: int, url: str) -> Item:
    return Item(f"{key}-{item.pk}", item.name, number, f"{url}?state={ItemState.FAILED}")
