"""Paths that answer alike with and without a trailing slash, and ids in them."""

from collections.abc import Callable

from django.http import HttpResponse
from django.urls import URLPattern, register_converter
from django.urls.resolvers import RoutePattern

from api.pagination import MAX_ID


class IdConverter:
    """A row's id. Text and numbers beyond all ids become 0, which no row has: they are 404 behind the key check."""

    regex = "[^/]+"

    def to_python(self, value: str) -> int:
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_ID))):
            return 0
        return min(int(value), MAX_ID)

    def to_url(self, value: int | str) -> str:
        return str(value)


class SlashOptional(RoutePattern):
    def match(self, path: str) -> tuple[str, tuple, dict] | None:
        return super().match(path.removesuffix("/"))


def endpoint(route: str, view: Callable[..., HttpResponse], name: str | None = None) -> URLPattern:
    """Like django.urls.path, for a route written without a slash at its end."""
    return URLPattern(SlashOptional(route, name=name, is_endpoint=True), view, None, name)


register_converter(IdConverter, "id")
