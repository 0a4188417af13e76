"""Inviting somebody to work in an account: a row with a one-time link, which a worker sends or the inviter hands over.

A login is never put into an account by somebody else: whoever has one signs in and accepts. Where nobody has proved yet that
the login's address is theirs, a link that was mailed to it does (`mdm.sign_in.proof`). The link's secret stands in
clear only until it is sent; after that it is known by its digest alone, so "send again" makes a new one.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Account, Membership, PersonInvitation, Role, User
from mdm.common.nudge import nudge_named
from mdm.common.tokens import digest, new_token
from mdm.common.words import duration
from mdm.events.services import emit
from mdm.sign_in.proof import prove

TASK = "mdm.sign_in.tasks.send_person_invitations"
LIFETIME = timedelta(days=7)
WINDOW = timedelta(hours=1)
BY = "an invitation by e-mail"  # in the log
HIGHEST_FIRST = list(Role)


class InvitationError(Exception):
    """It cannot be done; str(error) is a sentence for the person who asked."""


class InvitationClosed(InvitationError):
    """The link was used, was revoked, or has run out. reason: one of these words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HasLogin(InvitationError):
    """Somebody has a login with this e-mail address: they sign in, and no second one is made."""


class NotProved(InvitationError):
    """The link that was mailed is the first proof of the address: it is accepted with a new password."""


@dataclass(frozen=True)
class Invited:
    """link: to be handed over, as it is known only now; empty when a worker sends it."""

    invitation: PersonInvitation
    link: str


def invite(
    account: Account, *, email: str, role: str, invited_by: User, actor: Actor, by_mail: bool, name: str = ""
) -> Invited:
    """Raises InvitationError for somebody who is in, or is invited, already, and when too many were invited lately."""
    email = email.lower()
    with transaction.atomic():
        _lock(account)
        if Membership.objects.filter(account=account, user__email=email).exists():
            raise InvitationError(
                _("%(email)s is in this account already. Change their role instead.") % {"email": email}
            )
        former = _unanswered(account).filter(email=email).first()
        if former is not None and former.is_open:
            raise InvitationError(
                _("%(email)s is invited already. Send that invitation again, or revoke it.") % {"email": email}
            )
        if former is not None:  # it has run out: only its place is needed
            _close(former)
        return _write(account, email=email, name=name, role=role, invited_by=invited_by, actor=actor, by_mail=by_mail)


def invite_again(invitation: PersonInvitation, *, invited_by: User, actor: Actor, by_mail: bool) -> Invited:
    """The same with a new link; the former one no longer works. Raises InvitationError if it was accepted meanwhile."""
    with transaction.atomic():
        _lock(invitation.account)
        current = PersonInvitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
        if current.accepted_at is not None:
            raise InvitationError(_("%(email)s has accepted it already.") % {"email": current.email})
        if Membership.objects.filter(account_id=current.account_id, user__email=current.email).exists():
            raise InvitationError(_("%(email)s is in this account already.") % {"email": current.email})
        other = _unanswered(current.account).filter(email=current.email).exclude(pk=current.pk)
        if other.exists():
            raise InvitationError(
                _("%(email)s has a newer invitation. Send that one again.") % {"email": current.email}
            )
        _close(current)
        told = {"email": current.email, "name": current.name, "role": current.role}
        return _write(current.account, **told, invited_by=invited_by, actor=actor, by_mail=by_mail)


def revoke(invitation: PersonInvitation, actor: Actor) -> bool:
    """The link opens nothing any more. False if it was answered or revoked before."""
    with transaction.atomic():
        current = PersonInvitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
        if current.accepted_at is not None or current.revoked_at is not None:
            return False
        _close(current)
        emit("member.invitation_revoked", account_id=current.account_id, actor=actor, person=current.email)
    return True


def made_by(user: User, account: Account, *, above: str | None = None) -> list[PersonInvitation]:
    """That person's invitations that still let somebody in; with `above`, those that give more than this role."""
    roles = HIGHEST_FIRST[: HIGHEST_FIRST.index(Role(above))] if above else HIGHEST_FIRST
    rows = _unanswered(account).filter(invited_by=user, expires_at__gt=timezone.now(), role__in=roles)
    return list(rows.defer("token").order_by("email"))


def find(token: str) -> PersonInvitation | None:
    found = PersonInvitation.objects.filter(digest=digest(token))
    return found.select_related("account", "invited_by").defer("token").first()


def why_closed(invitation: PersonInvitation) -> str:
    """ "used", "revoked" or "expired"; empty while it can be accepted."""
    if invitation.accepted_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "revoked"
    return "" if invitation.expires_at > timezone.now() else "expired"


def login_of(invitation: PersonInvitation) -> User | None:
    return User.objects.filter(email=invitation.email).first()


def waits_for_proof(invitation: PersonInvitation, user: User) -> bool:
    """Whether the link, which was mailed, is the first proof that the login's address is anybody's: `accept_with_proof`."""
    return invitation.was_mailed and user.email_proved_at is None


