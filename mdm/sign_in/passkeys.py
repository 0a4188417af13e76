"""Where passkeys work. Browsers bind one to the name of a site, over HTTPS; only `localhost` needs none.

The name is that of BASE_URL, so that a passkey works whichever way a proxy names this server. An IP address is no name: while
BASE_URL is such a one (as on a fresh installation), passkeys work at http://localhost only.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _


def relying_party(request: HttpRequest) -> str:
    """The name that passkeys are bound to here; empty where there can be none."""
    host = request.get_host().rpartition(":")[0] or request.get_host()
    host = host.lower()
    name = (urlsplit(settings.BASE_URL).hostname or "").lower()
    if _is_local(host) and (host == name or _is_address(name)):
        return host
    if not name or _is_address(name) or not (settings.IS_HTTPS or _is_local(name)):
        return ""
    return name if host == name or host.endswith(f".{name}") else ""


def why_no_passkeys(request: HttpRequest) -> str:
    """A sentence that says what to do; empty where they work."""
    if relying_party(request):
        return ""
    base = urlsplit(settings.BASE_URL)
    name = (base.hostname or "").lower()
    if _is_address(name) and ip_address(name).is_loopback:
        address = urlunsplit(base._replace(netloc=f"localhost:{base.port}" if base.port else "localhost"))
        return _(
            "Passkeys need an address with a name, and this one is a number. On this computer, open %(address)s instead."
        ) % {"address": address}
    if _is_address(name):
        return _("Passkeys need an address with a name, and this server's is a number: %(address)s.") % {
            "address": settings.BASE_URL
        }
    if not settings.IS_HTTPS and not _is_local(name):
        return _("Passkeys need HTTPS, and this server is at %(address)s.") % {"address": settings.BASE_URL}
    return _("Passkeys belong to one address. Open %(address)s to use them.") % {"address": settings.BASE_URL}


def _is_local(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
