"""Invitations of people that are on their way, were answered, or ran out."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm
from mdm.accounts.admin_html import badge, time_tag, two_lines
from mdm.accounts.models import Account, PersonInvitation, Role
from mdm.accounts.permissions import Action
from mdm.accounts.role_words import ROLE_HELP
from mdm.sign_in.invitations import InvitationError, Invited, invite_again, revoke, why_closed
from mdm.sign_in.methods import has_mail_server

MOST_SHOWN = 25  # of the open ones, above the list of people


def standing(invitation: PersonInvitation) -> tuple[str, str, str]:
    """A word, what colours it, and a sentence."""
    email = invitation.email
    if invitation.accepted_at is not None:
        return _("Accepted"), "done", _("%(email)s has accepted.") % {"email": email}
    if invitation.revoked_at is not None:
        return _("Revoked"), "revoked", _("The link no longer works.")
    if why_closed(invitation):
        return _("Ran out"), "expired", _("Nobody accepted within seven days. Send it again for a new link.")
    if invitation.sent_at is not None:
        return (
            _("Sent"),
            "info",
            _("The mail server has taken it. It waits for %(email)s to accept.") % {"email": email},
        )
    if invitation.due_at is None and invitation.error:
        return _("Not sent"), "failed", _("The e-mail could not be sent. Send it again, or hand a link over.")
    if invitation.due_at is None:
        return _("Link handed over"), "info", _("It waits for whoever has the link to accept.")
    if invitation.error:
        return _("Tried again soon"), "warning", _("The e-mail has not been taken yet. Pomona tries again for a day.")
    return _("Being sent"), "queued", _("A worker sends the e-mail.")


def is_moving(invitation: PersonInvitation) -> bool:
    return invitation.is_open and invitation.due_at is not None


def mark_of(invitation: PersonInvitation) -> str:
    times = (invitation.sent_at, invitation.due_at, invitation.accepted_at, invitation.revoked_at)
    return f"{invitation.pk} {invitation.attempts} {times}"


def open_invitations(account: Account) -> list[dict[str, object]]:
    """Those that wait for their person or for somebody to send them again, newest first."""
    rows = PersonInvitation.objects.for_account(account).filter(accepted_at=None, revoked_at=None)
    rows = rows.select_related("invited_by").defer("token").order_by("-pk")[:MOST_SHOWN]
    return [{"row": row, "badge": badge(*standing(row)[:2])} for row in rows]


@admin.register(PersonInvitation)
class PersonInvitationAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Invitations")
    list_display = ("person", "role_name", "state", "asked", "until")
    list_select_related = ("invited_by",)
    search_fields = ("email", "name")
    search_help_text = gettext_lazy("Name or e-mail")
    ordering = ("-pk",)
    pages = (
        Page("<int:pk>/again/", "again", Action.MANAGE_PEOPLE, post_only=True),
        Page("<int:pk>/new-link/", "new_link", Action.MANAGE_PEOPLE, post_only=True),
        Page("<int:pk>/revoke/", "revoke", Action.MANAGE_PEOPLE),
        Page("<int:pk>/state/", "state_mark", Action.VIEW),
    )
    empty_state = EmptyState(
        gettext_lazy("Nobody was invited yet"),
        gettext_lazy("People whom you invite stand here until they have accepted, and for a while after."),
        gettext_lazy("Invite somebody"),
        "admin:mdm_accounts_membership_add",
        Action.MANAGE_PEOPLE,
        "mail",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return super().get_queryset(request).defer("token")

    @display(description=gettext_lazy("Person"), ordering="email")
    def person(self, invitation: PersonInvitation) -> str:
        return two_lines(invitation.name or invitation.email, invitation.email if invitation.name else "")

    @display(description=gettext_lazy("Role"), ordering="role")
    def role_name(self, invitation: PersonInvitation) -> str:
        return invitation.get_role_display()

    @display(description=gettext_lazy("State"))
    def state(self, invitation: PersonInvitation) -> str:
        return badge(*standing(invitation)[:2])

    @display(description=gettext_lazy("Invited"), ordering="created_at")
    def asked(self, invitation: PersonInvitation) -> str:
        return two_lines(time_tag(invitation.created_at), invitation.invited_by or "")

    @display(description=gettext_lazy("Valid until"), ordering="expires_at")
    def until(self, invitation: PersonInvitation) -> str:
        return time_tag(invitation.expires_at)

    def detail(self, request: HttpRequest, obj: PersonInvitation) -> HttpResponse:
        word, tone, sentence = standing(obj)
        return self.page(
            request,
            "admin/accounts/invitation.html",
            title=obj.name or obj.email,
            invitation=obj,
            state_badge=badge(word, tone),
            sentence=sentence,
            role_help=ROLE_HELP[Role(obj.role)],
            is_moving=is_moving(obj),
            mark=mark_of(obj),
            can_send=has_mail_server(),
            can_be_renewed=obj.accepted_at is None,
            can_be_revoked=obj.accepted_at is None and obj.revoked_at is None,
        )

    def state_mark(self, request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
        """Asked by the page while the e-mail is on its way."""
        return JsonResponse({"mark": mark_of(invitation)})

    def again(self, request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
        return self._renew(request, invitation, by_mail=has_mail_server())

    def new_link(self, request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
        return self._renew(request, invitation, by_mail=False)

    def _renew(self, request: HttpRequest, invitation: PersonInvitation, *, by_mail: bool) -> HttpResponse:
        try:
            invited = invite_again(invitation, invited_by=request.user, actor=actor_of(request), by_mail=by_mail)
        except InvitationError as error:
            return self.refused(request, str(error), self.url("change", invitation.pk))
        return self.invited(request, invited)

    def invited(self, request: HttpRequest, invited: Invited) -> HttpResponse:
        """What follows an invitation: its page, or the link, which is shown this once."""
        invitation = invited.invitation
        if not invited.link:
            sentence = _("%(email)s gets an e-mail with a link now.") % {"email": invitation.email}
            return self.done(request, sentence, self.url("change", invitation.pk))
        return self.page(
            request,
            "admin/accounts/invited_by_link.html",
            title=_("Invited"),
            invitation=invitation,
            link=invited.link,
        )

    def revoke(self, request: HttpRequest, invitation: PersonInvitation) -> HttpResponse:
        back = self.url("change", invitation.pk)
        if request.method == "POST":
            if not revoke(invitation, actor_of(request)):
                return self.refused(request, _("It was accepted or revoked already."), back)
            sentence = _("The link for %(email)s no longer works.") % {"email": invitation.email}
            return self.done(request, sentence, self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Revoke the invitation of %(email)s") % {"email": invitation.email},
            intro=_("Whoever opens the link is told that it no longer works. You can invite them again at any time."),
            button=_("Revoke"),
            back=back,
            danger=True,
        )
