"""Celery tasks of sign-in: links for forgotten passwords, invitations of people, tidying up."""

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models import Exists, OuterRef

from mdm.sign_in import invitation_sending, invitations
from mdm.sign_in.lockout import forget_old_tries
from mdm.sign_in.resets import forget_old, send_due


@shared_task
def send_password_resets() -> int:
    """Send the links that are due. Several may run at once: each claims its own rows."""
    return send_due()


@shared_task
def tidy_up_sign_in() -> None:
    """Forget guesses, links and sessions that have run out."""
    forget_old_tries()
    forget_old()
    call_command("clearsessions")
    open_ones = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(open_ones)).delete()


@shared_task
def send_person_invitations() -> int:
    """Send the invitations of people that are due. Several may run at once: each claims its own rows."""
    return invitation_sending.send_due()


@shared_task
def forget_person_invitations() -> int:
    """Forget invitations that ended long ago."""
    return invitations.forget_old()
