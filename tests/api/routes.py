"""All routes of the API with their methods, read from the URL configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver

from api import urls


@dataclass(frozen=True)
class Route:
    """template: "/api/v1/devices/{pk}"; methods: lower case, as the view's actions."""

    template: str
    methods: tuple[str, ...]

    def path(self, **values: object) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), self.template)

    @property
    def names(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.template)


def api_routes() -> list[Route]:
    return list(_routes(urls.urlpatterns, "/"))


def _routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, path)
        elif actions := getattr(pattern.callback, "actions", None):
            yield Route(path, tuple(method for method in actions if method != "head"))
