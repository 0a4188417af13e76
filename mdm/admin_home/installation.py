"""What whoever runs this server should do: the same in every account, as every account depends on it."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from mdm.admin_home.alerts import Alert
from mdm.common.words import duration
from mdm.events import forwarding
from mdm.running.models import ProcessKind
from mdm.running.standing import Silence, silences

# Before this a restart of the server would be told as trouble.
PATIENCE = timedelta(minutes=2)


def installation_alerts(*, may_configure: bool) -> list[Alert]:
    """may_configure: whether the reader may open the page that tells more."""
    return [*_silent(may_configure=may_configure), *_forwarding(), *_settings()]


def _silent(*, may_configure: bool) -> Iterator[Alert]:
    """Processes of which none is left. One statement."""
    url, label = (reverse("admin:system_status"), _("System status")) if may_configure else ("", "")
    for silence in silences():
        since = timezone.now() - silence.heard_at if silence.heard_at else None
        if silence.kind == ProcessKind.WEB or (since is not None and since < PATIENCE):
            continue
        title, text = _silent_words(silence, duration(since) if since is not None else "")
        yield Alert("bad", title, text, url, label)


def _silent_words(silence: Silence, since: str) -> tuple[str, str]:
    if silence.kind == ProcessKind.WORKER:
        title = _("No worker has been heard of for %(time)s") % {"time": since} if since else _("No worker is running")
        return title, _(
            "Commands are queued, but nobody wakes devices, reads their answers or delivers webhooks. Start the worker again."
        )
    title = (
        _("The schedule has not been heard of for %(time)s") % {"time": since}
        if since
        else _("The schedule is not running")
    )
    return title, _(
        "Nothing that repeats is done: no retries, no renewals, no sync with Apple. Start the schedule (beat) again."
    )


def _forwarding() -> Iterator[Alert]:
    if why := forwarding.trouble():
        text = _(
            "%(why)s Nothing is lost: lines wait here and are sent as soon as they are taken. LOG_FORWARD_URL says where to."
        ) % {"why": why}
        yield Alert("warn", _("The log is not forwarded"), text)


def _settings() -> Iterator[Alert]:
    if not settings.IS_HTTPS:
        text = _(
            "Links and profiles name %(url)s. iPhones and Macs refuse to enroll without HTTPS: put a proxy with a certificate in "
            "front of Pomona and set BASE_URL. Virtual devices work as it is."
        ) % {"url": settings.BASE_URL}
        yield Alert("warn", _("Real devices need HTTPS"), text)
    if settings.USES_EMBEDDED_KEYS:
        text = _(
            "Secrets are encrypted with a key that Pomona made and keeps beside the database. Back it up with it, or set "
            "SECRET_KEY and FIELD_ENCRYPTION_KEYS to keep them apart."
        )
        yield Alert("info", _("The keys lie in the data directory"), text)
