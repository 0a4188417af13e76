"""Where a person is signed in: allauth keeps a row for each session, this keeps them current and ends them."""

import time

from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from mdm.accounts.models import User
from mdm.common.proxies import client_ip

NOTED = "seen_at"
NOTE_EVERY_SECONDS = 300
NO_ADDRESS = "::"  # behind a Unix socket without a proxy's header


def note_activity(request: HttpRequest) -> None:
    """When and from where the session was last used, to five minutes: two statements then, and none in between."""
    now = int(time.time())
    if now - request.session.get(NOTED, 0) < NOTE_EVERY_SECONDS:
        return
    request.session[NOTED] = now
    seen = {"last_seen_at": timezone.now(), "ip": client_ip(request) or NO_ADDRESS}
    found = UserSession.objects.filter(session_key=request.session.session_key, user_id=request.user.pk)
    if not found.update(**seen):  # signed in before sessions were listed
        UserSession.objects.create_from_request(request)


def sessions_of(user: User) -> list[UserSession]:
    """Those that are still open, the one used last first; the rest is forgotten here."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda row: row.last_seen_at, reverse=True)


def end_session(user: User, pk: int) -> bool:
    """False if that person has no such session (any more)."""
    row = UserSession.objects.filter(user_id=user.pk, pk=pk).first()
    if row is None:
        return False
    row.end()
    return True


def end_sessions(user: User, *, keep: str | None = None) -> int:
    """Sign the person out everywhere, but in the session with the key `keep`. Returns how many were ended.

    Sessions from before they were listed are found by opening them all: there are as many as people are signed in.
    """
    rows = UserSession.objects.filter(user_id=user.pk).exclude(session_key=keep)
    keys = set(rows.values_list("session_key", flat=True))
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.session_key != keep and session.get_decoded().get(SESSION_KEY) == str(user.pk):
            keys.add(session.session_key)
    ended, _ = Session.objects.filter(session_key__in=keys).delete()
    rows.delete()
    return ended
