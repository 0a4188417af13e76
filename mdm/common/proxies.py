"""Who is really calling, behind proxies that the operator named in TRUSTED_PROXIES."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def is_trusted_proxy(request: HttpRequest) -> bool:
    """Whether the connection itself comes from a trusted proxy."""
    return _is_trusted(request.META.get("REMOTE_ADDR", ""))


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address: the last one in X-Forwarded-For that is no trusted proxy, or that of the connection."""
    remote = request.META.get("REMOTE_ADDR", "")
    if _is_trusted(remote):
        for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            if _address(hop.strip()) and not _is_trusted(hop.strip()):
                return _without_zone(hop.strip())
    return _without_zone(remote) if _address(remote) else None


def _without_zone(address: str) -> str:
    """`fe80::1%eth0` is an address to us and none to PostgreSQL."""
    return address.partition("%")[0]


def _is_trusted(text: str) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


@lru_cache(maxsize=4)
def _networks(items: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(item, strict=False) for item in items]


@lru_cache(maxsize=4096)
def _address(text: str):  # noqa: ANN202 - IPv4Address, IPv6Address or None
    try:
        return ip_address(text)
    except ValueError:
        return None
