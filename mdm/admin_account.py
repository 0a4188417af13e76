"""The page of the account that one works in: its name, how people sign in, profiles, licences, how long things are kept."""

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.models import Device, DeviceState
from mdm.accounts.admin_base import AccountAdmin, actor_of
from mdm.accounts.admin_forms import dress, posted
from mdm.accounts.models import Account, Membership
from mdm.accounts.permissions import Action
from mdm.events.services import emit
from mdm.sign_in.second_factor import TYPES, has_second_factor


class AccountForm(forms.ModelForm):
    apple_store_country_code = forms.RegexField(
        r"^[A-Z]{2}$",
        label=gettext_lazy("App Store country"),
        help_text=gettext_lazy(
            "The App Store whose apps and prices this account sees: two letters, for example US or DE."
        ),
        error_messages={"invalid": gettext_lazy("Two letters, for example US or DE.")},
    )

    class Meta:
        model = Account
        fields = ("name", "apple_store_country_code", "requires_second_factor", "signs_profiles", "license_total")
        labels = {"name": gettext_lazy("Name"), "license_total": gettext_lazy("Devices at once, at the most")}
        help_texts = {
            "name": gettext_lazy("The organization's. People who enroll a device see it in its profile."),
            "license_total": gettext_lazy("Empty: no limit. Devices that are enrolled already stay, also beyond it."),
        }

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        """Of the country, "de" is taken as well: it becomes what is stored before the field looks at it."""
        if data is not None:
            data = data.copy()
            data["apple_store_country_code"] = data.get("apple_store_country_code", "").strip().upper()
        super().__init__(data, **options)
        for field in self.fields.values():
            field.label = str(field.label)[:1].upper() + str(field.label)[1:]
            dress(field)
        self.fields["apple_store_country_code"].widget.attrs |= {"autocapitalize": "characters", "size": 4}


@admin.register(Account)
class AccountSettingsAdmin(AccountAdmin):
    """The account that one works in: a page, not a list."""

    list_title = gettext_lazy("Account")
    needs = {"change": Action.CONFIGURE}

    def scope(self, queryset: models.QuerySet, account: Account) -> models.QuerySet:
        return queryset.filter(pk=account.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.demand(request, Action.VIEW)
        return redirect(self.url("change", request.get_account().pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        account: Account = self.get_object(request, object_id)
        self.demand(request, Action.VIEW)
        may_change = self.may(request, self.needs["change"])
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        form = AccountForm(posted(request), instance=account) if may_change else None
        if form is not None and form.is_valid():
            return self._save(request, form)
        former = Account.objects.get(pk=account.pk)  # a refused form has written into the row that it was given
        return self.page(
            request,
            "admin/accounts/settings.html",
            title=_("Account"),
            model_admin=None,  # no list lies above it
            account=former,
            form=form,
            has_own_second_factor=has_second_factor(request.user),
            **_numbers(former),
        )

    def _save(self, request: HttpRequest, form: AccountForm) -> HttpResponse:
        account = form.instance
        with transaction.atomic():
            form.save()
            if form.changed_data:
                emit("account.updated", account_id=account.pk, actor=actor_of(request), changed=form.changed_data)
        begins = "requires_second_factor" in form.changed_data and account.requires_second_factor
        if begins and not has_second_factor(request.user):
            sentence = _("Saved. You have no second factor yourself yet, so you are asked to set one up now.")
        elif begins:
            sentence = _("Saved. People without a second factor are asked to set one up at their next click.")
        elif form.changed_data:
            sentence = _("Saved.")
        else:
            sentence = _("Nothing was changed.")
        return self.done(request, sentence, self.url("change", account.pk))


def _numbers(account: Account) -> dict[str, Any]:
    """What stands beside the settings: licences in use, people without a second factor, how long things are kept."""
    own = Authenticator.objects.filter(user=OuterRef("user"), type__in=TYPES)
    people = Membership.objects.for_account(account).filter(user__is_active=True)
    enrolled = Device.objects.for_account(account).filter(state=DeviceState.ENROLLED).count()
    return {
        "enrolled": enrolled,
        "is_over": account.license_total is not None and enrolled >= account.license_total,
        "people": people.count(),
        "people_without": people.exclude(Exists(own)).count(),
        "log_days": settings.LOG_RETENTION_DAYS,
        "answer_days": settings.RESULT_RETENTION_DAYS,
    }
