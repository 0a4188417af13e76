"""Saying where a script runs: the form, then how many Macs it will reach, then it starts."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.bulk_token import demanded_token, hidden_token, started_before, told_before
from devices.admin.script_forms import RunForm
from devices.admin.script_words import length_words, macs
from devices.models import Device, RunAs, Script, ScriptJob
from devices.services.agent_package import why_not_ready
from devices.services.errors import NotPossible
from devices.services.script_jobs import macs_among, recent, start_job
from devices.services.variables import names_in, unknown_names
from mdm.accounts.admin_base import actor_of, row_number
from mdm.accounts.admin_forms import posted

NAMED = 12
EMPTY = gettext_lazy("There is no enrolled Mac among these.")


class RunScriptPages:
    """Part of `ScriptAdmin`."""

    def run(self, request: HttpRequest, script: Script) -> HttpResponse:
        """`?device=` fills in a Mac, `?again=` the Macs on which that job failed.

        What is posted without `confirmed` is answered with the number of Macs. `confirmed` is the number that the person
        saw: should there be more or fewer by now, it is asked again. `order` is of the form: sent twice, it leads to its job.
        """
        if address := started_before(request):
            return self.done(request, told_before(), address)
        again = self._again(request, script)
        form = RunForm(posted(request), initial=self._first(request, again), account=request.get_account(), again=again)
        if request.method == "POST" and "change" not in request.POST and form.is_valid():
            try:
                found = macs_among(script.account_id, **form.targets())
            except NotPossible as error:
                form.add_error(None, str(error))
            else:
                if not found:
                    form.add_error(None, EMPTY)
                elif request.POST.get("confirmed") == str(len(found)):
                    return self._start(request, script, form)
                else:
                    return self._ask(request, script, form, found)
        back = self.url("change", script.pk)
        return self.page(
            request,
            "admin/scripts/run.html",
            title=_("Run %(name)s") % {"name": script.name},
            status=422 if form.errors and "change" not in request.POST else 200,
            crumb=(script.name, back),
            script=script,
            form=form,
            again=again,
            back=back,
            agent_trouble=why_not_ready(request.get_account()),
        )

    def _start(self, request: HttpRequest, script: Script, form: RunForm) -> HttpResponse:
        try:
            token = demanded_token(request)
            job = start_job(script, **form.targets(), **form.options(), actor=actor_of(request), token=token)
        except NotPossible as error:  # for example, the last of them left in this moment
            return self.refused(request, str(error), self.url("run", script.pk))
        return redirect(reverse("admin:devices_scriptjob_change", args=[job.pk]))

    def _ask(self, request: HttpRequest, script: Script, form: RunForm, found: list[int]) -> HttpResponse:
        options, names = form.options(), form.fields
        seen = request.POST.get("confirmed", "")
        unknown = unknown_names(names_in(script.content.encode()), script.account_id) if script.variable_support else []
        return self.page(
            request,
            "admin/scripts/confirm.html",
            title=_("Run %(name)s on %(found)s?") % {"name": script.name, "found": macs(len(found))},
            crumb=(script.name, self.url("change", script.pk)),
            script=script,
            reach=macs(len(found)),
            has_changed=bool(seen) and seen != str(len(found)),
            first=Device.objects.without_facts().filter(pk__in=found[:NAMED]).order_by("pk"),
            more=max(len(found) - NAMED, 0),
            runs_as=RunAs(options["run_as"]).label,
            is_root=options["run_as"] == RunAs.ROOT,
            limit=length_words(timedelta(seconds=options["timeout_seconds"])),
            unknown=unknown,
            **options,
            hidden=[
                *((name, value) for name in names for value in request.POST.getlist(name)),
                hidden_token(request),
            ],
            confirmed=len(found),
        )

    def _again(self, request: HttpRequest, script: Script) -> ScriptJob | None:
        """The job of this script whose failures are to be run again."""
        pk = row_number(request.GET.get("again"))
        return recent(script.jobs.all()).select_related("custom_attribute").filter(pk=pk).first() if pk else None

    def _first(self, request: HttpRequest, again: ScriptJob | None) -> dict[str, Any]:
        device = self.device_of(request)
        first: dict[str, Any] = {"devices": device.serial_number or device.udid or str(device)} if device else {}
        if again is None:
            return first
        is_minutes = again.timeout_seconds % 60 == 0
        return first | {
            "failed": True,
            "run_as": again.run_as,
            "timeout": again.timeout_seconds // 60 if is_minutes else again.timeout_seconds,
            "unit": "minutes" if is_minutes else "seconds",
            "custom_attribute": again.custom_attribute_id,
            "custom_attribute_regex": again.custom_attribute_regex,
            "name": again.name,
        }

    def device_of(self, request: HttpRequest) -> Device | None:
        """The Mac of the account that the address names."""
        pk = row_number(request.GET.get("device"))
        mine = Device.objects.for_account(request.get_account()).without_facts()
        return mine.filter(pk=pk).first() if pk else None
