"""Operations: changes for many devices, how far they have come, holding them back and letting them go on."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display
from unfold.views import ChangeList

from apps_catalog.admin.operation_page import Asked, context_of
from apps_catalog.admin.operation_words import STATES, operation_badge, progress_bar
from devices.admin.bulk_choice import Reach
from devices.admin.bulk_form import BulkForm
from devices.admin.bulk_token import demanded_token, hidden_token, started_before, told_before
from devices.models import BulkOperation, OperationKind
from devices.services.bulk import check_repeatable, chosen, failed_devices, repeat
from devices.services.bulk_orders import again, destroys
from devices.services.errors import DeviceError, NotPossible, SetChanged
from devices.services.operations import cancel, progress_of, resume
from mdm.accounts.actors import who
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import posted
from mdm.accounts.admin_html import NOTHING, time_tag, two_lines
from mdm.accounts.permissions import Action


class OperationList(ChangeList):
    """With `progress` of each row, asked for once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = progress_of(self.result_list)
        for operation in self.result_list:
            operation.progress = found[operation.pk]


class StateFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(state.value, str(words)) for state, (words, _tone) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(BulkOperation)
class OperationAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Operations")
    list_display = ("what", "state_badge", "reached", "command_count", "started", "finished")
    list_filter = (StateFilter,)
    ordering = ("-id",)
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/cancel/", "cancel", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/resume/", "resume", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/repeat/", "repeat", Action.MANAGE_DEVICES),
        Page("<int:pk>/live/", "live", Action.VIEW),
    )
    empty_state = EmptyState(
        gettext_lazy("No operation yet"),
        gettext_lazy(
            "A change that concerns hundreds of devices, or what you do with many at once, reaches them one after the other. "
            "It stands here, with how far it has come, and can be held back."
        ),
        icon="sync",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return OperationList

    @display(description=gettext_lazy("Operation"))
    def what(self, operation: BulkOperation) -> str:
        if operation.kind == OperationKind.SEND_COMMAND:  # the title says which
            return operation.title
        return two_lines(operation.title, operation.get_kind_display())

    @display(description=gettext_lazy("State"))
    def state_badge(self, operation: BulkOperation) -> str:
        return operation_badge(operation)

    @display(description=gettext_lazy("Devices reached"))
    def reached(self, operation: BulkOperation) -> str:
        return progress_bar(operation.progress)

    @display(description=gettext_lazy("Commands"))
    def command_count(self, operation: BulkOperation) -> str:
        return f"{operation.commands:,}"

    @display(description=gettext_lazy("Started"))
    def started(self, operation: BulkOperation) -> str:
        return two_lines(time_tag(operation.created_at), who(operation.actor_label, operation.source) or NOTHING)

    @display(description=gettext_lazy("Finished"))
    def finished(self, operation: BulkOperation) -> str:
        return time_tag(operation.finished_at)

    def detail(self, request: HttpRequest, obj: BulkOperation) -> HttpResponse:
        context = context_of(obj, Asked.of(request)) | {"may_order": self.may(request, _needed_for(obj))}
        return self.page(request, "admin/operations/operation.html", title=obj.title, **context)

    def live(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        """The part of the page that follows by itself: 204 as long as `mark` is still right, so that nothing moves.

        When the operation itself begins or ends, its buttons change too: then the whole page is loaded again.
        """
        context = context_of(operation, Asked.of(request))
        mark = request.GET.get("mark", "")
        if mark == context["mark"]:
            return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
        response = self.page(request, "admin/operations/live.html", title=operation.title, **context)
        if (mark and mark.partition("/")[0] != operation.state) or not context["is_watched"]:
            response.headers["HX-Refresh"] = "true"
        return response

    def cancel(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        back = self.url("change", operation.pk)
        try:
            cancel(operation, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("It is held back. Devices that it has not reached stay as they are."), back)

    def resume(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        self.demand(request, _needed_for(operation))
        back = self.url("change", operation.pk)
        try:
            resume(operation, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), back)
        return self.done(request, _("It goes on where it was held back."), back)

    def repeat(self, request: HttpRequest, operation: BulkOperation) -> HttpResponse:
        """The same once more, for the devices where it failed: what destroys is asked about as it was the first time.

        `seen` is the number of devices that the person agrees to; `order` is of the form, see `bulk_token`.
        """
        self.demand(request, _needed_for(operation))
        back = self.url("change", operation.pk)
        if address := started_before(request):
            return self.done(request, told_before(), address)
        try:
            check_repeatable(operation)
        except NotPossible as error:
            return self._nothing_to_repeat(request, operation, str(error))
        number, wanted = chosen(failed_devices(operation), operation.account_id).count(), again(operation)
        if not number:
            return self._nothing_to_repeat(request, operation, _("It has failed on no device."))
        if request.method == "POST" and request.POST.get("seen") != str(number):
            return self.refused(request, str(SetChanged(number)), self.url("repeat", operation.pk))
        form = BulkForm(
            posted(request),
            account=request.get_account(),
            reach=Reach.of_number(number),
            is_destructive=wanted.is_destructive,
        )
        if request.method == "POST" and form.is_valid():
            try:
                new = repeat(operation, actor_of(request), expected=number, token=demanded_token(request))
            except SetChanged as error:
                return self.refused(request, str(error), self.url("repeat", operation.pk))
            except DeviceError as error:
                return self.refused(request, str(error), back)
            return redirect(self.url("change", new.pk))
        words = ngettext(
            "%(what)s once more, on the %(number)s device where it failed or was taken back.",
            "%(what)s once more, on the %(number)s devices where it failed or was taken back.",
            number,
        )
        return self.form_page(
            request,
            form,
            title=_("Repeat: %(what)s") % {"what": wanted.label},
            status=422 if form.errors else 200,
            intro=words % {"what": wanted.label, "number": f"{number:,}"},
            danger=wanted.is_destructive,
            button=ngettext("Repeat for %(number)s device", "Repeat for %(number)s devices", number)
            % {"number": f"{number:,}"},
            hidden=[("seen", str(number)), hidden_token(request)],
            back=back,
            crumb=(operation.title, back),
        )

    def _nothing_to_repeat(self, request: HttpRequest, operation: BulkOperation, reason: str) -> HttpResponse:
        return self.page(
            request,
            "admin/operations/nothing.html",
            title=_("Nothing to repeat"),
            reason=reason,
            back=self.url("change", operation.pk),
            crumb=(operation.title, self.url("change", operation.pk)),
        )


def _needed_for(operation: BulkOperation) -> Action:
    """For letting it go on, and for repeating it: what was needed to start it."""
    return Action.DESTROY if destroys(operation) else Action.MANAGE_DEVICES
