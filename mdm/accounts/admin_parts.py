"""Parts of pages that htmx asks for."""

from django.http import HttpRequest


def is_part(request: HttpRequest) -> bool:
    """Whether a part is asked for, and not the page. Going back asks for the whole page, with the same header beside another."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
