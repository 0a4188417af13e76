"""The small pieces of markup that admin lists and pages share. Everything put into them is escaped."""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mdm.common.words import ago

NOTHING = "—"

# What a state looks like; a word that is missing here is neutral. Colour is never the only sign: the word is there.
TONES = {
    "enrolled": "good",
    "acknowledged": "good",
    "open": "good",
    "valid": "good",
    "installed": "good",
    "done": "good",
    "awaiting_enrollment": "info",
    "queued": "info",
    "sent": "info",
    "authenticated": "info",
    "info": "info",
    "pushed": "info",
    "running": "info",
    "warning": "warn",
    "expiring": "warn",
    "leaving": "warn",
    "removing": "warn",
    "NotNow": "warn",
    "failed": "bad",
    "error": "bad",
    "expired": "bad",
    "revoked": "bad",
}


def badge(text: str, state: str = "") -> SafeString:
    """A word in a coloured pill; state (or the text itself) chooses the colour."""
    return format_html('<span class="pm-badge pm-{}">{}</span>', TONES.get(state or text, "plain"), text)


def time_tag(at: datetime | None, nothing: str = NOTHING) -> SafeString | str:
    """A time as a person says it; the exact one is shown on hovering and read by machines."""
    if at is None:
        return nothing
    exact = timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, ago(at))


def exact_time(at: datetime) -> SafeString:
    """To the second, in UTC; `admin.js` turns it into the reader's own time."""
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" data-local>{}</time>', utc.isoformat(), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def copyable(text: str, label: str) -> SafeString:
    """Text with a button that copies it; label says what, for those who do not see the button."""
    return format_html(
        '<span class="pm-copy"><code>{}</code>'
        '<button type="button" class="pm-icon-button" data-copy="{}" aria-label="{}" title="{}">'
        '<span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button></span>',
        text,
        text,
        _("Copy %(what)s") % {"what": label},
        _("Copy"),
    )


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="pm-link" href="{}">{}</a>', url, text)


def two_lines(first: object, second: object) -> SafeString:
    """What matters, and below it in small what helps to tell it apart."""
    return format_html('<span class="pm-two"><span>{}</span><small>{}</small></span>', first, second)
