"""Who may work in the account: letting people in, changing their role, ending their sessions, taking them out."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.admin_base import Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, posted
from mdm.accounts.admin_html import badge, time_tag, two_lines
from mdm.accounts.members import LastOwner, MemberError, add_member, change_role, has_other_accounts, remove_member
from mdm.accounts.models import Membership, PersonInvitation, Role, User
from mdm.accounts.permissions import Action
from mdm.accounts.role_words import ROLE_HELP
from mdm.events.services import emit
from mdm.sign_in.admin_invitations import open_invitations
from mdm.sign_in.admin_people_forms import MAIL, PASSWORD, InviteForm, RoleForm
from mdm.sign_in.invitations import InvitationError, invite, made_by, revoke
from mdm.sign_in.methods import has_mail_server
from mdm.sign_in.second_factor import TYPES, has_second_factor, reset_second_factor
from mdm.sign_in.sessions import end_sessions


@admin.register(Membership)
class PeopleAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("People")
    add_label = gettext_lazy("Invite somebody")
    change_list_template = "admin/accounts/people.html"
    needs = {"add": Action.MANAGE_PEOPLE}
    list_display = ("person", "role_badge", "second_factor", "last_sign_in", "since")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    search_help_text = gettext_lazy("Name or e-mail")
    ordering = ("user__email",)
    pages = (
        Page("<int:pk>/role/", "role", Action.MANAGE_PEOPLE),
        Page("<int:pk>/sessions/end/", "end_sessions", Action.MANAGE_PEOPLE),
        Page("<int:pk>/second-factor/reset/", "reset_second_factor", Action.MANAGE_PEOPLE),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_PEOPLE),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        own = Authenticator.objects.filter(user=OuterRef("user"), type__in=TYPES)
        return super().get_queryset(request).annotate(has_second_factor=Exists(own))

    # --- the list -----------------------------------------------------------------------------------------------------
    @display(description=gettext_lazy("Person"), ordering="user__email")
    def person(self, member: Membership) -> str:
        user = member.user
        return two_lines(user.name, user.email) if user.name else user.email

    @display(description=gettext_lazy("Role"), ordering="role")
    def role_badge(self, member: Membership) -> str:
        return badge(member.get_role_display(), "open" if member.role == Role.OWNER else "")

    @display(description=gettext_lazy("Second factor"), ordering="has_second_factor")
    def second_factor(self, member: Membership) -> str:
        return badge(_("Yes"), "valid") if member.has_second_factor else badge(_("No"))

    @display(description=gettext_lazy("Last sign-in"), ordering="user__last_login")
    def last_sign_in(self, member: Membership) -> str:
        if not member.user.is_active:
            return badge(_("Login switched off"), "warning")
        return time_tag(member.user.last_login, _("never"))

    @display(description=gettext_lazy("Since"), ordering="created_at")
    def since(self, member: Membership) -> str:
        return time_tag(member.created_at)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        invitations = open_invitations(request.get_account())
        return super().changelist_view(request, {"invitations": invitations, **(extra_context or {})})

    # --- letting somebody in ------------------------------------------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        form = InviteForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                return self._let_in(request, **form.cleaned_data)
            except (MemberError, InvitationError) as error:
                form.add_error("email", str(error))
        if has_mail_server():
            intro = _("They get in after they have accepted.")
        else:
            intro = _("This server sends no e-mail (EMAIL_URL is not set): you hand over what lets them in.")
        back = self.url("changelist")
        return self.form_page(request, form, title=_("Invite somebody"), button=_("Invite"), back=back, intro=intro)

    def _let_in(self, request: HttpRequest, *, email: str, name: str, role: str, way: str) -> HttpResponse:
        """Whoever has a login signs in and accepts themselves, whatever way was chosen. Raises MemberError, InvitationError."""
        account = request.get_account()
        if way == PASSWORD and not User.objects.filter(email=email.lower()).exists():
            with transaction.atomic():
                member, password = add_member(account, email=email, role=role, name=name)
                self._log(request, "member.added", member, role=member.role)
            context = {"member": member, "password": password}
            return self.page(request, "admin/accounts/invited.html", title=_("Invited"), **context)
        by = {"invited_by": request.user, "actor": actor_of(request), "by_mail": way == MAIL}
        invited = invite(account, email=email, role=role, name=name, **by)
        return self.admin_site.get_model_admin(PersonInvitation).invited(request, invited)

    # --- one person ---------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: Membership) -> HttpResponse:
        return self.page(
            request,
            "admin/accounts/person.html",
            title=str(obj.user),
            member=obj,
            role_help=ROLE_HELP[Role(obj.role)],
            has_second_factor=has_second_factor(obj.user),
            why_not_reset=self._why_not_reset(request, obj),
            is_oneself=obj.user_id == request.user.pk,
        )

    def role(self, request: HttpRequest, member: Membership) -> HttpResponse:
        back = self.url("change", member.pk)
        form = RoleForm(posted(request), initial={"role": member.role}, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            before = member.role
            try:
                with transaction.atomic():
                    if change_role(member, form.cleaned_data["role"]):
                        self._log(request, "member.changed", member, role=member.role, before=before)
                        self._revoke_invitations(request, member, above=member.role)
            except LastOwner as error:
                form.add_error("role", str(error))
            else:
                told = {"person": member.user, "role": member.get_role_display()}
                return self.done(request, _("%(person)s has this role now: %(role)s.") % told, back)
        title = _("Role of %(person)s") % {"person": member.user}
        intro = _(
            "It counts from their next click on. Open invitations of theirs to a higher role than the new one are revoked."
        )
        return self.form_page(request, form, title=title, button=_("Change role"), back=back, intro=intro)

    def end_sessions(self, request: HttpRequest, member: Membership) -> HttpResponse:
        back = self.url("change", member.pk)
        if request.method == "POST":
            is_oneself = member.user_id == request.user.pk
            if not is_oneself and (why := self._why_not_reset(request, member)):
                return self.refused(request, why, back)
            with transaction.atomic():
                end_sessions(member.user, keep=request.session.session_key if is_oneself else None)
                self._log(request, "member.sessions_ended", member)
            sentence = (
                _("You are signed out everywhere but here.")
                if is_oneself
                else _("%(person)s is signed out everywhere.")
            )
            return self.done(request, sentence % {"person": member.user}, back)
        return self._confirm(
            request,
            title=_("Sign %(person)s out everywhere") % {"person": member.user},
            intro=_("Every browser in which %(email)s is signed in is signed out at once. They can sign in again.")
            % {"email": member.user.email},
            button=_("Sign out everywhere"),
            back=back,
        )

    def reset_second_factor(self, request: HttpRequest, member: Membership) -> HttpResponse:
        back = self.url("change", member.pk)
        if request.method == "POST":
            if why := self._why_not_reset(request, member):
                return self.refused(request, why, back)
            with transaction.atomic():
                is_oneself = member.user_id == request.user.pk
                reset_second_factor(member.user)
                end_sessions(member.user, keep=request.session.session_key if is_oneself else None)
                self._log(request, "member.second_factor_reset", member)
            sentence = _("%(person)s signs in with the password alone until they set up a second factor again.")
            return self.done(request, sentence % {"person": member.user}, back)
        return self._confirm(
            request,
            title=_("Remove the second factor of %(person)s") % {"person": member.user},
            intro=_(
                "For somebody who has lost their phone or key. Make sure that it is really them who asks: afterwards the "
                "password alone is enough to sign in as %(email)s. They are signed out everywhere."
            )
            % {"email": member.user.email},
            button=_("Remove the second factor"),
            back=back,
        )

    def remove(self, request: HttpRequest, member: Membership) -> HttpResponse:
        back = self.url("change", member.pk)
        if request.method == "POST":
            try:
                with transaction.atomic():
                    remove_member(member)
                    self._log(request, "member.removed", member, role=member.role)
                    self._revoke_invitations(request, member)
            except LastOwner as error:
                return self.refused(request, str(error), back)
            sentence = _("%(person)s no longer sees this account.") % {"person": member.user}
            # Whoever has removed themselves cannot see the list any more.
            onward = "admin:index" if member.user_id == request.user.pk else self.url("changelist")
            return self.done(request, sentence, onward)
        told = {"email": member.user.email, "account": member.account}
        intro = _("%(email)s will no longer see %(account)s, at once. Their login and other accounts stay.") % told
        if invited := [invitation.email for invitation in made_by(member.user, member.account)]:
            sentence = _("Open invitations of theirs are revoked: %(people)s.")
            intro = f"{intro} {sentence % {'people': ', '.join(invited)}}"
        return self._confirm(
            request,
            title=_("Remove %(person)s") % {"person": member.user},
            intro=intro,
            button=_("Remove"),
            back=back,
        )

    # --- helpers ------------------------------------------------------------------------------------------------------
    def _why_not_reset(self, request: HttpRequest, member: Membership) -> str:
        """Second factor and sessions are of all accounts of a person: an owner of one may not take them from the others."""
        if request.user.is_superuser:
            return ""
        if member.user.is_superuser:
            return _(
                "They run this server: only somebody else who does can sign them out or remove their second factor."
            )
        if has_other_accounts(member):
            return _(
                "They work in other accounts too: only whoever runs this server can sign them out or remove their second factor."
            )
        return ""

    def _revoke_invitations(self, request: HttpRequest, member: Membership, *, above: str | None = None) -> None:
        """Nobody comes back, or brings somebody in, by a link from before: all of theirs, or those to more than that role."""
        for invitation in made_by(member.user, member.account, above=above):
            revoke(invitation, actor_of(request))

    def _confirm(self, request: HttpRequest, *, title: str, intro: str, button: str, back: str) -> HttpResponse:
        form: PageForm = ConfirmForm(posted(request), account=request.get_account())
        return self.form_page(request, form, title=title, intro=intro, button=button, back=back, danger=True)

    def _log(self, request: HttpRequest, event_type: str, member: Membership, **metadata: str) -> None:
        emit(event_type, account_id=member.account_id, actor=actor_of(request), person=member.user.email, **metadata)
