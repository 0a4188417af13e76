"""What devices are told. A body of text is for the person who reads a device's log; devices look at the status only."""

from django.http import HttpResponse

PLIST = "application/xml"


def empty() -> HttpResponse:
    """Success, and the end of a connect session."""
    return HttpResponse(b"", content_type=PLIST)


def plist(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type=PLIST)


def json(body: bytes) -> HttpResponse:
    return HttpResponse(body, content_type="application/json")


def refusal(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")


def not_allowed(methods: tuple[str, ...]) -> HttpResponse:
    response = refusal(405, f"Devices use {methods[0]} here.")
    response["Allow"] = ", ".join(methods)
    return response
