"""An invitation as an e-mail: text and HTML with the same words, one link, and the link as a QR code in the message."""

import io
from email.mime.image import MIMEImage
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPServerDisconnected
from typing import Any
from urllib.parse import urlsplit

import segno
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from enrollment.models import Enrollment, Invitation
from enrollment.services.errors import NotSent, NotSentYet
from mdm.common.text import clean_text

MAX_REASON = 300
QR_ID = "enrollment-link"
# Pixels for each square of the code: sharp where it is shown, which is at half the size or less.
QR_SCALE = 8


def deliver(invitation: Invitation) -> str:
    """Hand it to the mail server; returns nothing that would name it there. Raises NotSent, NotSentYet."""
    try:
        message_for(invitation).send()
    except SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()), (550, b""))
        raise _refusal(code, words, is_down=False) from error
    except SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error, is_down=True) from error
    except SMTPServerDisconnected as error:
        raise NotSentYet(f"The mail server ended the connection: {_line(error)}.") from error
    except SMTPException as error:  # it lacks what it must have, TLS say; before OSError, as it is one
        raise NotSent(f"The mail server cannot take it: {_line(error)}.") from error
    except OSError as error:
        raise NotSentYet(f"The mail server could not be reached: {_line(error)}.") from error
    except ValueError as error:  # an address or a header that cannot be written
        raise NotSent(f"The message cannot be written: {_line(error)}.") from error
    return ""


def message_for(invitation: Invitation) -> EmailMultiAlternatives:
    enrollment = invitation.enrollment
    contact = _contact(enrollment)
    context = {
        "account": invitation.account,
        "enrollment": enrollment,
        "device": enrollment.device,
        "contact": contact,
        "qr_id": QR_ID,
    }
    message = EmailMultiAlternatives(
        " ".join(render_to_string("emails/invitation_subject.txt", context).split()),
        render_to_string("emails/invitation.txt", context),
        to=[invitation.contact],
        reply_to=[contact.email] if contact else None,
        headers={"Message-ID": _message_id(invitation), "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    message.mixed_subtype = "related"  # the picture belongs to the text and is no attachment
    message.attach(_qr(enrollment.url))
    return message


def _message_id(invitation: Invitation) -> str:
    """The same whenever it is tried: mail servers throw the second of two away, should the first have come through."""
    host = urlsplit(settings.BASE_URL).hostname or "pomona"
    return f"<invitation-{invitation.pk}-{invitation.created_at:%Y%m%d%H%M%S%f}@{host}>"


def _contact(enrollment: Enrollment) -> Any:
    """Who made the link, to be asked for help; None when it was a program or they left."""
    user = enrollment.created_by
    return user if user and user.is_active else None


def _qr(url: str) -> MIMEImage:
    """PNG: mail programs show no SVG. Dark on white with its margin, so that it can be scanned in dark mode too."""
    file = io.BytesIO()
    segno.make(url, error="m", micro=False).save(file, kind="png", scale=QR_SCALE, border=4, dark="#000", light="#fff")
    image = MIMEImage(file.getvalue(), "png")
    image.add_header("Content-ID", f"<{QR_ID}>")
    image.add_header("Content-Disposition", "inline", filename="enrollment-link.png")
    return image


def _refusal(code: int, words: bytes | str, *, is_down: bool) -> NotSent | NotSentYet:
    said = f"{code} {_line(words)}".strip()
    if 400 <= code < 500 or code < 200:
        return NotSentYet(f"The mail server asks to try later: {said}.", is_down=is_down)
    return NotSent(f"The mail server refused it: {said}.")


def _line(words: object) -> str:
    """What the other side said, in one line of bounded length."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return clean_text(" ".join(text.split()), MAX_REASON).rstrip(". ") or type(words).__name__
