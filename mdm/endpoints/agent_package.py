"""Where Macs fetch the agent's package that their management told them of. Its name is a secret, and all there is to know."""

import logging
import re

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from devices.models import AgentPackage
from mdm.common.stored_files import answer_stored
from mdm.endpoints import replies

METHODS = ("GET", "HEAD")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")

logger = logging.getLogger(__name__)


def agent_package(request: HttpRequest, name: str) -> HttpResponseBase:
    """The file, or a range of it. 404 for a name that is none, or of a package that was replaced days ago."""
    if request.method not in METHODS:
        return replies.not_allowed(METHODS)
    package = None
    if _NAME.fullmatch(name):
        package = AgentPackage.objects.filter(secret_name=name).exclude(file="").first()
    if package is None:
        return _not_found()
    try:
        return answer_stored(request, package.file.name, size=package.size, sha256=package.sha256)
    except FileNotFoundError:
        logger.error("The file of the agent's package %s is missing from the storage", package.pk)
        return _not_found()


def _not_found() -> HttpResponse:
    return replies.refusal(404, "There is no such package.")
