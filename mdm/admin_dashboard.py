"""The home page of the admin: what needs attention, how many devices there are, what happened last."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from devices.models import Device, DeviceState
from mdm.accounts.models import Account
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.common.words import count_of
from mdm.events.models import Event
from mdm.events.words import details, sentence
from mdm.push.models import PushCertificate
from mdm.push.words import standing

NEWEST = 12
TITLES = {
    "missing": "No push certificate",
    "expired": "The push certificate has expired",
    "rejected": "The push certificate is refused",
    "expiring": "The push certificate expires soon",
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
        *_other_topics(account, certificate),
        *_dead_tokens(account),
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


def _installation_alerts() -> list[Alert]:
    found = []
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
