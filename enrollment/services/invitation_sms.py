"""An invitation as a text message: one link, short enough for two parts wherever that is possible."""

from enrollment.models import Invitation
from enrollment.services.sms_gateway import send_text

MAX_PARTS = 2
# Septets, or UTF-16 units where a character needs them, of one part in a message of several; alone it has a few more.
SINGLE_SEPTETS, SEPTETS = 160, 153
SINGLE_UNITS, UNITS = 70, 67
SHORT_NAME = 30
# The basic alphabet of text messages (GSM 03.38); those of the extension take two septets.
_BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = set("^{}\\[~]|€")


def deliver(invitation: Invitation) -> str:
    """Returns what the gateway calls the message. Raises NotSent, NotSentYet."""
    return send_text(invitation.contact, text_of(invitation), message_id=f"pomona-invitation-{invitation.pk}")


def text_of(invitation: Invitation) -> str:
    """The longest wording that fits; the link is never cut."""
    name = " ".join(invitation.account.name.split())
    short = name if len(name) <= SHORT_NAME else f"{name[: SHORT_NAME - 3].rstrip()}..."
    url = invitation.enrollment.url
    scope = "It works for one device." if invitation.enrollment.is_one_time else ""
    wordings = (
        f"{name} invites you to set up your iPhone, iPad or Mac for work. Open this link in Safari on it: {url} {scope}",
        f"{short}: set up your iPhone, iPad or Mac. Open this in Safari on it: {url}",
        f"{short}: set up your device in Safari: {url}",
        f"Set up your device in Safari: {url}",
    )
    return next((text.strip() for text in wordings if parts(text.strip()) <= MAX_PARTS), wordings[-1])


def parts(text: str) -> int:
    """How many text messages it takes, as networks count."""
    if set(text) <= _BASIC | _EXTENSION:
        size, single, several = sum(2 if one in _EXTENSION else 1 for one in text), SINGLE_SEPTETS, SEPTETS
    else:
        size, single, several = len(text.encode("utf-16-le")) // 2, SINGLE_UNITS, UNITS
    return 1 if size <= single else -(-size // several)
