"""The table of what each role may do, made from the same declarations by which the pages refuse: it cannot say anything else.

Rows: each section of the admin, and within it each right that its pages ask for (`needs`), with what that lets one do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from mdm.accounts.admin_base import AccountAdmin
from mdm.accounts.models import Membership, Role
from mdm.accounts.permissions import Action, may
from mdm.accounts.role_words import ROLE_HELP
from mdm.admin_role_words import PARTS, SEE, words_of
from mdm.commands.permissions import needed_for
from mdm.protocol.request_types import REQUEST_TYPES


@dataclass(frozen=True)
class Line:
    """One right in one section. roles: for each role, in the order of `Role`, whether it has it."""

    action: Action
    what: tuple[str, ...]

    @property
    def roles(self) -> tuple[tuple[str, bool], ...]:
        return tuple((role.label, may(role, self.action)) for role in Role)


@dataclass(frozen=True)
class Section:
    title: str
    lines: tuple[Line, ...]


def role_table(site: AdminSite) -> list[Section]:
    """In the order of the sidebar; sections without an entry of their own come last."""
    sections = [_section(title_of(one), rights_of(one)) for one in sorted(site._registry.values(), key=_place)]
    return [_section(_("Commands that devices are sent"), _commands()), *sections]


def rights_of(model_admin: AccountAdmin) -> Iterator[tuple[Action, str]]:
    """(right, what it lets one do), from what the admin declares."""
    name = model_admin.opts.model_name
    yield Action.VIEW, str(SEE)
    for view in ("add", "change"):
        if view in model_admin.needs:
            yield model_admin.needs[view], words_of(name, view)
    for page in model_admin.pages:
        if page.view not in PARTS:
            yield page.needs, words_of(name, page.view)


def roles_page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """For everybody with a role: who may do something is no secret among those who work together."""
    own_role = request.get_role()
    if not may(own_role, Action.VIEW):
        raise PermissionDenied
    context = {
        **site.each_context(request),
        "title": _("What each role may do"),
        "model_admin": site.get_model_admin(Membership),
        "sections": role_table(site),
        "roles": [(role.label, ROLE_HELP[role], role == own_role) for role in Role],
    }
    return TemplateResponse(request, "admin/accounts/roles.html", context, headers={"Cache-Control": "no-store"})


def as_markdown(site: AdminSite) -> str:
    """The table for documents: `manage.py role_table`."""
    head = ["", "", *(str(role.label) for role in Role)]
    rows = [head, ["---"] * len(head)]
    for section in role_table(site):
        for number, line in enumerate(section.lines):
            title = f"**{section.title}**" if number == 0 else ""
            rows.append([title, "; ".join(line.what), *("yes" if has else "–" for _role, has in line.roles)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _commands() -> Iterator[tuple[Action, str]]:
    for request_type in sorted(REQUEST_TYPES.values(), key=lambda one: one.label):
        yield needed_for(request_type), _(request_type.label)


def _section(title: str, rights: Iterator[tuple[Action, str]]) -> Section:
    """A line for each right, the smallest first; what is said twice stands once."""
    found: dict[Action, dict[str, None]] = {action: {} for action in Action}
    for action, what in rights:
        found[action][what] = None
    return Section(title, tuple(Line(action, tuple(what)) for action, what in found.items() if what))


def _place(model_admin: AccountAdmin) -> tuple[int, str]:
    links = list(_sidebar())
    url = model_admin.list_url
    return (links.index(url) if url in links else len(links)), title_of(model_admin)


def title_of(model_admin: AccountAdmin) -> str:
    """What has one page in place of a list is named in the sidebar only."""
    return str(model_admin.list_title or _sidebar().get(model_admin.list_url, model_admin.opts.verbose_name_plural))


def _sidebar() -> dict[str, str]:
    items = [item for group in settings.UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]]
    return {str(item["link"]): str(item["title"]) for item in items}
