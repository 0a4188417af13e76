"""An invitation of a person as an e-mail: text and HTML with the same words, and one link."""

from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPServerDisconnected
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from mdm.accounts.models import PersonInvitation
from mdm.common.text import clean_text
from mdm.sign_in.invitations import link_of

MAX_REASON = 300


class NotSent(Exception):
    """It was refused, and would be again; str(error) is a plain sentence."""


class NotSentYet(Exception):
    """It was not taken, but may be later; it may even have arrived. is_down: others would fare the same for now."""

    def __init__(self, sentence: str, *, is_down: bool = True) -> None:
        super().__init__(sentence)
        self.is_down = is_down


def deliver(invitation: PersonInvitation) -> None:
    """Hand it to the mail server. Raises NotSent, NotSentYet."""
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
        headers={"Message-ID": _message_id(invitation), "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("emails/person_invitation.html", context), "text/html")
    return message


def _message_id(invitation: PersonInvitation) -> str:
    """The same whenever it is tried: mail servers throw the second of two away, should the first have come through."""
    host = urlsplit(settings.BASE_URL).hostname or "pomona"
    return f"<person-invitation-{invitation.pk}-{invitation.created_at:%Y%m%d%H%M%S%f}@{host}>"


def _refusal(code: int, words: bytes | str, *, is_down: bool) -> NotSent | NotSentYet:
    said = f"{code} {_line(words)}".strip()
    if 400 <= code < 500 or code < 200:
        return NotSentYet(f"The mail server asks to try later: {said}.", is_down=is_down)
    return NotSent(f"The mail server refused it: {said}.")


def _line(words: object) -> str:
    """What the other side said, in one line of bounded length."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return clean_text(" ".join(text.split()), MAX_REASON).rstrip(". ") or type(words).__name__
