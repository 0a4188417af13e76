"""What somebody should do in this account. Where a service has words for it, those are taken."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps_catalog.services.licence_totals import short_devices
from apps_catalog.services.licence_words import standing as token_standing
from devices.models import BulkOperation, OperationState
from devices.services.operations import Progress, progress_of
from enrollment.models import DepServer
from enrollment.services.dep_watch import standing as dep_standing
from mdm.accounts.models import Account
from mdm.admin_home.sources import Sources
from mdm.channels.models import Channel, ChannelState
from mdm.common.counts import Number, count_up_to
from mdm.common.words import count_of
from mdm.events.models import Webhook
from mdm.events.webhook_standing import Standing, title_of, troubled
from mdm.events.webhook_standing import standing as webhook_standing
from mdm.push.words import standing, vendor_standing

NEWEST_OPERATIONS = 3
TITLES = {
    "missing": gettext_lazy("No push certificate"),
    "expired": gettext_lazy("The push certificate has expired"),
    "rejected": gettext_lazy("The push certificate is refused"),
    "expiring": gettext_lazy("The push certificate expires soon"),
}
VENDOR_TITLES = {
    "broken": gettext_lazy("The vendor certificate cannot sign"),
    "expiring": gettext_lazy("The vendor certificate expires soon"),
}
TOKEN_ALERTS = {
    "expired": ("bad", gettext_lazy("A content token has expired")),
    "failed": ("warn", gettext_lazy("Apps and Books cannot be used")),
    "elsewhere": ("warn", gettext_lazy("Another device management has a location of Apps and Books")),
    "expiring": ("warn", gettext_lazy("A content token expires soon")),
}
DEP_ALERTS = {
    "expired": ("bad", gettext_lazy("A DEP server's token has expired")),
    "terms": ("bad", gettext_lazy("Apple's new terms are to be accepted")),
    "failing": ("warn", gettext_lazy("A DEP server cannot be synced")),
    "expiring": ("warn", gettext_lazy("A DEP server's token expires soon")),
}
WEBHOOK_ALERTS = {
    Standing.PAUSED: ("bad", gettext_lazy("A webhook is paused")),
    Standing.RESTING: ("warn", gettext_lazy("The receiver of a webhook cannot be reached")),
    Standing.FAILING: ("warn", gettext_lazy("The receiver of a webhook refuses messages")),
}


@dataclass(frozen=True)
class Alert:
    """Something that an administrator should do. tone: bad, warn or info."""

    tone: str
    title: str
    text: str
    url: str = ""
    label: str = ""


def account_alerts(sources: Sources, *, is_new: bool = False) -> list[Alert]:
    """is_new: no device was ever there, and the checklist asks for the push certificate; saying it twice helps nobody."""
    return [
        *_push_alerts(sources, is_new=is_new),
        *_vendor_alerts(sources),
        *_other_topics(sources),
        *_dead_tokens(sources.account),
        *(alert for server in sources.dep_servers for alert in _of_dep_server(server)),
        *_licence_alerts(sources),
        *_webhook_alerts(sources.account),
        *_operations(sources.account),
    ]


def _push_alerts(sources: Sources, *, is_new: bool) -> Iterator[Alert]:
    state, text = standing(sources.certificate)
    if state == "valid" or (state == "missing" and is_new):
        return
    url = reverse("admin:mdm_push_pushcertificate_changelist")
    label = _("Set it up") if state == "missing" else _("Renew it")
    yield Alert("warn" if state in ("missing", "expiring") else "bad", str(TITLES[state]), text, url, label)


def _vendor_alerts(sources: Sources) -> Iterator[Alert]:
    """Without it the push certificate cannot be renewed as it was made; devices do not notice."""
    state, text = vendor_standing(sources.vendor)
    if state in VENDOR_TITLES:
        url = reverse("admin:mdm_push_pushcertificate_changelist")
        yield Alert("warn", str(VENDOR_TITLES[state]), text, url, _("Show it"))


def _open_channels(account: Account) -> QuerySet[Channel]:
    """Of devices themselves. Those of removed devices are leaving or closed."""
    return Channel.objects.for_account(account).filter(user_key="", state=ChannelState.OPEN)


def _other_topics(sources: Sources) -> Iterator[Alert]:
    """Devices listen to the topic that they enrolled with; a certificate of another one never reaches them."""
    if sources.certificate is None:
        return
    topic, channels = sources.certificate.topic, _open_channels(sources.account)
    # Two ranges of an index; "is not" would read all of it.
    below, above = count_up_to(channels.filter(topic__lt=topic)), count_up_to(channels.filter(topic__gt=topic))
    number = Number(below.value + above.value, below.has_more or above.has_more)
    if number:
        words = ngettext("%(devices)s must enroll again", "%(devices)s must enroll again", number.value)
        text = ngettext(
            "It enrolled with another push certificate, so no push reaches it. Its commands wait until it connects by itself.",
            "They enrolled with another push certificate, so no push reaches them. Their commands wait until they connect by "
            "themselves.",
            number.value,
        )
        yield Alert("warn", words % {"devices": count_of(number, "device")}, text)


def _dead_tokens(account: Account) -> Iterator[Alert]:
    number = count_up_to(_open_channels(account).filter(push_token_dead_at__isnull=False))
    if number:
        title = _("%(devices)s cannot be woken") % {"devices": count_of(number, "device")}
        text = ngettext(
            "Apple's push service no longer knows it: erased, restored, or enrolled somewhere else.",
            "Apple's push service no longer knows them: erased, restored, or enrolled somewhere else.",
            number.value,
        )
        yield Alert("warn", title, text, f"{reverse('admin:devices_device_changelist')}?push=dead", _("Show them"))


def _of_dep_server(server: DepServer) -> Iterator[Alert]:
    """Servers at Apple that need somebody: a token that ends, terms to accept, settings that Apple does not take."""
    url = reverse("admin:enrollment_depserver_change", args=[server.pk])
    state, text = dep_standing(server)
    if state in DEP_ALERTS:
        tone, title = DEP_ALERTS[state]
        yield Alert(tone, str(title), f"{server}: {text}", url, _("Show it"))
        return  # what is wrong with its settings has the same reason
    settings_row = getattr(server, "settings", None)
    if settings_row is not None and settings_row.error:
        title = _("Enrollment settings do not reach Apple")
        yield Alert("warn", title, f"{server}: {settings_row.error}", url, _("Show it"))


def _licence_alerts(sources: Sources) -> Iterator[Alert]:
    """Locations of Apps and Books that need somebody, and devices for which licences have to be bought."""
    for token in sources.tokens:
        state, text = token_standing(token)
        if state in TOKEN_ALERTS:
            tone, title = TOKEN_ALERTS[state]
            url = reverse("admin:apps_catalog_contenttoken_change", args=[token.pk])
            yield Alert(tone, str(title), f"{token}: {text}", url, _("Show it"))
    devices, apps = short_devices(sources.account)
    if devices:
        text = _("%(devices)s should have %(apps)s of which no licence is left. Buy more, or take apps off others.") % {
            "devices": count_of(devices, "device"),
            "apps": count_of(apps, "app"),
        }
        url = reverse("admin:apps_catalog_contenttoken_changelist")
        yield Alert("warn", _("Licences have run out"), text, url, _("Show them"))


def _webhook_alerts(account: Account) -> Iterator[Alert]:
    """Receivers that took nothing for so long that somebody should look at them."""
    for webhook in troubled(Webhook.objects.for_account(account)):
        state, text = webhook_standing(webhook)
        url = reverse("admin:mdm_events_webhook_change", args=[webhook.pk])
        tone, title = WEBHOOK_ALERTS[state]
        yield Alert(tone, str(title), f"{title_of(webhook)}: {text}", url, _("Show it"))


def _operations(account: Account) -> list[Alert]:
    """The newest changes that are on their way to many devices, or were held back on it."""
    under_way = (OperationState.RUNNING, OperationState.CANCELLED)
    found = BulkOperation.objects.for_account(account).filter(state__in=under_way).order_by("-id")[:NEWEST_OPERATIONS]
    progress = progress_of(found) if found else {}
    return [_operation(one, progress[one.pk]) for one in found]


def _operation(operation: BulkOperation, progress: Progress) -> Alert:
    reached = _("%(done)s of %(devices)s reached.") % {
        "done": f"{progress.done:,}",
        "devices": count_of(progress.total, "device"),
    }
    url = reverse("admin:devices_bulkoperation_change", args=[operation.pk])
    if operation.state == OperationState.CANCELLED:
        title = _("Held back: %(operation)s") % {"operation": operation.title}
        until = _("It waits until somebody resumes it.")
        return Alert("warn", title, f"{reached} {until}", url, _("Show it"))
    goes_on = _("It goes on by itself.")
    return Alert("info", operation.title, f"{reached} {goes_on}", url, _("Show it"))
