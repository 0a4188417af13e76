"""All accounts of the server, for those who run it: how large each is, what needs care, and the way in.

Numbers come by one statement for each column and page of accounts, never by one for each account.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device, DeviceState
from enrollment.services.accounts import open_account
from mdm.accounts.actors import Actor, Source
from mdm.accounts.admin_base import actor_of, row_number
from mdm.accounts.admin_forms import PageForm, posted
from mdm.accounts.members import generated_password
from mdm.accounts.middleware import choose_account
from mdm.accounts.models import Account, Membership, User
from mdm.events.models import Event, Level
from mdm.events.services import emit
from mdm.push.models import PushCertificate
from mdm.push.words import standing
from mdm.sign_in.proof import renew

PAGE = 100
MOST_LETTERS = 200


@dataclass(frozen=True)
class Row:
    """account: with `last_event_at`. push: state and sentence of its push certificate; days_left: of a valid one."""

    account: Account
    enrolled: int
    people: int
    push: tuple[str, str]
    days_left: int | None

    @property
    def last_event_at(self) -> datetime | None:
        return self.account.last_event_at


class NewAccountForm(PageForm):
    name = forms.CharField(
        max_length=200, label=gettext_lazy("Name"), help_text=gettext_lazy("The organization whose devices it manages.")
    )
    apple_store_country_code = forms.RegexField(
        r"^[A-Za-z]{2}$",
        initial="US",
        label=gettext_lazy("App Store country"),
        help_text=gettext_lazy("Two letters, for example US or DE."),
        error_messages={"invalid": gettext_lazy("Two letters, for example US or DE.")},
    )
    owner_email = forms.EmailField(
        label=gettext_lazy("E-mail of its owner"),
        help_text=gettext_lazy(
            "Whoever has a login keeps it and becomes owner here too. For somebody new, and for a login whose address was never "
            "proved, Pomona makes a password and shows it to you once."
        ),
    )


def demand_superuser(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied


def all_accounts(request: HttpRequest, site: AdminSite) -> HttpResponse:
    demand_superuser(request)
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MOST_LETTERS]
    number = max(row_number(request.GET.get("page")) or 1, 1)
    start = (min(number, 10_000) - 1) * PAGE
    found = list(_found(words).order_by("name", "pk")[start : start + PAGE + 1])
    context = {
        "rows": _rows(found[:PAGE]),
        "words": words,
        "page_number": number,
        "has_more": len(found) > PAGE,
        "is_empty": not words and not found and number == 1,
    }
    return _page(request, site, "admin/accounts/all_accounts.html", _("All accounts"), **context)


def add_account(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The answer shows the password of a new owner: it stands nowhere else."""
    demand_superuser(request)
    form = NewAccountForm(posted(request), account=None, initial={"owner_email": request.user.email})
    if not form.is_valid():
        return _page(request, site, "admin/accounts/add_account.html", _("Open an account"), form=form)
    given = form.cleaned_data
    password = generated_password()
    # In English, as the log keeps it whatever language one reads it in.
    actor = Actor(Source.ADMIN, label=f"{request.user.email} (superuser)", user_id=request.user.pk)
    _renew_unproved(request, given["owner_email"], password, actor)
    account, owner = open_account(
        given["name"],
        owner_email=given["owner_email"],
        password=password,
        actor=actor,
        apple_store_country_code=given["apple_store_country_code"].upper(),
    )
    if owner.check_password(password):
        context = {"account": account, "owner": owner, "password": password}
        return _page(request, site, "admin/accounts/account_opened.html", _("Account opened"), **context)
    messages.success(request, _("%(account)s is open, and %(owner)s owns it.") % {"account": account, "owner": owner})
    if owner == request.user:
        choose_account(request, account)
        return redirect("admin:index")
    return redirect("admin:all_accounts")


def _renew_unproved(request: HttpRequest, email: str, password: str, actor: Actor) -> None:
    """A login whose address was never proved may be somebody else's: before it owns an account, only this password opens it."""
    known = User.objects.filter(email=email.lower(), email_proved_at=None).exclude(pk=request.user.pk).first()
    if known is not None:
        renew(known, password, None, by="whoever runs this server", actor=actor)


def log_visit(request: HttpRequest, account: Account) -> None:
    """Somebody who belongs to no account but runs the server goes into one: its people can see that."""
    emit(
        "account.visited",
        account_id=account.pk,
        actor=actor_of(request),
        level=Level.WARNING,
        person=request.user.email,
    )


def _found(words: str) -> QuerySet[Account]:
    """By the account's name, or by the e-mail or name of somebody in it."""
    newest = Event.objects.filter(account=OuterRef("pk")).order_by("-id").values("at")[:1]
    accounts = Account.objects.annotate(last_event_at=Subquery(newest))
    if not words:
        return accounts
    people = Membership.objects.filter(Q(user__email__icontains=words) | Q(user__name__icontains=words))
    return accounts.filter(Q(name__icontains=words) | Q(pk__in=people.values("account")))


def _rows(accounts: list[Account]) -> list[Row]:
    keys = [account.pk for account in accounts]
    enrolled = _counts(Device.objects.filter(account__in=keys, state=DeviceState.ENROLLED, removed_at=None))
    people = _counts(Membership.objects.filter(account__in=keys, user__is_active=True))
    certificates = {
        one.account_id: one
        for one in PushCertificate.objects.filter(account__in=keys).defer("key_pem", "certificate_pem")
    }
    return [
        Row(
            account,
            enrolled.get(account.pk, 0),
            people.get(account.pk, 0),
            standing(certificate := certificates.get(account.pk)),
            certificate.days_left if certificate else None,
        )
        for account in accounts
    ]


def _counts(rows: QuerySet) -> dict[int, int]:
    return dict(rows.order_by().values_list("account").annotate(number=Count("pk")))


def _page(request: HttpRequest, site: AdminSite, template: str, title: str, **context: Any) -> TemplateResponse:
    context = {**site.each_context(request), "title": title, **context}
    return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})
