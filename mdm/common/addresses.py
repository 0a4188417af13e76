"""Addresses that somebody else chose: which of them may be asked at all. Never those of our own network.

A name is looked up once, at connecting, and the connection goes to the address that was checked: a name that changes its
meaning between the check and the use (DNS rebinding) gains nothing.
"""

import ipaddress
import socket

import httpx

MAX_URL_LENGTH = 2000
SCHEMES = ("http", "https")
# At addresses that look public, clouds answer a machine's own requests with its secrets.
_METADATA = (ipaddress.ip_network("168.63.129.16"), ipaddress.ip_network("192.0.0.0/24"))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """There is no answer; the text says why."""


class BadUrl(OutboundError):
    """Nothing is ever sent to such a URL."""


class AddressRefused(OutboundError):
    """The name stands for an address of our own network."""


def check_url(url: str, *, allows_private: bool) -> httpx.URL:
    """What can be said of a URL without looking up its name. Raises BadUrl, AddressRefused."""
    if len(url) > MAX_URL_LENGTH or not url.isprintable() or " " in url:
        raise BadUrl(f"A URL has at most {MAX_URL_LENGTH} characters, and no spaces.")
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadUrl(f"This is not a URL: {error}.") from error
    if target.scheme not in SCHEMES:
        raise BadUrl("The URL must begin with https:// or http://.")
    if not target.host:
        raise BadUrl("The URL names no host.")
    if target.port is not None and not 0 < target.port < 65536:
        raise BadUrl("The URL's port is not a number from 1 to 65535.")
    if target.userinfo:
        raise BadUrl("The URL must not hold a user name or password.")
    if not allows_private and _is_known_private(target.host):
        raise AddressRefused(f"{target.host} is an address of a private network, where nothing is sent.")
    return target


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody may be asked to connect to. Raises ValueError for other text."""
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        inner = _inner(known)
        if inner is None:
            return known in _GLOBAL_UNICAST and known.is_global
        known = inner
    return known.is_global and not known.is_multicast and not any(known in network for network in _METADATA)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is reached by way of this one."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _is_known_private(host: str) -> bool:
    host = host.rstrip(".").lower()
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def look_up(host: str, port: int, *, allows_private: bool) -> list[str]:
    """The addresses that a name stands for. Raises AddressRefused if any of them is private, OutboundError for none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundError(f"The request failed: the name {host} is not known.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allows_private and not all(is_public(address) for address in addresses):
        raise AddressRefused(f"{host} stands for an address of a private network, where nothing is sent.")
    return addresses
