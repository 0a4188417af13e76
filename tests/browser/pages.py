"""Which pages there are: those of all admins, and from them every link that leads to another kind of page.

A page that is added to `pages`, to the sidebar or as a tab is found by itself; nobody has to name it here.
"""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from django.contrib import admin
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse

from mdm.accounts.admin_base import Page
from mdm.accounts.models import Role
from mdm.accounts.permissions import may
from tests.admin.base import Rows
from tests.admin.test_access import PARTS

# Those of packages, which are documentation for programmers, and what no person opens.
NOT_OURS = ("api/", "v1/", "metrics", "healthz", "readyz", "admin/jsi18n/", "admin/autocomplete/", "admin/r/")


def pages_of_the_admin(rows: Rows, role: Role) -> Iterator[str]:
    """The path of every page that is registered and that a person of that role may open."""
    yield reverse("admin:index")
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_"
        row = rows.rows.get(model)
        yield reverse(f"{name}changelist")
        if model_admin.needs.get("add") and may(role, model_admin.needs["add"]):
            yield reverse(f"{name}add")
        if row is not None:
            yield reverse(f"{name}change", args=[row.pk])
        for page in model_admin.pages:
            if not page.post_only and may(role, page.needs) and (row is not None or not page.is_about_a_row):
                yield reverse(name + page.view, kwargs=_named(page, row.pk if row else 0))


def lists_of_the_admin() -> Iterator[str]:
    for model in admin.site._registry:
        yield reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def pages_without_parts() -> Iterator[str]:
    """Every address outside the registered admins that has nothing to fill in: signing in, and what comes with it."""
    registered = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]
    for route in sorted(set(_routes(get_resolver()))):
        is_fixed = not set("<^(\\") & set(route)
        if is_fixed and not route.startswith(NOT_OURS) and not f"/{route}".startswith(tuple(registered)):
            yield f"/{route}"


def kind_of(url: str) -> str:
    """Links of one kind lead to the same page with other rows: the view, its tab and which filters are set."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    try:
        match = resolve(parts.path)
    except Resolver404:
        return ""
    words = [f"{key}={query[key][0]}" if key == "tab" else key for key in sorted(query)]
    fixed = [str(value) for key, value in match.kwargs.items() if key in PARTS]
    return " ".join([match.view_name or match.route, *fixed, *words])


def _named(page: Page, pk: int) -> dict[str, object]:
    named = {key: value for key, value in PARTS.items() if f":{key}>" in page.route}
    return {**({"pk": pk} if page.is_about_a_row else {}), **named}


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one, route)
        elif isinstance(one, URLPattern):
            yield route
