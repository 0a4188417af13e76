"""An invitation as an e-mail: text and HTML with the same words, one link, and the link as a QR code in the message."""

import io
from email.mime.image import MIMEImage
from typing import Any

import segno
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from enrollment.models import Enrollment, Invitation
from mdm.common.sending import NotSent, headers_of_a_program, send_mail
from mdm.sign_in.methods import has_mail_server

QR_ID = "enrollment-link"
# Pixels for each square of the code: sharp where it is shown, which is at half the size or less.
QR_SCALE = 8


def deliver(invitation: Invitation) -> str:
    """Hand it to the mail server; returns nothing that would name it there. Raises NotSent, NotSentYet."""
    if not has_mail_server():  # printed in this process's log, it would be called sent
        raise NotSent("This server sends no e-mail (EMAIL_URL is not set).")
    send_mail(message_for(invitation))
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
        headers=headers_of_a_program(f"invitation-{invitation.pk}-{invitation.created_at:%Y%m%d%H%M%S%f}"),
    )
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    message.mixed_subtype = "related"  # the picture belongs to the text and is no attachment
    message.attach(_qr(enrollment.url))
    return message


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
