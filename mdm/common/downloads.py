"""Files on their way to people and programs: named, byte for byte, and not sent again to whoever has them."""

import hashlib

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header


def entity_tag(content: bytes) -> str:
    return f'W/"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def download(request: HttpRequest, content: bytes, *, media_type: str, name: str) -> HttpResponse:
    """The content as a file of that name, or 304 for a client that says it has it."""
    response = HttpResponse(content, content_type=media_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    response.headers["ETag"] = entity_tag(content)
    return get_conditional_response(request, etag=response.headers["ETag"], response=response)