def accept_as_new(invitation: PersonInvitation, *, name: str, password: str | None) -> User:
    """Make the login and let the person in. Raises InvitationClosed, HasLogin.

    The caller has checked the password; without one, they sign in by single sign-on.
    """
    with transaction.atomic():
        current = _take(invitation)
        if login_of(current) is not None:
            raise _has_login()
        proved_at = timezone.now() if current.was_mailed else None
        try:
            with transaction.atomic():
                user = User.objects.create_user(current.email, password, name=name, email_proved_at=proved_at)
        except IntegrityError as error:  # they accepted an invitation of another account at the same time
            raise _has_login() from error
        _join(current, user)
    return user


def accept_with_proof(
    invitation: PersonInvitation, *, name: str, password: str | None, request: HttpRequest | None = None
) -> User:
    """Let in who has the link that was mailed to a login's address, and nobody else who could sign in with that login before.

    The caller has checked the password; without one, they sign in by single sign-on. Raises InvitationClosed, and
    HasLogin where the link proves nothing new.
    """
    with transaction.atomic():
        current = _take(invitation)
        user = User.objects.select_for_update().filter(email=current.email, is_active=True).first()
        if user is None or not waits_for_proof(current, user):
            raise _has_login()
        user.name = name
        user.save(update_fields=["name"])
        _join(current, user)
        prove(user, request, by=BY, password=password)
    return user


def _has_login() -> HasLogin:
    return HasLogin(_("There is a login with this e-mail address already. Sign in with it to accept."))


def accept_as(invitation: PersonInvitation, user: User) -> None:
    """Let somebody in who has signed in with the invited address. Raises InvitationClosed, NotProved, InvitationError."""
    if user.email != invitation.email:
        raise InvitationError(_("This invitation is for %(email)s.") % {"email": invitation.email})
    with transaction.atomic():
        current = _take(invitation)
        if waits_for_proof(current, user):
            raise NotProved(_("Open the link again and choose a password, so that this login is yours alone."))
        _join(current, user)


def link_of(token: str) -> str:
    return f"{settings.BASE_URL}{reverse('person_invitation', args=[token])}"


def forget_old() -> int:
    """Whom somebody invited long ago is nobody's business any more; the log has its own time to forget."""
    before = timezone.now() - timedelta(days=max(settings.RESULT_RETENTION_DAYS, LIFETIME.days + 1))
    return PersonInvitation.objects.filter(expires_at__lt=before).delete()[0]


def _write(
    account: Account, *, email: str, name: str, role: str, invited_by: User, actor: Actor, by_mail: bool
) -> Invited:
    _check_rate(account)
    token = new_token(32)
    now = timezone.now()
    invitation = PersonInvitation.objects.create(
        account=account,
        email=email,
        name=name,
        role=role,
        token=token if by_mail else "",
        digest=digest(token),
        invited_by=invited_by,
        expires_at=now + LIFETIME,
        due_at=now if by_mail else None,
    )
    way = "e-mail" if by_mail else "link"
    emit("member.invited", account_id=account.pk, actor=actor, person=email, role=role, way=way)
    if by_mail:
        transaction.on_commit(partial(nudge_named, TASK))
    return Invited(invitation, "" if by_mail else link_of(token))


def _take(invitation: PersonInvitation) -> PersonInvitation:
    """Ours to answer until the transaction ends: of two who press the button, one is told that it was used."""
    current = PersonInvitation.objects.select_for_update(of=("self",)).select_related("account").get(pk=invitation.pk)
    if reason := why_closed(current):
        raise InvitationClosed(reason)
    return current


def _join(invitation: PersonInvitation, user: User) -> None:
    """Somebody who came in by another way meanwhile keeps the role that they have."""
    member, is_new = Membership.objects.get_or_create(
        account=invitation.account, user=user, defaults={"role": invitation.role}
    )
    now = timezone.now()
    PersonInvitation.objects.filter(pk=invitation.pk).update(accepted_at=now, due_at=None, token=None)
    if is_new:
        actor = Actor(Source.ADMIN, label=user.email, user_id=user.pk)
        emit("member.joined", account_id=member.account_id, actor=actor, person=user.email, role=member.role)


def _close(invitation: PersonInvitation) -> None:
    PersonInvitation.objects.filter(pk=invitation.pk).update(revoked_at=timezone.now(), due_at=None, token=None)


def _unanswered(account: Account) -> QuerySet[PersonInvitation]:
    return PersonInvitation.objects.for_account(account).filter(accepted_at=None, revoked_at=None)


def _lock(account: Account) -> None:
    """Two who invite at once do it one after the other: neither passes the other's count or invites somebody twice."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _check_rate(account: Account) -> None:
    most = settings.INVITATIONS_PER_HOUR
    if not most:
        return
    since = timezone.now() - WINDOW
    recent = PersonInvitation.objects.for_account(account).filter(created_at__gt=since).order_by("-created_at")
    last = recent.values_list("created_at", flat=True)[most - 1 : most].first()
    if last is not None:
        sentence = ngettext(
            "This account may invite %(count)s person in an hour, and has. The next one can be invited in %(wait)s.",
            "This account may invite %(count)s people in an hour, and has. The next one can be invited in %(wait)s.",
            most,
        )
        raise InvitationError(sentence % {"count": most, "wait": duration(max(last - since, timedelta(seconds=1)))})
