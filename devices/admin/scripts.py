"""Scripts: writing them, and saying where they run."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from devices.admin.script_forms import FIRST_LINES, ScriptForm
from devices.admin.script_running import RunScriptPages
from devices.admin.script_words import bar, job_badge, tallies
from devices.models import CustomAttribute, Script
from devices.services.script_jobs import LISTED_FOR, recent
from devices.services.scripts import create_script, delete_script, update_script
from devices.services.variables import BUILT_IN, names_in, unknown_names
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import ConfirmForm, posted, posted_files
from mdm.accounts.admin_html import time_tag
from mdm.accounts.models import Account
from mdm.accounts.permissions import Action
from mdm.common.text import line_count
from mdm.common.words import count_of

LAST_JOBS = 10
NAMES_SHOWN = 200
# What a script does as root nobody can foresee: who may write one may also erase. Running one is an operator's work.
WRITE, RUN = Action.DESTROY, Action.MANAGE_DEVICES


@admin.register(Script)
class ScriptAdmin(RunScriptPages, ReadOnlyAdmin):
    list_title = gettext_lazy("Scripts")
    add_label = gettext_lazy("New script")
    needs = {"add": WRITE}
    list_display = ("script", "variables", "job_count", "last_job", "changed")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")
    ordering = ("name", "pk")
    list_per_page = 50
    pages = (
        Page("<int:pk>/edit/", "edit", WRITE),
        Page("<int:pk>/remove/", "remove", WRITE),
        Page("<int:pk>/run/", "run", RUN),
        Page("choose/", "choose", RUN),
    )
    empty_state = EmptyState(
        gettext_lazy("No script yet"),
        gettext_lazy(
            "A script is a small program that Macs run for you, as root or as whoever is signed in: to set "
            "what no profile can set, to repair, to look something up. Write it here, say which Macs run it, "
            "and read what each of them printed."
        ),
        gettext_lazy("New script"),
        "admin:devices_script_add",
        WRITE,
        "code",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        if request.resolver_match and request.resolver_match.url_name == "devices_script_changelist":
            listed = Q(jobs__created_at__gt=timezone.now() - LISTED_FOR)
            found = super().get_queryset(request).defer("content")
            return found.annotate(
                job_total=Count("jobs", filter=listed), last_job_at=Max("jobs__created_at", filter=listed)
            )
        return super().get_queryset(request)

    @display(description=gettext_lazy("Script"), ordering="name")
    def script(self, script: Script) -> str:
        return script.name

    @display(description=gettext_lazy("Variables"), ordering="variable_support")
    def variables(self, script: Script) -> str:
        return _("Filled in") if script.variable_support else _("No")

    @display(description=gettext_lazy("Jobs of the last month"), ordering="job_total")
    def job_count(self, script: Script) -> str:
        return f"{script.job_total:,}"

    @display(description=gettext_lazy("Last job"), ordering="last_job_at")
    def last_job(self, script: Script) -> str:
        return time_tag(script.last_job_at)

    @display(description=gettext_lazy("Changed"), ordering="updated_at")
    def changed(self, script: Script) -> str:
        return time_tag(script.updated_at)

    # --- one script ---------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: Script) -> HttpResponse:
        jobs = list(recent(obj.jobs.all()).defer("content").order_by("-pk")[: LAST_JOBS + 1])
        counted = tallies(jobs[:LAST_JOBS])
        return self.page(
            request,
            "admin/scripts/script.html",
            title=obj.name,
            script=obj,
            line_count=line_count(obj.content),
            jobs=[(job, job_badge(job, counted[job.pk]), bar(counted[job.pk])) for job in jobs[:LAST_JOBS]],
            has_more=len(jobs) > LAST_JOBS,
            **variable_faults(obj),
        )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = ScriptForm(posted(request), posted_files(request), initial={"content": FIRST_LINES}, account=account)
        if request.method == "POST" and form.is_valid():
            script = create_script(account, **form.script(), actor=actor_of(request))
            return self._saved(request, script)
        return self._editor(request, form, title=_("New script"), back=self.list_url)

    def edit(self, request: HttpRequest, script: Script) -> HttpResponse:
        back = self.url("change", script.pk)
        first = {name: getattr(script, name) for name in ("name", "content", "variable_support")}
        form = ScriptForm(posted(request), posted_files(request), initial=first, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            update_script(script, **form.script(), actor=actor_of(request))
            return self._saved(request, script)
        return self._editor(
            request, form, title=_("Edit %(name)s") % {"name": script.name}, back=back, crumb=(script.name, back)
        )

    def _saved(self, request: HttpRequest, script: Script) -> HttpResponse:
        if "run" in request.POST:
            return self.done(request, _("Saved. Where shall it run?"), self.url("run", script.pk))
        return self.done(
            request, _("Saved. Jobs that were set before keep what they were set with."), self.url("change", script.pk)
        )

    def _editor(self, request: HttpRequest, form: ScriptForm, **context: Any) -> HttpResponse:
        return self.page(
            request,
            "admin/scripts/editor.html",
            status=422 if form.errors else 200,
            form=form,
            names=sorted(BUILT_IN),
            attributes=_attribute_names(request.get_account()),
            **context,
        )

    def remove(self, request: HttpRequest, script: Script) -> HttpResponse:
        back = self.url("change", script.pk)
        if request.method == "POST":
            name = script.name
            delete_script(script, actor_of(request))
            return self.done(request, _("The script “%(name)s” was deleted.") % {"name": name}, self.list_url)
        jobs = recent(script.jobs.all()).count()
        kept = (
            [_("What Macs printed in %(jobs)s of the last month stays.") % {"jobs": count_of(jobs, "job")}]
            if jobs
            else []
        )
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Delete the script “%(name)s”") % {"name": script.name},
            intro=" ".join(
                [_("It cannot be run any more. Jobs that are under way go on: each has its own copy."), *kept]
            ),
            button=_("Delete the script"),
            back=back,
            danger=True,
            crumb=(script.name, back),
        )

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Which script shall run; `?device=` names the Mac that it is for."""
        device = self.device_of(request)
        scripts = Script.objects.for_account(request.get_account()).order_by("name", "pk").values_list("pk", "name")
        query = f"?device={device.pk}" if device else ""
        return self.page(
            request,
            "admin/scripts/choose.html",
            title=_("Run a script on %(device)s") % {"device": device} if device else _("Run a script"),
            crumb=(str(device), reverse("admin:devices_device_change", args=[device.pk])) if device else None,
            found=[(name, self.url("run", pk) + query) for pk, name in scripts],
        )


def variable_faults(script: Script) -> dict[str, list[str]]:
    """Variables that nobody fills in, as the page of a profile names them."""
    names = names_in(script.content.encode())
    unknown = unknown_names(names, script.account_id)
    if script.variable_support:
        return {"unknown": unknown, "unfilled": []}
    return {"unknown": [], "unfilled": [name for name in names if name not in unknown]}


def _attribute_names(account: Account) -> list[str]:
    """Those that variables can name."""
    names = CustomAttribute.objects.for_account(account).order_by("name").values_list("name", flat=True)
    return list(names[:NAMES_SHOWN])
