"""Script jobs: how far each has come, Mac by Mac, taking it back, and what was printed."""

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display
from unfold.views import ChangeList

from devices.admin.script_job_page import mark_of, mark_of_run, output_page, page_of
from devices.admin.script_words import Stage, bar, job_badge, macs, tallies
from devices.models import RunState, ScriptJob, ScriptRun
from devices.services.errors import NotPossible
from devices.services.script_jobs import cancel_job, recent
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm
from mdm.accounts.admin_html import time_tag, two_lines
from mdm.accounts.permissions import Action


class JobList(ChangeList):
    """With `tally` of each row, counted once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = tallies(self.result_list)
        for job in self.result_list:
            job.tally = found[job.pk]


class ProgressFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("State"), "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("open", _("Under way")), ("over", _("Over")), ("failed", _("Failed on some Macs"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        runs = ScriptRun.objects.filter(job=OuterRef("pk"))
        is_open = Exists(runs.filter(state__in=(RunState.PENDING, RunState.SENT)))
        wanted = {"open": Q(is_open), "over": ~Q(is_open), "failed": Q(Exists(runs.filter(state=RunState.ERROR)))}
        return queryset.filter(wanted[self.value()]) if self.value() in wanted else queryset


@admin.register(ScriptJob)
class ScriptJobAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Script jobs")
    list_display = ("job", "state_badge", "progress", "started")
    list_filter = (ProgressFilter,)
    search_fields = ("script_name", "name", "job_id")
    search_help_text = gettext_lazy("Script, name or number")
    ordering = ("-id",)
    list_per_page = 50
    paginator = EndlessPaginator
    pages = (
        Page("<int:pk>/cancel/", "cancel", Action.MANAGE_DEVICES),
        Page("<int:pk>/output/", "output", Action.VIEW),
        Page("<int:pk>/state/", "state", Action.VIEW),
    )
    empty_state = EmptyState(
        gettext_lazy("No script was run in the last month"),
        gettext_lazy(
            "When a script is set to run on Macs, this is a job. It stands here for a month, with how the "
            "script ended on each of them and what it printed."
        ),
        gettext_lazy("Run a script"),
        "admin:devices_script_choose",
        Action.MANAGE_DEVICES,
        "play_circle",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = recent(super().get_queryset(request))
        return found.select_related("custom_attribute", "script").defer("content", "script__content")

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return JobList

    @display(description=gettext_lazy("Job"))
    def job(self, job: ScriptJob) -> str:
        return two_lines(job.name or job.script_name, f"{job.script_name} · {job.job_id}" if job.name else job.job_id)

    @display(description=gettext_lazy("State"))
    def state_badge(self, job: ScriptJob) -> str:
        return job_badge(job, job.tally)

    @display(description=gettext_lazy("Macs"))
    def progress(self, job: ScriptJob) -> str:
        return bar(job.tally)

    @display(description=gettext_lazy("Started"))
    def started(self, job: ScriptJob) -> str:
        return two_lines(time_tag(job.created_at), job.created_by)

    # --- one job ------------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: ScriptJob) -> HttpResponse:
        """`?state=` shows the Macs in one state, `?after=` the next page of them."""
        given = request.GET.get("state", "")
        stage = Stage(given) if given in list(Stage) else None
        after = row_number(request.GET.get("after")) or 0
        return self.page(
            request, "admin/scripts/job.html", title=obj.name or obj.script_name, **page_of(obj, stage, after)
        )

    def output(self, request: HttpRequest, job: ScriptJob) -> HttpResponse:
        """The whole of what one Mac printed (`?device=`); without a name, of the one that answered last."""
        context = output_page(job, row_number(request.GET.get("device")))
        crumb = (job.name or job.script_name, self.url("change", job.pk))
        return self.page(request, "admin/scripts/output.html", crumb=crumb, **context)

    def cancel(self, request: HttpRequest, job: ScriptJob) -> HttpResponse:
        back = self.url("change", job.pk)
        if request.method == "POST":
            try:
                count = cancel_job(job, actor_of(request))
            except NotPossible as error:
                return self.refused(request, str(error), back)
            return self.done(request, _("Taken back from %(count)s.") % {"count": macs(count)}, back)
        tally = tallies([job])[job.pk]
        waiting, begun = tally[Stage.WAITING], tally[Stage.SENT] + tally[Stage.RUNNING]
        rest = [_("%(begun)s received it already and will finish it.") % {"begun": macs(begun)}] if begun else []
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Take back %(name)s") % {"name": job.name or job.script_name},
            intro=" ".join([_not_run(waiting), *rest]),
            button=_("Take it back from %(waiting)s") % {"waiting": macs(waiting)},
            back=back,
            danger=True,
            crumb=(job.name or job.script_name, back),
        )

    def state(self, request: HttpRequest, job: ScriptJob) -> HttpResponse:
        """For the pages that follow: `mark` changes whenever a Mac has gone on; `?device=` asks about that one."""
        device = row_number(request.GET.get("device"))
        if device:
            return JsonResponse({"mark": mark_of_run(job.runs.defer("response", "sealed_response").get(device=device))})
        return JsonResponse({"mark": mark_of(tallies([job])[job.pk])})


def _not_run(waiting: int) -> str:
    return ngettext(
        "%(waiting)s has not fetched it and will not run it.",
        "%(waiting)s have not fetched it and will not run it.",
        waiting,
    ) % {"waiting": macs(waiting)}
