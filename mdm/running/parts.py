"""The parts that the server stands on, each tried or read now: does it work, what is it, what to do if not.

Nothing of it goes over a network but the broker and the cache, which are this installation's own: asked with a limit of a second,
as /readyz does. A storage elsewhere is tried by a worker (`probes`), and only its last finding is read here.
"""

import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import celery
import django
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from kombu.exceptions import ChannelError

from mdm import __version__
from mdm.common.words import ago, file_size
from mdm.running.migrations_left import migrations_left
from mdm.running.models import Probe
from mdm.running.probes import STORAGE

BROKER_SECONDS = 1
CACHE_KEY = "system-status"
MANY_MESSAGES = 1_000
LITTLE_SPACE, NO_SPACE = 0.10, 0.03  # of the whole
PROBE_IS_OLD = timedelta(minutes=30)


@dataclass(frozen=True)
class Part:
    """tone: good, warn, bad or info; word: the same for the badge; fact: what it is; advice: what to do, or what it means."""

    key: str
    title: str
    tone: str
    word: str
    fact: str
    advice: str = ""


def parts() -> list[Part]:
    """Five statements on PostgreSQL, and one question to the broker."""
    checks = (
        ("database", _("Database"), _database),
        ("broker", _("Broker"), _broker),
        ("cache", _("Cache"), _cache),
        ("storage", _("Storage of files"), _storage),
        ("disk", _("Data directory"), _disk),
    )
    return [
        *(_tried(key, title, check) for key, title, check in checks),
        _https(),
        _keys(),
        _mail(),
        _texts(),
    ]


def versions() -> list[tuple[str, str]]:
    return [
        ("Pomona", __version__),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Celery", celery.__version__),
        (_("System"), f"{platform.system()} {platform.release()}"),
    ]


def _tried(key: str, title: str, check: Callable[[str, str], Part]) -> Part:
    """A part that cannot be asked is bad, and the page is there all the same."""
    try:
        return check(key, title)
    except (
        Exception
    ) as error:  # whatever it raises is the finding, without its text, which may hold an address or a password
        text = _("It does not answer (%(error)s). The log of the web server says more.") % {
            "error": type(error).__name__
        }
        return Part(key, title, "bad", _("Not reached"), "", text)


def _database(key: str, title: str) -> Part:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        else:
            cursor.execute(
                "SELECT sqlite_version(), (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)"
            )
        version, size = cursor.fetchone()
    name = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
    fact = f"{name} {str(version).split()[0]}, {file_size(size)}"
    left = migrations_left()
    if left:
        text = ngettext(
            "%(number)s change of its tables is missing. Run “manage.py migrate”, then start all processes again.",
            "%(number)s changes of its tables are missing. Run “manage.py migrate”, then start all processes again.",
            len(left),
        )
        return Part(key, title, "bad", _("Out of date"), fact, text % {"number": len(left)})
    if connection.vendor != "postgresql":
        text = _("Enough for hundreds of devices on one machine. For more, set DATABASE_URL and REDIS_URL.")
        return Part(key, title, "good", _("Works"), fact, text)
    return Part(key, title, "good", _("Works"), fact, _("Its tables are up to date."))


def _broker(key: str, title: str) -> Part:
    """How many messages wait in its queue. Redis is waited for a second at the most."""
    limits = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS}
    options = limits if settings.REDIS_URL else {}
    with current_app.connection_for_write(transport_options=options) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
        channel = broker.default_channel
        waiting = _queue_length(channel, current_app.conf.task_default_queue)
        fact = f"Redis {channel.client.info('server')['redis_version']}" if settings.REDIS_URL else _("files")
    words = ngettext("%(number)s message waits", "%(number)s messages wait", waiting) % {"number": f"{waiting:,}"}
    if waiting > MANY_MESSAGES:
        text = _("Workers do not keep up, or none is running. Start more of them.")
        return Part(key, title, "warn", _("Busy"), f"{fact}, {words}", text)
    return Part(
        key,
        title,
        "good",
        _("Works"),
        f"{fact}, {words}",
        _("Messages are only hints: what is to be done stands in rows."),
    )


