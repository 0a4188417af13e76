"""What the settings of the log may say. Without models: system checks ask before there are any."""

from urllib.parse import urlsplit

# Warnings of what runs out look back for what they have said already (`expiry.py`): 30 days, and some to spare.
LEAST_DAYS = 40
SYSLOG_PORTS = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514}
HTTP_SCHEMES = ("https", "http")


def fault(url: str) -> str:
    """What is wrong with a LOG_FORWARD_URL, as a sentence; nothing: ""."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return "it is no address"
    known = (*SYSLOG_PORTS, *HTTP_SCHEMES)
    if parts.scheme not in known:
        return f"it must begin with one of {', '.join(f'{scheme}://' for scheme in known)}"
    if not host or port == 0:
        return "it names no host"
    if parts.username or parts.password:
        return "a password in it would be shown in logs; use LOG_FORWARD_AUTHORIZATION"
    if parts.scheme in SYSLOG_PORTS and (parts.path.strip("/") or parts.query):
        return "a syslog receiver has no path"
    return ""


def authorization_fault(header: str) -> str:
    """What is wrong with a LOG_FORWARD_AUTHORIZATION, as a sentence without a word of it; nothing: ""."""
    return "" if header.isascii() and (not header or header.isprintable()) else "no header may hold such characters"
