"""Guesses are slowed down, without giving anybody the means to lock somebody else out.

These are counted, each over the last ten minutes:

- a person from one network address: ten,
- a person from all addresses together: fifty. Browsers in which that person has signed in before are not held up by what
  others do elsewhere: they carry a signed mark, and have ten of their own.
- one network address, whoever it tries: a hundred. Of IPv6 it is the network of 64 bits: whoever has one address there has all,
- the second factor of one person: ten. Only somebody who knows the password comes so far,
- a device that is set up by signing in on it, and whoever signs in on such devices: ten each.

A try is counted before it is made, so that any number at once get no more of them; one that is refused without a look is not
counted, so that the pause ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.core import signing
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from mdm.accounts.models import User
from mdm.common.proxies import client_ip
from mdm.common.tokens import digest, new_token
from mdm.sign_in.models import SignInTry

WINDOW = timedelta(minutes=10)
TRIES = 10
TRIES_EVERYWHERE = 50
TRIES_OF_AN_ADDRESS = 100

MARK = "pomona_known"
MARK_SALT = "mdm.sign_in.known-browser"
MARK_SECONDS = 180 * 24 * 3600


class TooManyTries(Exception):
    """No look is taken at this one; in ten minutes it goes on."""


@dataclass(frozen=True)
class Counter:
    """What is counted, and how many there may be within WINDOW."""

    key: str
    most: int


@dataclass(frozen=True)
class Attempt:
    """One try that may be made. number: which one it is, of those that its first counter counts."""

    number: int
    own_key: str
    rows: tuple[int, ...]

    def succeeded(self) -> None:
        """The first counter begins anew; the others, which protect more than this person, only lose this one try."""
        SignInTry.objects.filter(key=self.own_key).delete()
        SignInTry.objects.filter(pk__in=self.rows).delete()


def begin(counters: Sequence[Counter]) -> Attempt:
    """Raises TooManyTries."""
    _demand(counters, spare=1)
    rows = SignInTry.objects.bulk_create([SignInTry(key=one.key) for one in counters])
    counts = _demand(counters, spare=0)
    return Attempt(counts[counters[0].key], counters[0].key, tuple(row.pk for row in rows))


def password_counters(request: HttpRequest, email: str) -> list[Counter]:
    email = email.strip().lower()
    address = network_of(request)
    mark = known_mark(request, email)
    others = counter("browser", mark, most=TRIES) if mark else counter("person", email, most=TRIES_EVERYWHERE)
    own = counter("person at address", f"{email}\n{address}", most=TRIES)
    return [own, others, counter("address", address, most=TRIES_OF_AN_ADDRESS)]


def network_of(request: HttpRequest) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 one; empty where there is none."""
    text = client_ip(request)
    if text is None:
        return ""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def second_factor_counters(user: User) -> list[Counter]:
    return [counter("second factor", str(user.pk), most=TRIES)]


def let_in_again(user: User) -> None:
    """What was counted against the person from everywhere is forgotten: they have proved who they are in another way."""
    everywhere = counter("person", user.email, most=TRIES_EVERYWHERE).key
    SignInTry.objects.filter(key__in=[everywhere, second_factor_counters(user)[0].key]).delete()


def known_mark(request: HttpRequest, email: str) -> str:
    """What tells the browser from others in which that person has signed in; empty in all the rest."""
    try:
        found = signing.loads(request.COOKIES.get(MARK, ""), salt=MARK_SALT, max_age=MARK_SECONDS)
    except signing.BadSignature:
        return ""
    return found["browser"] if constant_time_compare(found.get("person", ""), _person(email)) else ""


def mark_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """The person has signed in here, so that nobody's guesses elsewhere keep them from doing so again."""
    value = {"person": _person(user.email), "browser": known_mark(request, user.email) or new_token(12)}
    response.set_cookie(
        MARK,
        signing.dumps(value, salt=MARK_SALT),
        max_age=MARK_SECONDS,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _person(email: str) -> str:
    """Who a mark is of. Keyed, so that whoever finds the cookie cannot try addresses."""
    return salted_hmac(MARK_SALT, email.strip().lower(), algorithm="sha256").hexdigest()


def forget_old_tries() -> int:
    return SignInTry.objects.filter(at__lt=timezone.now() - WINDOW).delete()[0]


def _demand(counters: Sequence[Counter], *, spare: int) -> dict[str, int]:
    """How many there were of each, this one included if it is written already. Raises TooManyTries."""
    keys = [one.key for one in counters]
    rows = SignInTry.objects.filter(key__in=keys, at__gt=timezone.now() - WINDOW)
    counts = dict(rows.values_list("key").annotate(Count("pk")))
    if any(counts.get(one.key, 0) + spare > one.most for one in counters):
        raise TooManyTries
    return counts


def counter(kind: str, who: str, *, most: int) -> Counter:
    """kind and who: what no other counter is of; neither is stored in the clear."""
    return Counter(digest(f"{kind}\n{who}"), most)
