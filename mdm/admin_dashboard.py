"""The home page of the admin: what needs attention, how many devices there are, what happened last."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from apps_catalog.models import ContentToken
from apps_catalog.services.licence_totals import short_devices
from apps_catalog.services.licence_words import standing as token_standing
from devices.models import BulkOperation, Device, DeviceState, OperationState
from devices.services.operations import Progress, progress_of
from enrollment.models import DepServer
from enrollment.services.dep_watch import standing as dep_standing
from mdm.accounts.models import Account
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.common.words import count_of
from mdm.events import forwarding
from mdm.events.models import Event, Webhook
from mdm.events.webhook_standing import Standing, title_of, troubled
from mdm.events.webhook_standing import standing as webhook_standing
from mdm.events.words import details, sentence
from mdm.push.models import PushCertificate
from mdm.push.vendor import vendor_of
from mdm.push.words import standing, vendor_standing

NEWEST = 12
NEWEST_OPERATIONS = 3
TITLES = {
    "missing": "No push certificate",
    "expired": "The push certificate has expired",
    "rejected": "The push certificate is refused",
    "expiring": "The push certificate expires soon",
}
VENDOR_TITLES = {
    "broken": "The vendor certificate cannot sign",
    "expiring": "The vendor certificate expires soon",
}
TOKEN_ALERTS = {
    "expired": ("bad", "A content token has expired"),
    "failed": ("warn", "Apps and Books cannot be used"),
    "elsewhere": ("warn", "Another device management has a location of Apps and Books"),
    "expiring": ("warn", "A content token expires soon"),
}
DEP_ALERTS = {
    "expired": ("bad", "A DEP server's token has expired"),
    "terms": ("bad", "Apple's new terms are to be accepted"),
    "failing": ("warn", "A DEP server cannot be synced"),
    "expiring": ("warn", "A DEP server's token expires soon"),
}
WEBHOOK_ALERTS = {
    Standing.PAUSED: ("bad", "A webhook is paused"),
    Standing.RESTING: ("warn", "The receiver of a webhook cannot be reached"),
    Standing.FAILING: ("warn", "The receiver of a webhook refuses messages"),
}


@dataclass(frozen=True)
class Alert:
    """Something that an administrator should do. tone: bad, warn or info."""

    tone: str
    title: str
    text: str
    url: str = ""
    label: str = ""


@dataclass(frozen=True)
class Figure:
    """A number that leads to the list behind it."""

    title: str
    number: int
    url: str
    icon: str
    tone: str = "plain"


def dashboard(account: Account) -> dict[str, Any]:
    figures = _figures(account)
    lines = Event.objects.for_account(account).select_related("device").order_by("-id")[:NEWEST]
    return {
        "alerts": alerts(account),
        "figures": figures,
        "has_devices": any(figure.number for figure in figures[:3]),
        "lines": [(line, sentence(line), details(line)) for line in lines],
    }


def alerts(account: Account) -> list[Alert]:
    certificate = PushCertificate.objects.for_account(account).defer("key_pem").first()
    return [
        *_push_alerts(certificate),
        *_vendor_alerts(account),
        *_other_topics(account, certificate),
        *_dead_tokens(account),
        *_dep_alerts(account),
        *_licence_alerts(account),
        *_webhook_alerts(account),
        *_operations(account),
        *_installation_alerts(),
    ]


def _figures(account: Account) -> list[Figure]:
    devices = Device.objects.for_account(account).aggregate(
        enrolled=Count("pk", filter=Q(state=DeviceState.ENROLLED)),
        awaiting=Count("pk", filter=Q(state=DeviceState.AWAITING)),
        left=Count("pk", filter=Q(state=DeviceState.UNENROLLED)),
    )
    commands = Command.objects.for_account(account)
    waiting = commands.filter(state__in=WAITING).count()
    failed = commands.filter(state=State.FAILED, finished_at__gte=timezone.now() - timedelta(days=1)).count()
    device_list, command_list = (
        reverse("admin:devices_device_changelist"),
        reverse("admin:mdm_commands_command_changelist"),
    )
    return [
        Figure("Enrolled devices", devices["enrolled"], f"{device_list}?state=enrolled", "devices", "good"),
        Figure(
            "Awaiting enrollment", devices["awaiting"], f"{device_list}?state=awaiting_enrollment", "hourglass_empty"
        ),
        Figure("Unenrolled", devices["left"], f"{device_list}?state=unenrolled", "link_off"),
        Figure("Commands waiting", waiting, f"{command_list}?state=queued", "pending_actions"),
        Figure("Failed in 24 hours", failed, f"{command_list}?state=failed", "error", "bad" if failed else "plain"),
    ]


def _push_alerts(certificate: PushCertificate | None) -> list[Alert]:
    state, text = standing(certificate)
    if state == "valid":
        return []
    url = reverse("admin:mdm_push_pushcertificate_changelist")
    label = "Set it up" if state == "missing" else "Renew it"
    return [Alert("warn" if state in ("missing", "expiring") else "bad", TITLES[state], text, url, label)]


def _vendor_alerts(account: Account) -> list[Alert]:
    """Without it the push certificate cannot be renewed as it was made; devices do not notice."""
    state, text = vendor_standing(vendor_of(account))
    if state in ("missing", "valid"):
        return []
    url = reverse("admin:mdm_push_pushcertificate_changelist")
    return [Alert("warn", VENDOR_TITLES[state], text, url, "Show it")]


def _other_topics(account: Account, certificate: PushCertificate | None) -> list[Alert]:
    """Devices listen to the topic that they enrolled with; a certificate of another one never reaches them."""
    if certificate is None:
        return []
    others = Channel.objects.for_account(account).filter(user_key="", state=ChannelState.OPEN, device__removed_at=None)
    number = others.exclude(topic=certificate.topic).count()
    if not number:
        return []
    return [
        Alert(
            "warn",
            f"{count_of(number, 'device')} must enroll again",
            "They enrolled before the push certificate was there, so no push reaches them. Their commands wait until they "
            "connect by themselves.",
        )
    ]


def _dead_tokens(account: Account) -> list[Alert]:
    dead = Channel.objects.for_account(account).filter(
        user_key="", state=ChannelState.OPEN, push_token_dead_at__isnull=False, device__removed_at=None
    )
    number = dead.count()
    if not number:
        return []
    return [
        Alert(
            "warn",
            f"{count_of(number, 'device')} cannot be woken",
            "Apple's push service no longer knows them: erased, restored, or enrolled somewhere else.",
            f"{reverse('admin:devices_device_changelist')}?push=dead",
            "Show them",
        )
    ]


def _dep_alerts(account: Account) -> list[Alert]:
    """Servers at Apple that need somebody: a token that ends, terms to accept, settings that Apple does not take."""
    secrets = ("consumer_secret", "access_token", "access_secret")
    servers = (
        DepServer.objects.for_account(account).select_related("settings").defer(*secrets, "settings__admin_password")
    )
    return [alert for server in servers.order_by("name", "pk") for alert in _of_dep_server(server)]


def _of_dep_server(server: DepServer) -> list[Alert]:
    url = reverse("admin:enrollment_depserver_change", args=[server.pk])
    state, text = dep_standing(server)
    found = [Alert(*DEP_ALERTS[state], f"{server}: {text}", url, "Show it")] if state in DEP_ALERTS else []
    settings_row = getattr(server, "settings", None)
    # The reason is the server's then, and was told above.
    if settings_row is not None and settings_row.error and not found:
        found.append(
            Alert("warn", "Enrollment settings do not reach Apple", f"{server}: {settings_row.error}", url, "Show it")
        )
    return found


def _licence_alerts(account: Account) -> list[Alert]:
    """Locations of Apps and Books that need somebody, and devices for which licences have to be bought."""
    found = []
    for token in ContentToken.objects.for_account(account).defer("token", "notification_token").order_by("pk"):
        state, text = token_standing(token)
        if state in TOKEN_ALERTS:
            tone, title = TOKEN_ALERTS[state]
            url = reverse("admin:apps_catalog_contenttoken_change", args=[token.pk])
            found.append(Alert(tone, title, f"{token}: {text}", url, "Show it"))
    devices, apps = short_devices(account)
    if devices:
        wait = f"{count_of(devices, 'device')} should have {count_of(apps, 'app')} of which no licence is left."
        url = reverse("admin:apps_catalog_contenttoken_changelist")
        found.append(
            Alert("warn", "Licences have run out", f"{wait} Buy more, or take apps off others.", url, "Show them")
        )
    return found


def _webhook_alerts(account: Account) -> list[Alert]:
    """Receivers that took nothing for so long that somebody should look at them."""
    found = []
    for webhook in troubled(Webhook.objects.for_account(account)):
        state, text = webhook_standing(webhook)
        url = reverse("admin:mdm_events_webhook_change", args=[webhook.pk])
        tone, title = WEBHOOK_ALERTS[state]
        found.append(Alert(tone, title, f"{title_of(webhook)}: {text}", url, "Show it"))
    return found


def _operations(account: Account) -> list[Alert]:
    """The newest changes that are on their way to many devices, or were held back on it."""
    under_way = (OperationState.RUNNING, OperationState.CANCELLED)
    found = BulkOperation.objects.for_account(account).filter(state__in=under_way).order_by("-id")[:NEWEST_OPERATIONS]
    progress = progress_of(found) if found else {}
    return [_operation(one, progress[one.pk]) for one in found]


def _operation(operation: BulkOperation, progress: Progress) -> Alert:
    reached = f"{progress.done:,} of {count_of(progress.total, 'device')} reached"
    url = reverse("admin:devices_bulkoperation_change", args=[operation.pk])
    if operation.state == OperationState.CANCELLED:
        return Alert(
            "warn", f"Held back: {operation.title}", f"{reached}. It waits until somebody resumes it.", url, "Show it"
        )
    return Alert("info", operation.title, f"{reached}. It goes on by itself.", url, "Show it")


def _installation_alerts() -> list[Alert]:
    found = []
    if why := forwarding.trouble():
        found.append(
            Alert(
                "warn",
                "The log is not forwarded",
                f"{why} Nothing is lost: lines wait here and are sent as soon as they are taken. LOG_FORWARD_URL says where to.",
            )
        )
    if not settings.IS_HTTPS:
        found.append(
            Alert(
                "warn",
                "Real devices need HTTPS",
                f"Links and profiles name {settings.BASE_URL}. iPhones and Macs refuse to enroll without HTTPS: put a "
                "proxy with a certificate in front of Pomona and set BASE_URL. Virtual devices work as it is.",
            )
        )
    if settings.USES_EMBEDDED_KEYS:
        found.append(
            Alert(
                "info",
                "The keys lie in the data directory",
                "Secrets are encrypted with a key that Pomona made and keeps beside the database. Back it up with it, or "
                "set SECRET_KEY and FIELD_ENCRYPTION_KEYS to keep them apart.",
            )
        )
    return found
