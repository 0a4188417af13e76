"""Enrollment links on paper: a sheet for one link to pin up, or a card for each of several, to lay on the devices."""

from collections.abc import Sequence

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanWidget

from enrollment.models import Enrollment
from enrollment.services.links import why_closed

MOST_CARDS = 200


class PrintPages:
    """For the admin of enrollments (which brings `page`, `url` and `refused`)."""

    choose_all_label = gettext_lazy("Choose all links on this page")

    @display(description=ModelAdmin.action_checkbox.short_description)
    def action_checkbox(self, enrollment: Enrollment) -> str:
        whom = enrollment.device or enrollment.name or enrollment.device_group
        words = {"class": "action-select", "aria-label": _("Choose the link for %(name)s") % {"name": whom}}
        return UnfoldBooleanWidget(words, lambda value: False).render(ACTION_CHECKBOX_NAME, str(enrollment.pk))

    def sheet(self, request: HttpRequest, enrollment: Enrollment) -> HttpResponse:
        if why_closed(enrollment):
            return self.refused(
                request, _("This link no longer works: there is nothing to print."), self.url("change", enrollment.pk)
            )
        return self._print(request, [enrollment], self.url("change", enrollment.pk))

    @admin.action(description=gettext_lazy("Print QR codes"), permissions=["manage"])
    def print_chosen(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        chosen = queryset.select_related("device", "device_group")[: MOST_CARDS + 1]
        opened = [one for one in chosen if not why_closed(one)]
        if len(chosen) > MOST_CARDS:
            text = _("A sheet has %(most)s cards at the most. Choose fewer links.") % {"most": MOST_CARDS}
            self.message_user(request, text, "ERROR")
            return None
        if not opened:
            self.message_user(request, _("None of these links works any more: there is nothing to print."), "ERROR")
            return None
        return self._print(request, opened, self.url("changelist"), left_out=len(chosen) - len(opened))

    def _print(
        self, request: HttpRequest, enrollments: Sequence[Enrollment], back: str, left_out: int = 0
    ) -> HttpResponse:
        words = ngettext("%(count)s closed link is left out.", "%(count)s closed links are left out.", left_out) % {
            "count": left_out
        }
        return self.page(
            request,
            "admin/enrollment/sheet.html",
            title=_("Print enrollment links"),
            enrollments=enrollments,
            is_poster=len(enrollments) == 1,
            left_out=words if left_out else "",
            back=back,
        )
