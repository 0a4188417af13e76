"""The short way in for devices: their URLs are answered before any session, CSRF or authentication work is done."""

from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.urls import Resolver404, ResolverMatch, get_resolver

DEVICE_PREFIXES = ("/mdm/", "/scep")
DEVICE_URLCONF = "mdm.device_urls"


class DeviceEdge:
    """First middleware: a device URL goes straight to its view, everything else down the ordinary chain."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(DEVICE_PREFIXES):
            return self.get_response(request)
        try:
            match = _resolve(request.path_info)
        except Resolver404:
            return _with_length(HttpResponseNotFound(b"", content_type="text/plain"))
        return _with_length(match.func(request, *match.args, **match.kwargs))


@lru_cache(maxsize=4096)
def _resolve(path: str) -> ResolverMatch:
    """Devices call the same few URLs again and again. Raises Resolver404."""
    return get_resolver(DEVICE_URLCONF).resolve(path)


def _with_length(response: HttpResponse) -> HttpResponse:
    """As CommonMiddleware does for the others: without it the answer is sent in chunks."""
    if "Content-Length" not in response.headers:  # what is sent in pieces tells its own
        response.headers["Content-Length"] = str(len(response.content))
    return response
