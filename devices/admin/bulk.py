"""Doing something with many devices: what the list posts is asked about once more, then it becomes an operation."""

from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from devices.admin.bulk_catalogue import BY_KEY, BulkOffer, commands_for_many, offers
from devices.admin.bulk_choice import Choice, choice_of
from devices.admin.bulk_command_forms import ManyCommandForm
from devices.admin.bulk_confirmation import forget_confirmation
from devices.admin.bulk_form import BulkForm
from devices.admin.bulk_forms import FORMS, ScriptForm
from devices.admin.bulk_token import demanded_token, hidden_token, started_before, told_before
from devices.admin.bulk_words import button, consequence, consequence_of
from devices.admin.send_command import alternatives_of, needed_for
from devices.models import Device, Platform
from devices.services.bulk import start
from devices.services.bulk_orders import CLEAR_PASSCODE, FOR_ONE_ONLY
from devices.services.errors import DeviceError, NotPossible, SetChanged
from devices.services.script_jobs import start_job_for
from mdm.accounts.admin_base import Page, actor_of
from mdm.accounts.permissions import Action
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES, RequestType
from mdm.protocol.request_types.names import label

AnyForm = BulkForm | ManyCommandForm
TEMPLATE = "admin/devices/bulk.html"
NAMED = 8  # devices that the page says by name


