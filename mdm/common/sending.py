"""Handing messages to services that carry them: what may come of it, and how a mail server says so."""

from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPServerDisconnected
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from mdm.common.text import clean_text

MAX_REASON = 300


class NotSent(Exception):
    """It was refused, and would be again; str(error) is a plain sentence."""


class NotSentYet(Exception):
    """It was not taken, but may be later; it may even have arrived. str(error) is a plain sentence.

    is_down: others would fare the same for now. retry_after_seconds: what the other side asked for, else 0.
    """

    def __init__(self, sentence: str, *, is_down: bool = True, retry_after_seconds: float = 0.0) -> None:
        super().__init__(sentence)
        self.is_down = is_down
        self.retry_after_seconds = retry_after_seconds


def send_mail(message: EmailMessage) -> None:
    """Hand it to the mail server. Raises NotSent, NotSentYet."""
    try:
        message.send()
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


def headers_of_a_program(name: str) -> dict[str, str]:
    """name: the same whenever the message is tried, and of no other one.

    Mail servers throw the second of two away, should the first have come through.
    """
    host = urlsplit(settings.BASE_URL).hostname or "pomona"
    return {"Message-ID": f"<{name}@{host}>", "Auto-Submitted": "auto-generated"}


def _refusal(code: int, words: bytes | str, *, is_down: bool) -> NotSent | NotSentYet:
    said = f"{code} {_line(words)}".strip()
    if 400 <= code < 500 or code < 200:
        return NotSentYet(f"The mail server asks to try later: {said}.", is_down=is_down)
    return NotSent(f"The mail server refused it: {said}.")


def _line(words: object) -> str:
    """What the other side said, in one line of bounded length."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return clean_text(" ".join(text.split()), MAX_REASON).rstrip(". ") or type(words).__name__
