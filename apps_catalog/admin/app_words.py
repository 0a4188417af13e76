"""Apps in words and pictures for the admin. Names come from strangers' files: everything put into markup is escaped."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps_catalog.models import App, AppType, AppVersion, PackageKind, ProcessingStatus
from apps_catalog.services.icons import icon_path
from devices.models import ItemState
from mdm.accounts.admin_html import badge
from mdm.common.words import ago, file_size

EXPIRES_SOON = timedelta(days=30)
FAMILIES = {1: "iPhone", 2: "iPad", 3: "Apple TV", 4: "Apple Watch", 6: "Mac", 7: "Apple Vision"}
STATE_WORDS = {
    ItemState.INSTALLED: "The device said that it has it.",
    ItemState.PUSHED: "A command for it is queued or on its way.",
    ItemState.PENDING: "It should have it, and nothing was sent yet.",
    ItemState.FAILED: "The device refused.",
    ItemState.REMOVING: "It should not have it any more.",
    ItemState.NOT_APPLICABLE: "The app is not for this kind of device.",
}


def kind_words(app: App) -> str:
    if app.app_type == AppType.STORE:
        return "App Store"
    if app.app_type == AppType.CUSTOM:
        return "Custom app"
    return "Mac package (pkg)" if app.platform_support == "macOS" else "In-house app (ipa)"


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
        ProcessingStatus.QUEUED: ("Waiting for its details", "queued"),
        ProcessingStatus.PROCESSED: ("Ready", "valid"),
        ProcessingStatus.FAILED: ("Failed", "failed"),
    }[ProcessingStatus(app.processing_status)]
    return badge(words, state)


def status_note(app: App) -> str:
    """Why its details are not there, or are no longer kept up to date; empty when all is well."""
    if not app.lookup_error:
        return ""
    if app.processing_status == ProcessingStatus.QUEUED and app.lookup_due_at:
        return f"{app.lookup_error} The App Store is asked again {_soon(app.lookup_due_at)}."
    return app.lookup_error


def version_words(version: AppVersion) -> str:
    """ "2.2 (22)": as people say it, and the build in brackets where it is another."""
    short, build = version.short_version, version.version
    return f"{short} ({build})" if short and build and short != build else short or build or "—"


def signature_words(version: AppVersion) -> str:
    if version.kind == PackageKind.IPA:
        return "By its provisioning profile" if version.details.get("provisioning") else "No provisioning profile"
    return {True: "Yes; whether Macs trust the signature, they decide", False: "No"}.get(version.is_signed, "—")


def families_words(version: AppVersion) -> str:
    return ", ".join(FAMILIES.get(one, f"family {one}") for one in version.details.get("device_families") or [])


def size_words(size: int) -> str:
    return f"{file_size(size)} ({size:,} bytes)"


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
                f"Its provisioning profile expired {ago(expiry)}: devices do not open the app any more. Upload a new build.",
            )
        )
    elif expiry is not None and expiry <= timezone.now() + EXPIRES_SOON:
        found.append(
            (
                "warn",
                f"Its provisioning profile expires {ago(expiry)}. After that devices do not open the app: upload a new build.",
            )
        )
    return found + [("warn", str(sentence)) for sentence in version.details.get("warnings") or []]


def _soon(at: datetime) -> str:
    return "now" if at <= timezone.now() else ago(at)
