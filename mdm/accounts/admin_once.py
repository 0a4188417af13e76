"""What is shown once, as the answer to a form: reloading that page sends the form again, which must not make another one."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _

FIELD = "once"
KEPT_SECONDS = 24 * 3600


class MadeBefore(Exception):
    """The very same form was sent before."""


def once_token() -> tuple[str, str]:
    """Name and value of a hidden field: another one each time that a form is shown."""
    return FIELD, str(uuid4())


@contextmanager
def made_once(request: HttpRequest) -> Iterator[None]:
    """Around what makes the thing. Raises MadeBefore if the form was sent before; one that made nothing may be sent again.

    A guard against reloads and double clicks, no lock: a form without a token is taken, and the cache may forget.
    """
    token = sent_token(request, FIELD)
    key = f"once-{request.user.pk}-{token}"
    if token and not cache.add(key, True, timeout=KEPT_SECONDS):
        raise MadeBefore
    try:
        yield
    except BaseException:
        cache.delete(key)
        raise


def made_before_words() -> str:
    return _("It was made already. What was shown once cannot be shown again.")


def sent_token(request: HttpRequest, field: str) -> UUID | None:
    """By which a form that was sent twice is known; None for one without it."""
    try:
        return UUID(request.POST.get(field, ""))
    except ValueError:
        return None
