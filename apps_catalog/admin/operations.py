"""Operations: changes for many devices, how far they have come, holding them back and letting them go on."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from devices.models import BulkOperation, OperationState
from devices.services.errors import NotPossible
from devices.services.operations import Progress, cancel, progress_of, resume
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_html import NOTHING, badge, time_tag, two_lines
from mdm.accounts.permissions import Action
from mdm.common.words import count_of


class OperationList(ChangeList):
    """With `progress` of each row, asked for once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = progress_of(self.result_list)
        for operation in self.result_list:
            operation.progress = found[operation.pk]


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = "State", "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return list(OperationState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(BulkOperation)
class OperationAdmin(ReadOnlyAdmin):
    list_title = "Operations"
    list_display = ("what", "state_badge", "reached", "command_count", "started", "finished")
    list_filter = (StateFilter,)
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/cancel/", "cancel", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/resume/", "resume", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/state/", "state", Action.VIEW),
    )
    empty_state = EmptyState(
        "No operation yet",
        "A change that concerns hundreds of devices reaches them one after the other. It stands here, with how far it has "
        "come, and can be held back.",
        icon="sync",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return OperationList

    @display(description="Operation")
    def what(self, operation: BulkOperation) -> str:
        return two_lines(operation.title, operation.get_kind_display())

    @display(description="State")
    def state_badge(self, operation: BulkOperation) -> str:
        return _badge(operation)

    @display(description="Devices reached")
    def reached(self, operation: BulkOperation) -> str:
        return progress_bar(operation.progress)

    @display(description="Commands")
    def command_count(self, operation: BulkOperation) -> str:
        return f"{operation.commands:,}"

    @display(description="Started")
    def started(self, operation: BulkOperation) -> str:
        return two_lines(time_tag(operation.created_at), operation.actor_label or operation.source or NOTHING)

    @display(description="Finished")
    def finished(self, operation: BulkOperation) -> str:
        return time_tag(operation.finished_at)

    def detail(self, request: HttpRequest, obj: BulkOperation) -> HttpResponse:
        progress = progress_of([obj])[obj.pk]
        return self.page(
            request,
            "admin/operations/operation.html",
            title=obj.title,
            operation=obj,
            progress=progress,
            bar=progress_bar(progress),
            badge_html=_badge(obj),
            is_running=obj.state == OperationState.RUNNING,
            is_cancelled=obj.state == OperationState.CANCELLED,
            mark=_mark(obj, progress),
        )

    def cancel(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        back = self.url("change", operation.pk)
        try:
            cancel(operation, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), back)
        return self.done(request, "It is held back. Devices that it has not reached stay as they are.", back)

    def resume(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        back = self.url("change", operation.pk)
        try:
            resume(operation, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), back)
        return self.done(request, "It goes on where it was held back.", back)

    def state(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        """For the page that waits: `mark` changes whenever there is something new to show."""
        mark = _mark(operation, progress_of([operation])[operation.pk])
        return JsonResponse({"mark": mark, "is_over": operation.state != OperationState.RUNNING})


def progress_bar(progress: Progress) -> SafeString:
    """The bar, and the same in words for those who do not see it."""
    words = f"{progress.done:,} of {count_of(progress.total, 'device')}"
    return format_html(
        '<span class="pm-progress"><progress max="100" value="{}" aria-label="Devices reached">{}</progress>'
        "<small>{}</small></span>",
        progress.percent,
        f"{progress.percent} %",
        words,
    )


def _badge(operation: BulkOperation) -> SafeString:
    is_held = operation.state == OperationState.CANCELLED
    return badge(operation.get_state_display(), "warning" if is_held else operation.state)


def _mark(operation: BulkOperation, progress: Progress) -> str:
    return f"{operation.state}/{progress.left}/{operation.commands}"