def _queue_length(channel: object, queue: str) -> int:
    try:
        return channel.queue_declare(queue=queue, passive=True).message_count
    except ChannelError:  # Redis has no list without an entry
        return 0


def _cache(key: str, title: str) -> Part:
    mark = str(time.monotonic_ns())
    cache.set(CACHE_KEY, mark, 10)
    fact = "Redis" if settings.REDIS_URL else _("files")
    if cache.get(CACHE_KEY) != mark:
        text = _(
            "What is written is not there afterwards. Without it a code of an authenticator app works more than once, and "
            "files that are imported lose their plan."
        )
        return Part(key, title, "bad", _("Forgets"), fact, text)
    return Part(key, title, "good", _("Works"), fact)


def _storage(key: str, title: str) -> Part:
    fact = settings.STORAGE_URL.partition("?")[0] if settings.STORAGE_URL else _("folder “files” of the data directory")
    probe = Probe.objects.filter(name=STORAGE).first()
    if probe is None:
        return Part(
            key, title, "info", _("Not tried yet"), fact, _("A worker writes and reads a file every five minutes.")
        )
    when = ago(probe.at)
    if probe.error:
        text = _(
            "A worker could not write and read a file (%(error)s, %(when)s). Apps can neither be uploaded nor installed."
        )
        return Part(key, title, "bad", _("Does not work"), fact, text % {"error": probe.error, "when": when})
    text = _("A worker wrote and read a file in %(ms)s ms, %(when)s.") % {"ms": f"{probe.took_ms:,}", "when": when}
    if probe.at < timezone.now() - PROBE_IS_OLD:
        return Part(
            key, title, "warn", _("Long ago"), fact, text + " " + _("Nobody has tried it since: look at the workers.")
        )
    return Part(key, title, "good", _("Works"), fact, text)


def _disk(key: str, title: str) -> Part:
    """Of the machine that made this page; others may have data directories of their own."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    share = usage.free / usage.total
    fact = _("%(free)s free of %(total)s") % {"free": file_size(usage.free), "total": file_size(usage.total)}
    where = _("%(folder)s on the machine of this web server.") % {"folder": Path(settings.DATA_DIR)}
    if share < LITTLE_SPACE:
        tone, word = ("bad", _("Full")) if share < NO_SPACE else ("warn", _("Nearly full"))
        return Part(key, title, tone, word, fact, _("Make room: a full disk stops everything.") + " " + where)
    return Part(key, title, "good", _("Enough room"), fact, where)


def _https() -> Part:
    title = _("Address")
    if settings.IS_HTTPS:
        return Part("https", title, "good", _("HTTPS"), settings.BASE_URL, _("Links and profiles name this address."))
    text = _(
        "iPhones and Macs refuse to enroll without HTTPS. Put a proxy with a certificate in front, and set BASE_URL."
    )
    return Part("https", title, "warn", _("No HTTPS"), settings.BASE_URL, text)


def _keys() -> Part:
    title = _("Keys of secrets")
    if not settings.USES_EMBEDDED_KEYS:
        return Part("keys", title, "good", _("Set apart"), _("SECRET_KEY and FIELD_ENCRYPTION_KEYS are set"))
    text = _("Back them up with the database: without them no stored secret can be read.")
    return Part("keys", title, "info", _("Made by Pomona"), _("in the data directory"), text)


def _mail() -> Part:
    title = _("E-mail")
    if settings.EMAIL_BACKEND.endswith(("smtp.EmailBackend", "locmem.EmailBackend")):
        fact = settings.EMAIL_HOST
        return Part(
            "mail", title, "good", _("Set up"), fact, _("Sent as %(sender)s.") % {"sender": settings.DEFAULT_FROM_EMAIL}
        )
    text = _("Nobody can be invited by e-mail: links are handed over. Set EMAIL_URL to send them.")
    return Part("mail", title, "info", _("Not set up"), "", text)


def _texts() -> Part:
    title = _("Text messages")
    if settings.SMS_URL:
        return Part("texts", title, "good", _("Set up"), "", _("Invitations can be sent to phone numbers."))
    return Part("texts", title, "info", _("Not set up"), "", _("Set SMS_URL to send invitations to phone numbers."))
