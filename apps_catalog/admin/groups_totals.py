"""How far the profiles and apps of an assignment group have come: the part of its page that follows by itself."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from apps_catalog.admin.groups_page import item_of, line_of, lines_of, lines_without_numbers
from apps_catalog.admin.item_states import COLUMNS
from apps_catalog.admin.watching import Following
from apps_catalog.services.totals import takes_long_in, totals_in_group
from devices.models import AssignmentGroup
from mdm.accounts.admin_base import row_number
from mdm.accounts.admin_parts import is_part


class GroupTotalsPages:
    """For the admin of assignment groups (which brings `page` and `url`)."""

    def totals(self, request: HttpRequest, group: AssignmentGroup) -> HttpResponse:
        """`app=` or `profile=`: that one alone. Else all; in a group of very many devices each then brings its own counts."""
        what = next((name for name in ("app", "profile") if name in request.GET), "")
        if what:
            return self._totals_of_one(request, group, what)
        if takes_long_in(group):
            return self._totals(request, group, "totals", title=_("Profiles and apps"), **lines_without_numbers(group))
        lines = lines_of(group)
        return lines["following"].answer_if_unchanged(request) or self._totals(
            request, group, "totals", title=_("Profiles and apps"), **lines
        )

    def _totals_of_one(self, request: HttpRequest, group: AssignmentGroup, what: str) -> HttpResponse:
        item = item_of(group, what, row_number(request.GET[what]))
        if item is None:
            return redirect(self.url("change", group.pk))
        following = Following.of(group.account_id, totals_in_group(group, item))
        return following.answer_if_unchanged(request) or self._totals(
            request, group, "line", title=item.name, line=line_of(group, item, following), what=what
        )

    def _totals(self, request: HttpRequest, group: AssignmentGroup, name: str, **context: object) -> HttpResponse:
        folder = "admin/assignment_groups"
        template = f"{folder}/{name}_part.html" if is_part(request) else f"{folder}/{name}.html"
        crumb = (group.name, self.url("change", group.pk))
        return self.page(request, template, group=group, columns=COLUMNS, crumb=crumb, **context)
