"""Commands of all devices: what waits, what was answered, and what went wrong in plain words."""

import json
from collections.abc import Iterator

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from unfold.decorators import display

from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.commands.models import Command
from mdm.commands.services import cancel
from mdm.commands.states import ApplyState, State
from mdm.commands.words import LARGE, STATE_WORDS, STATUS_WORDS, error_lines, label_of, may_hold_secrets
from mdm.events.services import emit
from mdm.protocol import plist
from mdm.protocol.errors import ProtocolError
from mdm.protocol.request_types import REQUEST_TYPES


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = "State", "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(State.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(state=self.value()) if self.value() else queryset


class RequestTypeFilter(admin.SimpleListFilter):
    title, parameter_name = "Command", "request_type"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return sorted(((name, known.label) for name, known in REQUEST_TYPES.items()), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(request_type=self.value()) if self.value() else queryset


class DeviceFilter(admin.SimpleListFilter):
    """Set by links from a device page; not offered as a list, there are too many devices."""

    title, parameter_name = "Device", "device"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name, "")
        return [(chosen, "this device")] if chosen else [("", "all")]

    def has_output(self) -> bool:
        return bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        return queryset.filter(channel__device_id=row_number(self.value()))


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_title = "Commands"
    list_display = ("what", "on_device", "state_badge", "sent_by", "queued", "finished")
    list_select_related = ("channel__device",)
    list_filter = (StateFilter, RequestTypeFilter, DeviceFilter)
    search_fields = ("command_uuid",)
    search_help_text = "Serial number or CommandUUID"
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/cancel/", "cancel", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/state/", "state", Action.VIEW),
        Page("<int:pk>/answer/", "answer", Action.MANAGE_DEVICES),
    )
    empty_state = EmptyState(
        "No command yet",
        "Open a device and choose “Send a command”. What you send, and what the device answers, stands here.",
        "Show the devices",
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
        by_serial = queryset.filter(channel__device__serial_number=term.upper())
        return queryset.filter(command_uuid=term) | by_serial, False

    @display(description="Command")
    def what(self, command: Command) -> str:
        return two_lines(label_of(command), command.request_type)

    @display(description="Device")
    def on_device(self, command: Command) -> str:
        channel = command.channel
        return two_lines(channel.device, channel.user_short_name or channel.device.serial_number)

    @display(description="State")
    def state_badge(self, command: Command) -> str:
        if command.is_waiting and command.status == "NotNow":
            return badge("Not now", "NotNow")
        return badge(command.get_state_display(), command.state)

    @display(description="Sent by")
    def sent_by(self, command: Command) -> str:
        return command.actor_label or command.source or NOTHING

    @display(description="Queued")
    def queued(self, command: Command) -> str:
        return time_tag(command.created_at)

    @display(description="Finished")
    def finished(self, command: Command) -> str:
        return time_tag(command.finished_at)

    def detail(self, request: HttpRequest, obj: Command) -> HttpResponse:
        device = obj.channel.device
        return self.page(
            request,
            "admin/commands/command.html",
            title=label_of(obj),
            command=obj,
            known=REQUEST_TYPES.get(obj.request_type),
            device=device,
            device_url=None if device.removed_at else reverse("admin:devices_device_change", args=[device.pk]),
            words=STATUS_WORDS.get(obj.status) if obj.is_waiting and obj.status else STATE_WORDS[State(obj.state)],
            parameters=json.dumps(obj.parameters, indent=2, ensure_ascii=False) if obj.parameters else "",
            errors=error_lines(obj),
            may_see_answer=bool(obj.apply_state) and self._may_see_answer(request, obj),
            was_not_read=obj.apply_state == ApplyState.FAILED,
            mark=_mark(obj),
        )

    def cancel(self, request: HttpRequest, command: Command) -> HttpResponse:
        back = self.url("change", command.pk)
        if cancel(command, actor=actor_of(request)):
            return self.done(request, f"{label_of(command)} was taken back.", back)
        return self.refused(request, "Too late: the device has the command already.", back)

    def state(self, request: HttpRequest, command: Command) -> HttpResponse:
        """For the page that waits: `mark` changes whenever there is something new to show."""
        return JsonResponse({"mark": _mark(command), "is_over": not command.is_waiting})

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
            title=f"Answer to {label_of(command)}",
            command=command,
            lines=list(_lines(bytes(command.result))),
        )

    def _answer_needs(self, command: Command) -> Action:
        return Action.CONFIGURE if may_hold_secrets(command.request_type) else Action.MANAGE_DEVICES

    def _may_see_answer(self, request: HttpRequest, command: Command) -> bool:
        return self.may(request, self._answer_needs(command))


def _mark(command: Command) -> str:
    return f"{command.state}/{command.status}/{command.apply_state}/{command.not_now_at or ''}"


def _lines(raw: bytes) -> Iterator[str]:
    """The answer as an XML property list, line by line; one that is none is shown as far as it is text."""
    try:
        text = plist.dumps(plist.loads(raw)).decode()
    except ProtocolError:
        text = raw.decode("utf-8", "replace")
    yield from text.splitlines()