class BulkPages:
    """The page, for the device admin (which brings `page`, `url`, `may`, `demand` and `refused`)."""

    bulk_pages = (Page("bulk/", "bulk", Action.MANAGE_DEVICES),)

    def bulk(self, request: HttpRequest) -> HttpResponse:
        """`device=…` (each ticked one), or `all=1` and `query=` (the list's address); `action=` a key of the catalogue.

        What comes with `answered` is carried out, if `seen` still is the number of devices; otherwise it is asked.
        `order` is of the form: sent twice, it leads to what it started.
        """
        if address := started_before(request):
            return self.done(request, told_before(), address)
        try:
            choice = choice_of(request, self.list_url)
        except NotPossible as error:
            return self.refused(request, str(error), self.list_url)
        if choice is None or not choice.reach.total:
            return self.page(request, "admin/devices/bulk_nothing.html", title=_("Many devices"))
        offer = BY_KEY.get(_given(request, "action"))
        if offer is None:
            return self._actions_for_many(request, choice)
        self.demand(request, offer.needs)
        if offer.key == "send_command":
            return self._command_for_many(request, choice, offer)
        form = FORMS[offer.key](
            _answer(request),
            account=request.get_account(),
            reach=choice.reach,
            is_destructive=offer.is_destructive,
        )
        return self._ask_about_many(request, choice, offer, form)

    # --- which action, which command ----------------------------------------------------------------------------------
    def _actions_for_many(self, request: HttpRequest, choice: Choice) -> HttpResponse:
        return self.page(
            request,
            "admin/devices/bulk_offers.html",
            title=_("What is to be done?"),
            reach=choice.reach,
            offers=offers(request),
            hidden=choice.fields,
            back=choice.back,
        )

    def _command_for_many(self, request: HttpRequest, choice: Choice, offer: BulkOffer) -> HttpResponse:
        name = _given(request, "request_type")
        if not name:
            families = commands_for_many(request, choice.reach)
            return self._commands_for_many(request, choice, offer, families, title=str(offer.title).rstrip("…"))
        known = REQUEST_TYPES.get(name)
        if known is None or known.name in FOR_ONE_ONLY:
            raise Http404
        self.demand(request, needed_for(known))
        item, alternatives = _given(request, "item"), alternatives_of(known)
        fields = [("request_type", known.name)]
        if alternatives and item not in alternatives:
            found = [(one, label(one), _(parameter.help), False) for one, parameter in alternatives.items()]
            families = {_(known.label): found}
            return self._commands_for_many(
                request, choice, offer, families, title=_(known.label), name="item", fields=fields
            )
        form = ManyCommandForm(
            _answer(request),
            request.FILES if _answer(request) is not None else None,
            request_type=known,
            reach=choice.reach,
            item=item,
            # Each device's own token is put in when the command is queued.
            known={"UnlockToken": b"its own"} if known.name == CLEAR_PASSCODE else None,
            account=request.get_account(),
        )
        title = label(item) if item else _(known.label)
        fields += [("item", item)] if item else []
        return self._ask_about_many(request, choice, offer, form, known=known, title=title, fields=fields)

    def _commands_for_many(
        self,
        request: HttpRequest,
        choice: Choice,
        offer: BulkOffer,
        families: dict[str, list[tuple[str, str, str, bool]]],
        *,
        title: str,
        name: str = "request_type",
        fields: list[tuple[str, str]] | None = None,
    ) -> HttpResponse:
        return self.page(
            request,
            "admin/devices/bulk_commands.html",
            title=title,
            reach=choice.reach,
            families=families,
            name=name,
            hidden=[*choice.fields, ("action", offer.key), *(fields or [])],
            back=choice.back,
        )

    # --- asking and starting ------------------------------------------------------------------------------------------
    def _ask_about_many(
        self,
        request: HttpRequest,
        choice: Choice,
        offer: BulkOffer,
        form: AnyForm,
        *,
        known: RequestType | None = None,
        title: str = "",
        fields: list[tuple[str, str]] | None = None,
    ) -> HttpResponse:
        has_changed = any(request.POST.get(name) not in (None, "", value) for name, value in _numbers(choice, form))
        if form.is_bound and not has_changed and form.is_valid():
            try:
                return redirect(self._start_for_many(request, choice, form))
            except SetChanged:  # in this moment: count once more
                has_changed, choice = True, replace(choice)
            except (DeviceError, ProtocolError) as error:
                form.add_error(None, str(error))
        total = choice.reach.total
        if has_changed:
            forget_confirmation(form, total)
        title = title or str(offer.title)
        return self.page(
            request,
            TEMPLATE,
            title=title,
            status=422 if form.errors or has_changed else 200,
            form=form,
            sentence=consequence_of(known, total) if known else consequence(offer.key, total),
            reach=choice.reach,
            has_changed=has_changed,
            first=Device.objects.without_facts().filter(pk__in=choice.devices.order_by("pk").values("pk")[:NAMED]),
            more=max(total - NAMED, 0),
            is_destructive=known.destructive if known else offer.is_destructive,
            is_job=isinstance(form, ScriptForm),
            macs=_macs(choice),
            button=button(title, total),
            hidden=[
                *choice.fields,
                ("action", offer.key),
                *(fields or []),
                ("answered", "1"),
                *_numbers(choice, form),
                hidden_token(request),
            ],
            back=choice.back,
        )

    def _start_for_many(self, request: HttpRequest, choice: Choice, form: AnyForm) -> str:
        """Returns where its progress is. Raises DeviceError, ProtocolError."""
        token = demanded_token(request)
        if isinstance(form, ScriptForm):
            job = start_job_for(
                form.cleaned_data["script"],
                choice.devices,
                expected=_macs(choice),
                token=token,
                run_as=form.cleaned_data["run_as"],
                timeout_seconds=form.cleaned_data["timeout_minutes"] * 60,
                actor=actor_of(request),
            )
            return reverse("admin:devices_scriptjob_change", args=[job.pk])
        operation = start(
            choice.devices,
            form.wanted(),
            account_id=request.get_account().pk,
            actor=actor_of(request),
            expected=choice.reach.total,
            token=token,
        )
        return reverse("admin:devices_bulkoperation_change", args=[operation.pk])


def _numbers(choice: Choice, form: AnyForm) -> list[tuple[str, str]]:
    """What the person sees, and agrees to."""
    macs = [("macs", str(_macs(choice)))] if isinstance(form, ScriptForm) else []
    return [("seen", str(choice.reach.total)), *macs]


def _macs(choice: Choice) -> int:
    """How many could run a script."""
    return choice.reach.numbers[Platform.MACOS.value, True]


def _given(request: HttpRequest, name: str) -> str:
    return (request.POST if request.method == "POST" else request.GET).get(name, "")


def _answer(request: HttpRequest) -> Any:
    """What the form was sent with; None while it is asked for the first time, though by POST from the list."""
    return request.POST if request.method == "POST" and "answered" in request.POST else None
