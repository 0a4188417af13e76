"""Account settings, people and API keys.

Accounts lie below the log, so what is changed here is logged here: an admin is an edge, like the REST API.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import display

from mdm.accounts.admin_api_key import ApiKeyForm, access_words, scope_words, scopes_in_short
from mdm.accounts.admin_base import AccountAdmin, EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, PageForm, posted
from mdm.accounts.admin_html import badge, time_tag, two_lines
from mdm.accounts.members import LastOwner, MemberError, add_member, change_role, remove_member
from mdm.accounts.models import Account, ApiKey, Membership, Role
from mdm.accounts.permissions import Action
from mdm.accounts.services import create_api_key, revoke_api_key
from mdm.events.services import emit

# Django registers its groups by itself. Pomona has roles, and a list that no account filters has no place here.
admin.site.unregister(Group)

ROLE_HELP = {
    Role.OWNER: "Everything, and who may work in this account.",
    Role.ADMIN: "Devices, also locking and erasing them, and all settings.",
    Role.OPERATOR: "Enrolls devices, moves them and sends commands that destroy nothing.",
    Role.READ_ONLY: "Sees everything, changes nothing.",
}


@admin.register(Account)
class AccountSettingsAdmin(AccountAdmin):
    """The account that one works in: a page, not a list."""

    needs = {"change": Action.CONFIGURE}
    fields = ("name", "apple_store_country_code", "signs_profiles", "license_total")
    readonly_fields = ()

    def scope(self, queryset: models.QuerySet, account: Account) -> models.QuerySet:
        return queryset.filter(pk=account.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        return redirect(self.url("change", request.get_account().pk))

    def save_model(self, request: HttpRequest, obj: Account, form: forms.ModelForm, change: bool) -> None:
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if form.changed_data:
                emit("account.updated", account_id=obj.pk, actor=actor_of(request), changed=form.changed_data)


class InviteForm(PageForm):
    email = forms.EmailField(label="E-mail", help_text="They sign in with it.")
    name = forms.CharField(max_length=200, required=False)
    role = forms.ChoiceField(
        choices=Role.choices, initial=Role.READ_ONLY, widget=forms.RadioSelect, label="What they may do"
    )
    password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Empty: Pomona makes one and shows it to you once. People who have a login keep their own.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].choices = role_choices()

    def clean_password(self) -> str:
        if password := self.cleaned_data["password"]:
            validate_password(password)
        return password


class RoleForm(PageForm):
    role = forms.ChoiceField(choices=Role.choices, widget=forms.RadioSelect, label="What they may do")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["role"].choices = role_choices()


def role_choices() -> list[tuple[str, Any]]:
    return [(role.value, two_lines(role.label, ROLE_HELP[role])) for role in Role]


@admin.register(Membership)
class PeopleAdmin(ReadOnlyAdmin):
    """Who may work in the account."""

    list_title = "People"
    add_label = "Invite somebody"
    needs = {"add": Action.MANAGE_PEOPLE}
    list_display = ("person", "role_badge", "last_sign_in", "since")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    search_help_text = "Name or e-mail"
    ordering = ("user__email",)
    pages = (
        Page("<int:pk>/role/", "role", Action.MANAGE_PEOPLE),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_PEOPLE),
    )

    @display(description="Person", ordering="user__email")
    def person(self, member: Membership) -> str:
        return two_lines(member.user.name or member.user.email, member.user.email)

    @display(description="Role", ordering="role")
    def role_badge(self, member: Membership) -> str:
        return badge(member.get_role_display(), "open" if member.role == Role.OWNER else "")

    @display(description="Last sign-in", ordering="user__last_login")
    def last_sign_in(self, member: Membership) -> str:
        return time_tag(member.user.last_login, "never")

    @display(description="Since", ordering="created_at")
    def since(self, member: Membership) -> str:
        return time_tag(member.created_at)

    def detail(self, request: HttpRequest, obj: Membership) -> HttpResponse:
        context = {"member": obj, "role_help": ROLE_HELP[Role(obj.role)]}
        return self.page(request, "admin/accounts/person.html", title=str(obj.user), **context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = InviteForm(posted(request), account=account)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                with transaction.atomic():
                    member, password = add_member(account, **given)
                    self._log(request, "member.added", member, role=member.role)
            except MemberError as error:
                form.add_error("email", str(error))
            else:
                if password:
                    return self.page(
                        request, "admin/accounts/invited.html", title="Invited", member=member, password=password
                    )
                return self.done(request, f"{member.user} can work in {account} now.", self.url("changelist"))
        intro = "They see this account after their next sign-in."
        return self.form_page(
            request, form, title="Invite somebody", button="Invite", back=self.url("changelist"), intro=intro
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
            except LastOwner as error:
                form.add_error("role", str(error))
            else:
                return self.done(request, f"{member.user} is {member.get_role_display().lower()} now.", back)
        return self.form_page(request, form, title=f"Role of {member.user}", button="Change role", back=back)

    def remove(self, request: HttpRequest, member: Membership) -> HttpResponse:
        back = self.url("change", member.pk)
        form = ConfirmForm(posted(request), account=request.get_account())
        if request.method == "POST":
            try:
                with transaction.atomic():
                    remove_member(member)
                    self._log(request, "member.removed", member, role=member.role)
            except LastOwner as error:
                return self.refused(request, str(error), back)
            return self.done(request, f"{member.user} no longer sees this account.", self.url("changelist"))
        return self.form_page(
            request,
            form,
            title=f"Remove {member.user}",
            intro=f"{member.user.email} will no longer see {member.account}. Their login and other accounts stay.",
            button="Remove",
            back=back,
            danger=True,
        )

    def _log(self, request: HttpRequest, event_type: str, member: Membership, **metadata: str) -> None:
        emit(event_type, account_id=member.account_id, actor=actor_of(request), person=member.user.email, **metadata)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_title = "API keys"
    add_label = "New API key"
    needs = {"add": Action.CONFIGURE}
    list_display = ("key_name", "access_badge", "last_used", "made", "key_state")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix")
    search_help_text = "Name or beginning of the key"
    ordering = ("revoked_at", "-pk")
    pages = (Page("<int:pk>/revoke/", "revoke", Action.CONFIGURE),)
    empty_state = EmptyState(
        "No API key yet",
        "Scripts sign in with an API key. Make one for each script, so that you can revoke it alone.",
        "New API key",
        "admin:mdm_accounts_apikey_add",
        Action.CONFIGURE,
        "key",
    )

    @display(description="Name", ordering="name")
    def key_name(self, key: ApiKey) -> str:
        return two_lines(key.name, f"{key.prefix}…")

    @display(description="Access", ordering="access")
    def access_badge(self, key: ApiKey) -> str:
        """A limited key's sections below: what most people look for in this list."""
        if not key.scopes:
            return badge(access_words(key))
        return two_lines(badge(access_words(key)), scopes_in_short(key))

    @display(description="Last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return time_tag(key.last_used_at, "never")

    @display(description="Created", ordering="created_at")
    def made(self, key: ApiKey) -> str:
        return two_lines(time_tag(key.created_at), key.created_by or "")

    @display(description="State", ordering="revoked_at")
    def key_state(self, key: ApiKey) -> str:
        return badge("Revoked", "revoked") if key.is_revoked else badge("Valid", "valid")

    def detail(self, request: HttpRequest, obj: ApiKey) -> HttpResponse:
        return self.page(
            request,
            "admin/accounts/api_key.html",
            title=obj.name,
            key=obj,
            access=access_words(obj),
            scopes=scope_words(obj),
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The answer to the form shows the key: it stands nowhere else, not in the session either."""
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = ApiKeyForm(posted(request), account=account)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                key, secret = create_api_key(account, created_by=request.user, **form.cleaned_data)
                self._log(request, "api_key.created", key)
            return self.page(request, "admin/accounts/api_key_made.html", title=key.name, key=key, secret=secret)
        intro = "The key itself is shown once, on the next page."
        return self.page(
            request,
            "admin/accounts/api_key_new.html",
            title="New API key",
            form=form,
            button="Create the key",
            back=self.url("changelist"),
            intro=intro,
        )

    def revoke(self, request: HttpRequest, key: ApiKey) -> HttpResponse:
        back = self.url("change", key.pk)
        if request.method == "POST":
            with transaction.atomic():
                if revoke_api_key(key):
                    self._log(request, "api_key.revoked", key)
            return self.done(request, f"“{key.name}” no longer works.", self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=f"Revoke “{key.name}”",
            intro="Whatever uses this key is refused from now on. This cannot be taken back.",
            button="Revoke",
            back=back,
            danger=True,
        )

    def _log(self, request: HttpRequest, event_type: str, key: ApiKey) -> None:
        emit(
            event_type,
            account_id=key.account_id,
            actor=actor_of(request),
            name=key.name,
            access=key.access,
            prefix=key.prefix,
            **({"scopes": key.scopes} if key.scopes else {}),
        )
