"""Operations URLs: is the process alive, can it work, what does it do."""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mdm.celery import app
from mdm.metrics import REGISTRY


def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database, broker, cache and storage answer, else 503; the body names each with `ok` or what is wrong."""
    parts = {"database": _database, "broker": _broker, "cache": _cache, "storage": _storage}
    found = {name: _try(check) for name, check in parts.items()}
    ready = all(answer == "ok" for answer in found.values())
    return JsonResponse(found, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text format; 403 for callers who neither sit on this machine nor know METRICS_TOKEN."""
    if not _may_read_metrics(request):
        return HttpResponseForbidden("Metrics need the METRICS_TOKEN as a bearer token.\n", content_type="text/plain")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    """With METRICS_TOKEN set it must be given; without one only this machine itself is answered, not through a proxy."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return constant_time_compare(given, settings.METRICS_TOKEN)
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not is_forwarded and ip_address(request.META.get("REMOTE_ADDR") or "0.0.0.0").is_loopback  # noqa: S104


def _try(check: Callable[[], None]) -> str:
    try:
        check()
    except (
        Exception
    ) as error:  # whatever is wrong with that part is the answer, without its details (they may hold secrets)
        return type(error).__name__
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _broker() -> None:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)


def _cache() -> None:
    cache.set("readyz", 1, 5)


def _storage() -> None:
    default_storage.exists("readyz")
