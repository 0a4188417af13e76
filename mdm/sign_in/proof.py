"""Whose an e-mail address is.

A login can be made for any address: a link or a password that is handed over goes wherever its maker likes. So whoever proves an
address first, by a link that was mailed to it or by single sign-on, gets the login for themselves: what was set up before no
longer lets anybody in. A password alone proves nothing, and nothing is taken away by signing in with it.
"""

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from mdm.accounts.actors import Actor
from mdm.accounts.models import User
from mdm.events.models import Level
from mdm.sign_in import lockout
from mdm.sign_in.log import log_of
from mdm.sign_in.second_factor import reset_second_factor
from mdm.sign_in.sessions import end_sessions

WHY = "nobody had proved the address before"


def prove(user: User, request: HttpRequest | None, *, by: str, password: str | None = None) -> bool:
    """The address is the person's own. The first time, the login is renewed with that password, or with none; True then.

    by: what proved it, for the log.
    """
    with transaction.atomic():
        current = User.objects.select_for_update().get(pk=user.pk)
        if current.email_proved_at is not None:
            user.email_proved_at, user.password = current.email_proved_at, current.password
            return False
        user.email_proved_at = timezone.now()
        user.save(update_fields=["email_proved_at"])
        renew(user, password, request, by=by)
    return True


def renew(
    user: User, password: str | None, request: HttpRequest | None, *, by: str, actor: Actor | None = None
) -> None:
    """End all that lets anybody in as an address that was never proved: password, second factors, sessions.

    password: the new one; None leaves none. actor: who did it, where it was not the person.
    """
    with transaction.atomic():
        had_password = user.has_usable_password()
        user.set_password(password)
        user.save(update_fields=["password"])
        had_factors = reset_second_factor(user)
        end_sessions(user)
        lockout.let_in_again(user)
        told = {"actor": actor, "level": Level.WARNING, "by": by, "why": WHY}
        if had_password or password:
            log_of(user, "user.password_changed", request, **told)
        if had_factors:
            log_of(user, "user.second_factor_removed", request, what="all", **told)
