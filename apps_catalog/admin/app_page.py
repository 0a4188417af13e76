"""What an app's page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps_catalog.admin import app_words
from apps_catalog.admin.watching import SECONDS, SECONDS_OF_MANY, Following
from apps_catalog.models import App, AppAssignment, AppInstall, AppType, AppVersion
from apps_catalog.services.installs import devices_for_app
from apps_catalog.services.licence_totals import Counts, counts_of, notes_of
from apps_catalog.services.totals import devices_counted, takes_long, totals_of_app
from devices.models import Device, DeviceState, InstalledApp, ItemState, Platform
from mdm.accounts.admin_html import NOTHING, copyable, link, time_tag
from mdm.common.counts import Number, count_up_to
from mdm.common.words import count_of

_WAS_SENT = Q(state__in=(ItemState.INSTALLED, ItemState.PUSHED))
_IS_THERE = Q(is_on_device=True) | Q(state=ItemState.PUSHED)
NEWEST = 50  # versions, groups and answers of apps that one page shows


@dataclass(frozen=True)
class ShownVersion:
    version: AppVersion
    words: str
    devices: int
    is_newest: bool


def context_of(app: App) -> dict[str, Any]:
    versions = versions_of(app)
    newest = versions[0] if versions else None
    licences = counts_of([app]).get(app.pk)
    return {
        "app": app,
        "icon": app_words.icon(app, is_large=True),
        "kind": app_words.kind_words(app),
        "status_html": app_words.status_badge(app),
        "status_note": app_words.status_note(app),
        "is_uploaded": app.app_type == AppType.ENTERPRISE,
        "alerts": (app_words.warnings_of(newest) if newest else []) + _shortage(licences),
        "licences": licences,
        "facts": _facts(app, newest),
        **totals_context(app, following_of(app)),
        "versions": _shown(app, versions),
        "assignments": app.assignments.select_related("group").order_by("group__name", "pk")[:NEWEST],
        "assignment_total": app.assignments.count(),
        "key_total": app.managed_configs.count(),
    }


def following_of(app: App) -> Following:
    return Following.of(app.account_id, totals_of_app(app))


def totals_context(app: App, following: Following) -> dict[str, Any]:
    """How far it has come, for the part of the page that shows it."""
    (totals,) = following.totals
    seconds = SECONDS_OF_MANY if takes_long(app) else SECONDS
    return {
        "app": app,
        "totals": [(state, state.label, words, totals[state]) for state, words in app_words.STATE_WORDS.items()],
        "watch": following.watch(reverse("admin:apps_catalog_app_totals", args=[app.pk]), seconds=seconds),
    }


def versions_of(app: App) -> list[AppVersion]:
    """The newest first."""
    return list(app.versions.order_by("-pk").defer("chunk_hashes")[:NEWEST])


def devices_in(app: App, state: ItemState) -> QuerySet[Device]:
    """Enrolled devices where the app is in that state; those that were not looked at yet are pending."""
    return devices_counted(app, state).without_facts().order_by("pk")


def rows_of(app: App, devices: Sequence[Device]) -> list[tuple[Device, AppInstall | None]]:
    found = list(AppInstall.objects.filter(app=app, device__in=devices).select_related("app"))
    notes = notes_of(found)
    for row in found:
        row.error = notes.get(row.pk, row.error)  # to be shown, not to be stored
    rows = {row.device_id: row for row in found}
    return [(device, rows.get(device.pk)) for device in devices]


def deploy_counts(app: App) -> dict[str, Number]:
    """For the forms: `have` some version, as reported or sent, and `all_devices`."""
    devices = devices_for_app(app).filter(state=DeviceState.ENROLLED, removed_at=None)
    sent = AppInstall.objects.filter(app=app)
    sent = sent.exclude(state__in=(ItemState.REMOVING, ItemState.NOT_APPLICABLE, ItemState.PENDING))
    has = Q(pk__in=sent.values("device"))
    if app.bundle_identifier:
        reported = InstalledApp.objects.filter(account_id=app.account_id, identifier=app.bundle_identifier)
        has |= Q(pk__in=reported.values("device"))
    return {"have": count_up_to(devices.filter(has)), "all_devices": count_up_to(devices)}


def losing(app: App) -> int:
    """How many enrolled devices lose the app with its entry in the catalogue: those that have it from us, or get it now."""
    return _from_us(app).filter(_IS_THERE).count()


def losing_with(assignment: AppAssignment, devices: QuerySet[Device]) -> int:
    """The same among the devices of a group; where it was installed by hand it needs no group."""
    return _from_us(assignment.app).filter(_IS_THERE, device__in=devices, is_by_hand=False).count()


def feedback_of(app: App) -> QuerySet[AppInstall]:
    rows = AppInstall.objects.filter(app=app, feedback_at__isnull=False, device__removed_at=None)
    return rows.select_related("device").order_by("-feedback_at", "pk")[:NEWEST]


def configured_devices(app: App) -> int:
    """How many enrolled devices a push of the configuration reaches: also those that manage an app which we did not send."""
    known = AppInstall.objects.filter(app=app)
    managed = InstalledApp.objects.filter(account_id=app.account_id, identifier=app.bundle_identifier, is_managed=True)
    found = Q(pk__in=known.filter(_WAS_SENT).values("device"))
    if app.bundle_identifier:
        found |= Q(pk__in=managed.values("device")) & ~Q(pk__in=known.values("device"))
    devices = Device.objects.filter(account_id=app.account_id, state=DeviceState.ENROLLED, removed_at=None)
    return devices.filter(found).count()


def _shortage(licences: Counts | None) -> list[tuple[str, str]]:
    if licences is None or not licences.short:
        return []
    return [
        (
            "warn",
            ngettext(
                "There are not enough licences: %(devices)s should have the app and gets it as soon as you buy more, "
                "or others give theirs back.",
                "There are not enough licences: %(devices)s should have the app and get it as soon as you buy more, "
                "or others give theirs back.",
                licences.short,
            )
            % {"devices": count_of(licences.short, "device")},
        )
    ]


def _from_us(app: App) -> QuerySet[AppInstall]:
    return AppInstall.objects.filter(app=app, device__state=DeviceState.ENROLLED, device__removed_at=None)


def _shown(app: App, versions: Sequence[AppVersion]) -> list[ShownVersion]:
    """With the number of enrolled devices that each was the last one sent to."""
    rows = _from_us(app).filter(_WAS_SENT, version__in=versions).order_by().values_list("version")
    counted = dict(rows.annotate(total=Count("pk")))
    return [
        ShownVersion(version, app_words.version_words(version), counted.get(version.pk, 0), position == 0)
        for position, version in enumerate(versions)
    ]


def _facts(app: App, newest: AppVersion | None) -> list[tuple[str, SafeString | str]]:
    platform = Platform(app.platform_support).label if app.platform_support in Platform.values else app.platform_support
    facts = [
        (_("Platform"), platform or _("not known yet")),
        (
            _("Bundle identifier"),
            copyable(app.bundle_identifier, _("the bundle identifier")) if app.bundle_identifier else NOTHING,
        ),
    ]
    if app.itunes_store_id:
        facts.append(
            (_("In the App Store"), link(f"https://apps.apple.com/app/id{app.itunes_store_id}", app.itunes_store_id))
        )
    if newest is not None:
        facts += _facts_of_upload(newest)
    return [*facts, (_("Added"), time_tag(app.created_at))]


def _facts_of_upload(version: AppVersion) -> list[tuple[str, SafeString | str]]:
    provisioning = version.details.get("provisioning") or {}
    expiry = app_words.provisioning_expiry(version)
    facts = [
        (_("Needs at least"), version.minimum_os_version),
        (_("For"), app_words.families_words(version)),
        (_("Processors"), ", ".join(str(one) for one in version.details.get("architectures") or [])),
        (_("Size"), app_words.size_words(version.size)),
        (_("SHA-256"), copyable(version.sha256, _("the SHA-256"))),
        (_("Signed"), app_words.signature_words(version)),
        (_("Provisioning profile"), " · ".join(filter(None, (provisioning.get("name"), provisioning.get("team"))))),
        (_("Profile expires"), f"{expiry:%Y-%m-%d}" if expiry else ""),
        (_("Profile is for"), _reach(provisioning)),
        (_("Brings"), "\n".join(_brought(version))),
    ]
    return [(name, value) for name, value in facts if value]


def _reach(provisioning: dict[str, Any]) -> str:
    if not provisioning:
        return ""
    if provisioning.get("all_devices"):
        return _("any device")
    return _("%(number)s named devices") % {"number": f"{provisioning.get('devices') or 0:,}"}


def _brought(version: AppVersion) -> list[str]:
    bundles = version.details.get("bundles") or []
    return [f"{one['path']} ({one['identifier']})" for one in bundles[:20]]
