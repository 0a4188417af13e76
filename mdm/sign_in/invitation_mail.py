"""An invitation of a person as an e-mail: text and HTML with the same words, and one link."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from mdm.accounts.models import PersonInvitation
from mdm.common.sending import headers_of_a_program, send_mail
from mdm.sign_in.invitations import link_of


def deliver(invitation: PersonInvitation) -> None:
    """Hand it to the mail server. Raises NotSent, NotSentYet."""
    send_mail(message_for(invitation))


def message_for(invitation: PersonInvitation) -> EmailMultiAlternatives:
    inviter = invitation.invited_by if invitation.invited_by and invitation.invited_by.is_active else None
    context = {
        "account": invitation.account,
        "invitation": invitation,
        "inviter": inviter,
        "link": link_of(invitation.token),
        "server": settings.BASE_URL,
    }
    message = EmailMultiAlternatives(
        " ".join(render_to_string("emails/person_invitation_subject.txt", context).split()),
        render_to_string("emails/person_invitation.txt", context),
        to=[invitation.email],
        reply_to=[inviter.email] if inviter else None,
        headers=headers_of_a_program(f"person-invitation-{invitation.pk}-{invitation.created_at:%Y%m%d%H%M%S%f}"),
    )
    message.attach_alternative(render_to_string("emails/person_invitation.html", context), "text/html")
    return message
