"""Every route of the API with every kind of key: what a key may not do is 403, with a title that says what it lacks."""

from collections.abc import Iterator

from django.urls import resolve

from api.views import ApiView
from mdm.accounts.api_scopes import READ, SECTIONS, WRITE
from mdm.accounts.models import ApiKey
from mdm.events.models import Event
from tests.api.routes import api_routes
from tests.base import AccountTestCase, ApiClient
from tests.factories import make_api_key

NOBODY = 0  # no object has this id: whoever may ask hears 404


def operations() -> Iterator[tuple[str, str, type[ApiView]]]:
    """Method, path and view of everything that the API can do."""
    for route in api_routes():
        path = route.path(**dict.fromkeys(route.names, NOBODY))
        view = resolve(path).func.cls
        for method in route.methods:
            yield method.upper(), path, view


def changes(method: str, view: type[ApiView]) -> bool:
    return method != "GET" or view.changes_always


def writes() -> int:
    """Lines of the log, but for those that tell who took the log with them: reading, and noted all the same."""
    return Event.objects.exclude(event_type="log.exported").count()


class ScopesTest(AccountTestCase):
    def limited(self, **scopes: str) -> ApiClient:
        _, key = make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes=scopes)
        return ApiClient(key)

    def ask(self, client: ApiClient, method: str, path: str):
        return client.request(method, path, b"{}" if method != "GET" else b"", "application/json")

    def assert_refused(self, response, title: str, name: str) -> None:
        self.assertEqual(response.status_code, 403, name)
        self.assertEqual(response.json()["errors"], [{"title": title}], name)

    def test_every_view_belongs_to_a_section(self):
        for method, path, view in operations():
            self.assertIn(getattr(view, "section", None), SECTIONS, f"{method} {path}")

    def test_a_limited_key_without_the_section_is_refused_everywhere(self):
        clients = {
            section: self.limited(**{other: WRITE for other in SECTIONS if other != section}) for section in SECTIONS
        }
        before = writes()
        for method, path, view in operations():
            verb, scope = ("change", WRITE) if changes(method, view) else ("read", READ)
            title = f"This API key may not {verb} {view.section}: it lacks the scope {view.section}:{scope}."
            for form in (path, f"{path}/"):
                self.assert_refused(self.ask(clients[view.section], method, form), title, f"{method} {form}")
        self.assertEqual(writes(), before)

    def test_a_limited_key_that_may_read_does_not_write(self):
        clients = {section: self.limited(**{section: READ}) for section in SECTIONS}
        before = writes()
        for method, path, view in operations():
            name, response = f"{method} {path}", self.ask(clients[view.section], method, path)
            if changes(method, view):
                title = f"This API key may not change {view.section}: it lacks the scope {view.section}:write."
                self.assert_refused(response, title, name)
            else:
                self.assertIn(response.status_code, (200, 404, 422), name)
        self.assertEqual(writes(), before)

    def test_a_limited_key_that_may_write_also_reads(self):
        clients = {section: self.limited(**{section: WRITE}) for section in SECTIONS}
        for method, path, view in operations():
            response = self.ask(clients[view.section], method, path)
            self.assertNotIn(response.status_code, (401, 403, 500), f"{method} {path}")

    def test_a_read_only_key_reads_everything_and_changes_nothing(self):
        before = writes()
        for method, path, view in operations():
            name, response = f"{method} {path}", self.ask(self.read_only_api, method, path)
            if changes(method, view):
                self.assert_refused(response, "This API key is read-only.", name)
            else:
                self.assertIn(response.status_code, (200, 404, 422), name)
        self.assertEqual(writes(), before)

    def test_a_full_key_is_refused_nowhere(self):
        for method, path, _ in operations():
            response = self.ask(self.api, method, path)
            self.assertNotIn(response.status_code, (401, 403, 500), f"{method} {path}")

    def test_another_method_in_disguise_counts_as_what_it_is(self):
        client = self.limited(account=READ, device_groups=READ)
        for path in ("/api/v1/account?_method=PATCH", f"/api/v1/device_groups/{self.group.pk}?_method=DELETE"):
            self.assertEqual(client.post(path, {"name": "Changed"}).status_code, 403, path)
        response = client.request("POST", "/api/v1/account", b'{"_method": "GET"}', "application/json")
        self.assertEqual(response.status_code, 403)

    def test_whether_an_object_exists_is_nobodys_business_without_the_section(self):
        client = self.limited(logs=READ)
        statuses = {client.get(f"/api/v1/device_groups/{pk}").status_code for pk in (self.group.pk, 999999)}
        self.assertEqual(statuses, {403})

    def test_a_get_that_changes_something_needs_the_right_to_write(self):
        response = self.limited(commands=READ).get("/push/SOME-UDID")
        self.assert_refused(
            response, "This API key may not change commands: it lacks the scope commands:write.", "push"
        )
        self.assertEqual(self.limited(commands=WRITE).get("/push/SOME-UDID").status_code, 404)
