"""No page offers what its reader may not use: every link and form of every page, followed as each of the four roles.

The walk begins at the home page of an account with one of everything. Of pages that differ only in their row or in the value of
a filter, one is opened; every address on it is tried. Forms are sent as they stand, and what they did is taken back.
"""

from collections import deque
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from mdm.accounts.models import Membership, Role
from tests.admin.base import AdminTestCase, make_rows

# Their end is the end of the walk.
NOT_FOLLOWED = ("admin:logout", "account_logout", "admin:jsi18n")
NEVER_AN_ANSWER = (403, 404, 500)
MOST_PAGES = 600


@dataclass
class Form:
    action: str
    method: str
    data: dict[str, str] = field(default_factory=dict)


class Offers(HTMLParser):
    """What a page offers: addresses of links and of parts that it fetches, and its forms as they stand."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        for name in ("hx-get", "data-watch"):
            if name in given:
                self.links.append(given[name])
        if "hx-post" in given:
            self.forms.append(Form(given["hx-post"], "post"))
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "button" and given.get("formaction"):
            self.forms.append(Form(given["formaction"], "post"))
        elif tag == "input" and self._form and given.get("type") == "hidden" and given.get("name"):
            self._form.data[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class Taken(Exception):
    """Takes back what a form did."""


class Walk:
    """faults: "page → link: status", one for each dead end."""

    def __init__(self, client: Client) -> None:
        self.client = client
        client.raise_request_exception = False  # a page that breaks is told like one that refuses
        self.faults: list[str] = []
        self.pages = 0
        self._tried: set[tuple[str, str]] = set()
        self._seen: set[tuple] = set()
        self._waiting: deque[tuple[str, str]] = deque()

    def run(self, start: str) -> None:
        self._waiting.append(("the beginning", start))
        while self._waiting:
            offered_by, page = self._waiting.popleft()
            self.pages += 1
            assert self.pages < MOST_PAGES, f"The walk has no end; it is at {page}"
            response = self.client.get(page)
            self._judge(offered_by, "get", page, response.status_code)
            if response.status_code in (301, 302):
                self._try("get", page, response["Location"])
            elif response.status_code == 200 and response["Content-Type"].startswith("text/html"):
                self._offers(page, response)

    def _judge(self, page: str, method: str, address: str, status: int) -> None:
        if status in NEVER_AN_ANSWER:
            self.faults.append(f"{page} → {method.upper()} {address}: {status}")

    def _offers(self, page: str, response: HttpResponse) -> None:
        found = Offers(response.content.decode())
        for link in found.links:
            self._try("get", page, link)
        for form in found.forms:
            self._try(form.method, page, form.action or page, form.data)

    def _try(self, method: str, page: str, link: str, data: dict[str, str] | None = None) -> None:
        parts = urlsplit(urljoin(page, link))
        if parts.netloc or parts.scheme or not parts.path.startswith(("/admin/", "/your-login/")):
            return
        address = f"{parts.path}?{parts.query}" if parts.query else parts.path
        kind = self._kind(parts.path, parts.query)
        if (method, address) in self._tried or kind[0] in NOT_FOLLOWED:
            return
        self._tried.add((method, address))
        if method == "post":
            self._judge(page, method, address, self._send(address, data or {}))
        elif kind not in self._seen:  # otherwise a page like one that was opened
            self._seen.add(kind)
            self._waiting.append((page, address))

    def _send(self, address: str, data: dict[str, str]) -> int:
        status = 0
        try:
            with transaction.atomic():
                status = self.client.post(address, data).status_code
                raise Taken
        except Taken:
            return status

    @staticmethod
    def _kind(path: str, query: str) -> tuple:
        """Pages of one kind differ in row and filter values, and are built alike; tabs are not. One filter at a time."""
        try:
            match = resolve(path)
        except Resolver404:
            return (path,)
        given = parse_qsl(query, keep_blank_values=True)
        tabs = tuple((name, value) for name, value in given if name == "tab")
        names = frozenset(name for name, _value in given)
        return (match.view_name, tabs, names if len(names) == 1 else frozenset())


class NoDeadEndsTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        make_rows(self.account)

    def walk_as(self, role: Role) -> Walk:
        walk = Walk(self.people[role])
        walk.run(reverse("admin:index"))
        return walk

    def test_an_owner_finds_no_page_that_refuses(self) -> None:
        walk = self.walk_as(Role.OWNER)
        self.assertEqual(walk.faults, [])
        self.assertGreater(walk.pages, 80)

    def test_an_administrator_is_offered_nothing_that_refuses(self) -> None:
        self.assertEqual(self.walk_as(Role.ADMIN).faults, [])

    def test_an_operator_is_offered_nothing_that_refuses(self) -> None:
        self.assertEqual(self.walk_as(Role.OPERATOR).faults, [])

    def test_a_read_only_person_is_offered_nothing_that_refuses(self) -> None:
        walk = self.walk_as(Role.READ_ONLY)
        self.assertEqual(walk.faults, [])
        self.assertGreater(walk.pages, 30)


class WalkTest(AdminTestCase):
    def test_a_dead_end_would_be_named_with_its_page(self) -> None:
        walk = Walk(self.people[Role.READ_ONLY])
        add = self.url(Membership, "add")
        walk._try("get", "/admin/some/page/", add)
        walk._try("post", "/admin/some/page/", add)
        walk.run(reverse("admin:roles"))
        self.assertLessEqual(
            {f"/admin/some/page/ → GET {add}: 403", f"/admin/some/page/ → POST {add}: 403"}, set(walk.faults)
        )
