"""Inviting people from the page of an enrollment link, and what became of it."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _

from enrollment.models import Enrollment, Invitation, InvitationKind, InvitationState
from enrollment.services.contacts import EXAMPLE
from enrollment.services.invitations import sends_mail, sends_texts
from mdm.accounts.admin_forms import PageForm
from mdm.common.words import duration

SHOWN = 50


class InvitationForm(PageForm):
    """One field; the service tells an address from a number, and says what is wrong with either."""

    contact = forms.CharField(max_length=254, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["contact"]
        if not sends_mail():
            field.label, field.help_text = _("Phone number"), _("As %(example)s") % {"example": EXAMPLE}
        elif sends_texts():
            field.label, field.help_text = (
                _("E-mail address or phone number"),
                _("A number as %(example)s") % {"example": EXAMPLE},
            )
        else:
            field.label = _("E-mail address")
            field.widget.input_type = "email"


def ways_to_invite() -> dict[str, Any]:
    """For the template: without a mail server `no_mail` says so, and without any way there is no form."""
    no_mail = (
        ""
        if sends_mail()
        else _("This server sends no e-mail (EMAIL_URL is not set): you hand over what lets them in.")
    )
    return {"no_mail": no_mail, "may_invite": sends_mail() or sends_texts()}


def invitations_of(enrollment: Enrollment) -> list[Invitation]:
    """The newest first; next_in says in words when one that waits is tried again, can_repeat whether it could be sent now."""
    can_send = {InvitationKind.EMAIL: sends_mail(), InvitationKind.SMS: sends_texts()}
    found = list(enrollment.invitations.order_by("-pk")[:SHOWN])
    now = timezone.now()
    for one in found:
        one.can_repeat = one.state != InvitationState.WAITING and can_send[InvitationKind(one.kind)]
        one.next_in = duration(max(one.due_at - now, timedelta())) if one.due_at else ""
    return found


def mark_of(invitations: Iterable[Invitation]) -> str:
    """Another one when there is something new to see."""
    seen = ",".join(f"{one.pk} {one.state} {one.attempts} {one.error}" for one in invitations)
    return hashlib.sha256(seen.encode()).hexdigest()[:16]
