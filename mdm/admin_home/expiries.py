"""Certificates and tokens that end one day, with the days that are left. Alerts say what to do about those that end soon."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from enrollment.services.identity_ends import NOTICE_DAYS, ending_soon
from mdm.accounts.models import Account
from mdm.admin_home.sources import Sources
from mdm.common.counts import Number, count_up_to
from mdm.events.expiry import URGENT_DAYS, WARN_DAYS

MOST_IDENTITIES = 1_000
YEARS_FROM = 730  # days: beyond, nobody counts them


@dataclass(frozen=True)
class Expiry:
    """key: names its element. days_left: whole ones; negative when it has ended. url: where it is renewed."""

    key: str
    what: str
    name: str
    ends_at: datetime
    days_left: int
    url: str

    @property
    def tone(self) -> str:
        if self.days_left < URGENT_DAYS:
            return "bad"
        return "warn" if self.days_left < WARN_DAYS[0] else "good"

    @property
    def words(self) -> str:
        if self.days_left < 0:
            return _("Expired")
        if self.days_left == 0:
            return _("Ends today")
        if self.days_left >= YEARS_FROM:
            years = self.days_left // 365
            return ngettext("%(years)s year left", "%(years)s years left", years) % {"years": years}
        return ngettext("%(days)s day left", "%(days)s days left", self.days_left) % {"days": self.days_left}


@dataclass(frozen=True)
class Identities:
    """Devices whose own certificate ends soon, as they were not there to renew it."""

    number: Number
    days: int
    url: str


def expiries(sources: Sources) -> list[Expiry]:
    """What ends first is first. No statement of its own."""
    now = timezone.now()
    found = [
        Expiry(key, what, name, ends_at, (ends_at - now) // timedelta(days=1), url)
        for key, what, name, ends_at, url in _all(sources)
    ]
    return sorted(found, key=lambda one: one.ends_at)


def identities(account: Account) -> Identities:
    """One statement."""
    number = count_up_to(ending_soon(account), MOST_IDENTITIES)
    url = reverse("admin:enrollment_identitycertificate_changelist")
    return Identities(number, NOTICE_DAYS, f"{url}?state=ending")


def _all(sources: Sources) -> Iterator[tuple[str, str, str, datetime, str]]:
    push = reverse("admin:mdm_push_pushcertificate_changelist")
    if sources.certificate:
        yield "push", _("Push certificate"), sources.certificate.apple_id, sources.certificate.not_after, push
    if sources.vendor and sources.vendor.not_after:
        whose = "" if sources.vendor.is_own else _("of this server")
        yield "vendor", _("Vendor certificate"), whose, sources.vendor.not_after, push
    if sources.authority:
        url = reverse("admin:enrollment_certificateauthority_changelist")
        yield "ca", _("Certificate authority of the devices"), "", sources.authority.not_after, url
    for server in sources.dep_servers:
        url = reverse("admin:enrollment_depserver_change", args=[server.pk])
        yield f"dep-{server.pk}", _("Token of a DEP server"), str(server), server.token_expires_at, url
    for token in sources.tokens:
        url = reverse("admin:apps_catalog_contenttoken_change", args=[token.pk])
        yield f"token-{token.pk}", _("Content token"), str(token), token.expires_at, url
    if sources.installer:
        url = reverse("admin:devices_installercertificate_changelist")
        yield "installer", _("Installer certificate"), str(sources.installer), sources.installer.not_after, url
    for authority in sources.trusted:
        url = reverse("admin:enrollment_trustedauthority_change", args=[authority.pk])
        yield f"trusted-{authority.pk}", _("Trusted CA"), str(authority), authority.not_after, url
