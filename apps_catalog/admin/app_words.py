"""Apps in words and pictures for the admin. Names come from strangers' files: everything put into markup is escaped."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App, AppType, AppVersion, PackageKind, ProcessingStatus
from apps_catalog.services.icons import icon_path
from devices.models import ItemState
from mdm.accounts.admin_html import badge
from mdm.common.words import ago, file_size

EXPIRES_SOON = timedelta(days=30)
FAMILIES = {1: "iPhone", 2: "iPad", 3: "Apple TV", 4: "Apple Watch", 6: "Mac", 7: "Apple Vision"}
STATE_WORDS = {
    ItemState.INSTALLED: gettext_lazy("The device said that it has it."),
    ItemState.PUSHED: gettext_lazy("A command for it is queued or on its way."),
    ItemState.PENDING: gettext_lazy("It should have it, and nothing was sent yet."),
    ItemState.FAILED: gettext_lazy("The device refused."),
    ItemState.REMOVING: gettext_lazy("It should not have it any more."),
    ItemState.NOT_APPLICABLE: gettext_lazy("The app is not for this kind of device."),
}


def kind_words(app: App) -> str:
    if app.app_type == AppType.STORE:
        return _("App Store")
    if app.app_type == AppType.CUSTOM:
        return _("Custom app")
    return _("Mac package (pkg)") if app.platform_support == "macOS" else _("In-house app (ipa)")


def icon(app: App, *, is_large: bool = False) -> SafeString:
    """The app's picture, or a symbol; the name stands beside it, so that it says nothing to screen readers."""
    size = " pm-large" if is_large else ""
    path = icon_path(app)
    if not path:
        symbol = "deployed_code" if app.platform_support == "macOS" else "apps"
        return format_html(
            '<span class="pm-app-icon{} material-symbols-outlined" aria-hidden="true">{}</span>', size, symbol
        )
    return format_html('<img class="pm-app-icon{}" src="{}" alt="" loading="lazy">', size, path)


def status_badge(app: App) -> SafeString:
    words, state = {
        ProcessingStatus.QUEUED: (_("Waiting for its details"), "queued"),
        ProcessingStatus.PROCESSED: (_("Ready"), "valid"),
        ProcessingStatus.FAILED: (_("Failed"), "failed"),
    }[ProcessingStatus(app.processing_status)]
    return badge(words, state)


def status_note(app: App) -> str:
    """Why its details are not there, or are no longer kept up to date; empty when all is well."""
    if not app.lookup_error:
        return ""
    if app.processing_status == ProcessingStatus.QUEUED and app.lookup_due_at:
        return _("%(lookup_error)s The App Store is asked again %(lookup_due_at)s.") % {
            "lookup_error": app.lookup_error,
            "lookup_due_at": _soon(app.lookup_due_at),
        }
    return app.lookup_error


def version_words(version: AppVersion) -> str:
    """ "2.2 (22)": as people say it, and the build in brackets where it is another."""
    short, build = version.short_version, version.version
    return f"{short} ({build})" if short and build and short != build else short or build or "—"


def signature_words(version: AppVersion) -> str:
    if version.kind == PackageKind.IPA:
        return _("By its provisioning profile") if version.details.get("provisioning") else _("No provisioning profile")
    return {True: "Yes; whether Macs trust the signature, they decide", False: "No"}.get(version.is_signed, "—")


def families_words(version: AppVersion) -> str:
    return ", ".join(
        FAMILIES.get(one, _("family %(number)s") % {"number": one})
        for one in version.details.get("device_families") or []
    )


def size_words(size: int) -> str:
    return _("%(size)s (%(number)s bytes)") % {"size": file_size(size), "number": f"{size:,}"}


def provisioning_expiry(version: AppVersion) -> datetime | None:
    text = (version.details.get("provisioning") or {}).get("expires_at") or ""
    found = parse_datetime(text)
    return timezone.make_aware(found) if found is not None and timezone.is_naive(found) else found


def warnings_of(version: AppVersion) -> list[tuple[str, str]]:
    """(tone, sentence): what whoever is responsible for the app should know."""
    found = []
    expiry = provisioning_expiry(version)
    if expiry is not None and expiry <= timezone.now():
        found.append(
            (
                "bad",
                _(
                    "Its provisioning profile expired %(expiry)s: devices do not open the app any more. Upload a new "
                    "build."
                )
                % {"expiry": ago(expiry)},
            )
        )
    elif expiry is not None and expiry <= timezone.now() + EXPIRES_SOON:
        found.append(
            (
                "warn",
                _(
                    "Its provisioning profile expires %(expiry)s. After that devices do not open the app: upload a "
                    "new build."
                )
                % {"expiry": ago(expiry)},
            )
        )
    return found + [("warn", str(sentence)) for sentence in version.details.get("warnings") or []]


def _soon(at: datetime) -> str:
    return _("in a moment") if at <= timezone.now() + timedelta(minutes=1) else ago(at)
