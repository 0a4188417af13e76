"""Commands of all devices: what waits, what was answered, and what went wrong in plain words."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from mdm.accounts.actors import who
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_forms import TypedConfirmForm
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.channels.models import Channel
from mdm.commands.again import NotAgain, queue_again, why_not_again
from mdm.commands.models import Command
from mdm.commands.permissions import is_destructive, needed_for_name
from mdm.commands.services import cancel
from mdm.commands.states import FINAL, WAITING, ApplyState, State
from mdm.commands.timeline import steps_of
from mdm.commands.words import LARGE, error_lines, label_of, may_hold_secrets, words_for
from mdm.events.services import emit
from mdm.protocol import plist
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES

MOST_CHANNELS = 1000  # of devices with one serial number, which enrolled again and again
STILL_WAITING = "waiting"  # of the filter: without a final answer


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(STILL_WAITING, _("Waiting (queued or sent)")), *State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == STILL_WAITING:
            return queryset.filter(state__in=WAITING)
        return queryset.filter(state=self.value()) if self.value() else queryset


class FinishedFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Finished"), "finished"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("day", _("in the last 24 hours")), ("week", _("in the last 7 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        days = {"day": 1, "week": 7}.get(self.value() or "")
        since = timezone.now() - timedelta(days=days or 0)
        return queryset.filter(state__in=FINAL, finished_at__gte=since) if days else queryset


class RequestTypeFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Command"), "request_type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return sorted(((name, _(known.label)) for name, known in REQUEST_TYPES.items()), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(request_type=self.value()) if self.value() else queryset


class DeviceFilter(admin.SimpleListFilter):
    """Set by links from a device page; not offered as a list, there are too many devices."""

    title, parameter_name = gettext_lazy("Device"), "device"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, _("this device"))] if chosen else [("", _("all"))]

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        return queryset.filter(channel__device_id=row_number(self.value()))


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Commands")
    list_display = ("what", "on_device", "state_badge", "sent_by", "queued", "finished")
    list_select_related = ("channel__device",)
    list_filter = (StateFilter, RequestTypeFilter, FinishedFilter, DeviceFilter)
    search_fields = ("command_uuid",)
    search_help_text = gettext_lazy("Serial number or CommandUUID")
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/cancel/", "cancel", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/again/", "again", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/state/", "state", Action.VIEW),
        Page("<int:pk>/answer/", "answer", Action.MANAGE_DEVICES),
    )
    empty_state = EmptyState(
        gettext_lazy("No command yet"),
        gettext_lazy(
            "Open a device and choose what it should do. What you send, and what the device answers, stands here."
        ),
        gettext_lazy("Show the devices"),
        "admin:devices_device_changelist",
        icon="terminal",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer(*LARGE)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """A whole CommandUUID or serial number: both are found by an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        channels = Channel.objects.for_account(request.get_account()).filter(device__serial_number=term.upper())
        found = Q(command_uuid=term) | Q(channel__in=list(channels.values_list("pk", flat=True)[:MOST_CHANNELS]))
        return queryset.filter(found), False

    @display(description=gettext_lazy("Command"))
    def what(self, command: Command) -> str:
        return two_lines(label_of(command), command.request_type)

    @display(description=gettext_lazy("Device"))
    def on_device(self, command: Command) -> str:
        channel = command.channel
        return two_lines(channel.device, channel.user_short_name or channel.device.serial_number)

    @display(description=gettext_lazy("State"))
    def state_badge(self, command: Command) -> str:
        if command.is_waiting and command.status == "NotNow":
            return badge(_("Not now"), "NotNow")
        return badge(command.get_state_display(), command.state)

    @display(description=gettext_lazy("Sent by"))
    def sent_by(self, command: Command) -> str:
        return who(command.actor_label, command.source) or NOTHING

    @display(description=gettext_lazy("Queued"))
    def queued(self, command: Command) -> str:
        return time_tag(command.created_at)

    @display(description=gettext_lazy("Finished"))
    def finished(self, command: Command) -> str:
        return time_tag(command.finished_at)

    def detail(self, request: HttpRequest, obj: Command) -> HttpResponse:
        return self._command_page(request, obj, "admin/commands/command.html")

    def state(self, request: HttpRequest, command: Command) -> HttpResponse:
        """For the page that waits: asked by htmx, its new content, or no answer where `mark` says that it shows that already."""
        mark = _mark(command)
        if not is_part(request):
            return JsonResponse({"mark": mark, "is_over": not command.is_waiting})
        if request.GET.get("mark") == mark:
            return HttpResponse(status=204)
        return self._command_page(request, command, "admin/commands/live.html", is_update=True)

    def _command_page(self, request: HttpRequest, command: Command, template: str, **more: Any) -> HttpResponse:
        device = command.channel.device
        may_send = self.may(request, needed_for_name(command.request_type)) and not device.removed_at
        is_open = command.is_waiting or command.apply_state == ApplyState.PENDING
        return self.page(
            request,
            template,
            title=label_of(command),
            command=command,
            known=REQUEST_TYPES.get(command.request_type),
            device=device,
            device_url=None if device.removed_at else reverse("admin:devices_device_change", args=[device.pk]),
            words=words_for(command),
            steps=steps_of(command),
            can_be_sent_again=may_send and not why_not_again(command),
            parameters=json.dumps(command.parameters, indent=2, ensure_ascii=False) if command.parameters else "",
            errors=error_lines(command),
            may_see_answer=bool(command.apply_state) and self._may_see_answer(request, command),
            was_not_read=command.apply_state == ApplyState.FAILED,
            watch_url=f"{self.url('state', command.pk)}?{urlencode({'mark': _mark(command)})}" if is_open else "",
            **more,
        )

    def cancel(self, request: HttpRequest, command: Command) -> HttpResponse:
        back = self.url("change", command.pk)
        if cancel(command, actor=actor_of(request)):
            sentence = _("%(command)s was taken back; the device never gets it.") % {"command": label_of(command)}
            return self.done(request, sentence, back)
        return self.refused(request, _("Too late: the device has the command already."), back)

    def again(self, request: HttpRequest, command: Command) -> HttpResponse:
        """The same command anew; for one that interrupts or destroys the device's name is typed once more."""
        self.demand(request, needed_for_name(command.request_type))
        device, back = command.channel.device, self.url("change", command.pk)
        if is_destructive(command.request_type):
            form = TypedConfirmForm(
                request.POST if "confirmation" in request.POST else None,
                expected=str(device),
                account=request.get_account(),
            )
            if not form.is_valid():
                return self._confirm_again(request, form, command)
        try:
            queued = queue_again(command, actor_of(request))
        except NotAgain as error:
            return self.refused(request, str(error), back)
        sentence = _("%(command)s is sent to %(device)s again.") % {"command": label_of(command), "device": device}
        return self.done(request, sentence, self.url("change", queued.pk))

    def _confirm_again(self, request: HttpRequest, form: TypedConfirmForm, command: Command) -> HttpResponse:
        device, known = command.channel.device, REQUEST_TYPES.get(command.request_type)
        return self.form_page(
            request,
            form,
            title=_("Send “%(command)s” again") % {"command": label_of(command)},
            intro=_("%(device)s gets the same command as before. %(summary)s")
            % {"device": device, "summary": _(known.summary) if known else ""},
            button=_("Send it to %(device)s again") % {"device": device},
            back=self.url("change", command.pk),
            danger=True,
        )

    def answer(self, request: HttpRequest, command: Command) -> HttpResponse:
        """The answer as the device sent it. Ones that may carry secrets are for administrators, and are noted."""
        self.demand(request, self._answer_needs(command))
        if not command.result:
            raise Http404
        if may_hold_secrets(command.request_type):
            with transaction.atomic():
                emit(
                    "secret.viewed",
                    account_id=command.account_id,
                    actor=actor_of(request),
                    device=command.channel.device,
                    request_type=command.request_type,
                    command_uuid=command.command_uuid,
                )
        return self.page(
            request,
            "admin/commands/answer.html",
            title=_("Answer to %(command)s") % {"command": label_of(command)},
            command=command,
            lines=list(_lines(bytes(command.result))),
        )

    def _answer_needs(self, command: Command) -> Action:
        return Action.CONFIGURE if may_hold_secrets(command.request_type) else Action.MANAGE_DEVICES

    def _may_see_answer(self, request: HttpRequest, command: Command) -> bool:
        return self.may(request, self._answer_needs(command))


def _mark(command: Command) -> str:
    return f"{command.state}/{command.status}/{command.apply_state}/{command.not_now_count}/{command.sent_at or ''}"


def _lines(raw: bytes) -> Iterator[str]:
    """The answer as an XML property list, line by line; one that is none is shown as far as it is text."""
    try:
        text = plist.dumps(plist.loads(raw)).decode()
    except ProtocolError:
        text = raw.decode("utf-8", "replace")
    yield from text.splitlines()
