"""What the log says about sign-ins: each account of the person has its own log, and each is told."""

import logging
from typing import Any

from django.http import HttpRequest

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Membership, User
from mdm.common.proxies import client_ip
from mdm.events.models import Level
from mdm.events.services import emit
from mdm.sign_in.lockout import TRIES

logger = logging.getLogger("pomona.sign_in")


def log_of(
    user: User, event_type: str, request: HttpRequest | None = None, *, actor: Actor | None = None, **facts: Any
) -> None:
    """A line about a person, by that person unless an actor is given, in every account of theirs."""
    actor = actor or Actor(Source.ADMIN, label=user.email, user_id=user.pk)
    if request is not None:
        facts["ip"] = client_ip(request)
    for account_id in _accounts_of(user.email):
        emit(event_type, account_id=account_id, actor=actor, **facts)


def log_failure(request: HttpRequest, email: str, *, method: str, tries: int = 1, why: str = "") -> None:
    """A stranger's address belongs to no account: then the server's own log is the only place.

    The address itself stands in neither: it may be a password that was typed into the wrong field. Where it is somebody's, the
    line in the log of their accounts names them.
    """
    logger.warning("A sign-in to the admin failed (%s), from %s", method, client_ip(request))
    level = Level.ERROR if tries >= TRIES else Level.WARNING
    actor = Actor(Source.ADMIN, label=email.lower())
    facts = {"method": method, "ip": client_ip(request), "tries": tries} | ({"why": why} if why else {})
    for account_id in _accounts_of(email):
        emit("user.sign_in_failed", account_id=account_id, actor=actor, level=level, **facts)


def _accounts_of(email: str) -> list[int]:
    found = Membership.objects.filter(user__email=email.strip().lower()) if email else Membership.objects.none()
    return list(found.values_list("account_id", flat=True))
