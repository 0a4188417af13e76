"""The table of roles says what really holds, for every page, command and role."""

from io import StringIO
from itertools import pairwise
from pathlib import Path

from django.contrib import admin
from django.core.management import call_command
from django.test import SimpleTestCase
from django.urls import reverse

from mdm.accounts.models import Membership, Role
from mdm.accounts.permissions import ROLE_ACTIONS, Action, may
from mdm.admin_role_words import PARTS, WORDS, words_of
from mdm.admin_roles import role_table, title_of
from mdm.commands.permissions import needed_for
from mdm.protocol.request_types import REQUEST_TYPES
from tests.admin.base import AdminTestCase, registered, signed_in
from tests.factories import make_user

DOCS = Path(__file__).resolve().parents[2] / "docs" / "people-and-roles.md"


class TableTest(SimpleTestCase):
    def setUp(self) -> None:
        self.table = {section.title: section for section in role_table(admin.site)}

    def test_every_page_that_refuses_somebody_stands_in_it_with_what_it_asks_for(self) -> None:
        for model, model_admin in registered():
            lines = {line.action: line.what for line in self.table[title_of(model_admin)].lines}
            for page in model_admin.pages:
                if page.view not in PARTS:
                    self.assertIn(words_of(model._meta.model_name, page.view), lines[page.needs], page)
            for view, needs in model_admin.needs.items():
                self.assertIn(words_of(model._meta.model_name, view), lines[needs], model)

    def test_parts_of_pages_that_are_left_out_are_for_everybody(self) -> None:
        for _model, model_admin in registered():
            for page in model_admin.pages:
                if page.view in PARTS:
                    self.assertEqual(page.needs, Action.VIEW, page)

    def test_every_command_stands_in_it(self) -> None:
        lines = {line.action: line.what for line in self.table["Commands that devices are sent"].lines}
        for request_type in REQUEST_TYPES.values():
            self.assertIn(request_type.label, lines[needed_for(request_type)])
        self.assertNotIn(REQUEST_TYPES["EraseDevice"].label, lines[Action.MANAGE_DEVICES])

    def test_yes_and_no_are_those_of_the_roles(self) -> None:
        for section in self.table.values():
            for line in section.lines:
                self.assertEqual([has for _name, has in line.roles], [may(role, line.action) for role in Role])

    def test_every_page_has_words_and_no_words_are_left_over(self) -> None:
        """Pages that others make later are told by their view's name; here they are asked for a better one."""
        views = set()
        for model, model_admin in registered():
            name = model._meta.model_name
            views |= {f"{name}.{page.view}" for page in model_admin.pages if page.view not in PARTS}
            views |= {f"{name}.{view}" for view in model_admin.needs}
        self.assertEqual(views - set(WORDS), set(), "these pages need words in mdm/admin_role_words.py")
        self.assertEqual(set(WORDS) - views, set(), "these pages are gone")

    def test_the_roles_grow_from_one_to_the_next(self) -> None:
        rights = [ROLE_ACTIONS[role] for role in (Role.READ_ONLY, Role.OPERATOR, Role.ADMIN, Role.OWNER)]
        for less, more in pairwise(rights):
            self.assertLess(less, more)
        self.assertEqual(rights[-1], frozenset(Action))

    def test_the_documentation_has_the_same_table(self) -> None:
        printed = StringIO()
        call_command("role_table", stdout=printed)
        missing = [row for row in printed.getvalue().splitlines() if row not in DOCS.read_text().splitlines()]
        self.assertEqual(missing, [], "paste what `manage.py role_table` prints into docs/people-and-roles.md")


class RolesPageTest(AdminTestCase):
    def test_everybody_with_a_role_sees_it_and_their_own_is_marked(self) -> None:
        for role, client in self.people.items():
            page = client.get(reverse("admin:roles"))
            self.assertContains(page, "Your role", count=1)
            own = [name for name, _help, is_own in page.context["roles"] if is_own]
            self.assertEqual(own, [Role(role).label])

    def test_the_people_lead_there(self) -> None:
        self.assertContains(self.people[Role.READ_ONLY].get(self.url(Membership, "changelist")), reverse("admin:roles"))

    def test_nobody_else_sees_it(self) -> None:
        self.assertEqual(self.nobody.get(reverse("admin:roles")).status_code, 302)
        self.assertEqual(signed_in(make_user(None)).get(reverse("admin:roles")).status_code, 403)

    def test_it_asks_the_database_nothing_of_its_own(self) -> None:
        client = self.people[Role.OWNER]
        client.get(reverse("admin:roles"))
        with self.assertNumQueries(3):  # the session, the person, their accounts
            client.get(reverse("admin:roles"))
