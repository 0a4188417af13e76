"""What the page of a content token shows: how it stands, and what its location owns."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, Count, IntegerField, Q, Sum, Value, When
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App, ContentAsset, ContentToken, LicenceAssignment
from apps_catalog.services.licence_totals import UNDER_WAY
from apps_catalog.services.licence_words import standing
from mdm.accounts.admin_base import row_number
from mdm.accounts.admin_html import badge
from mdm.common.words import count_of

PER_PAGE = 50
BADGES = {
    "valid": (gettext_lazy("In use"), "valid"),
    "new": (gettext_lazy("Being read"), "running"),
    "expiring": (gettext_lazy("Expires soon"), "expiring"),
    "expired": (gettext_lazy("Expired"), "expired"),
    "failed": (gettext_lazy("Trouble"), "failed"),
    "elsewhere": (gettext_lazy("Managed elsewhere"), "warning"),
    "leaving": (gettext_lazy("Being removed"), "leaving"),
}


@dataclass(frozen=True)
class ShownAsset:
    """app: its entry of the catalogue. waiting: devices that have no licence of it yet; short: none is left for them."""

    asset: ContentAsset
    name: str
    kind: str
    app: App | None
    waiting: int
    short: int

    @property
    def can_be_added(self) -> bool:
        return self.app is None and self.asset.product_type == "App" and self.asset.is_device_assignable


def standing_badge(token: ContentToken) -> str:
    return badge(*BADGES[standing(token)[0]])


def mark_of(token: ContentToken) -> str:
    """Another one whenever the page would look different."""
    parts = (
        token.last_synced_at,
        token.counted_at,
        token.error,
        token.other_mdm,
        token.is_leaving,
        token.started_at is None,
    )
    return "|".join(str(part) for part in parts)


def context_of(request: HttpRequest, token: ContentToken) -> dict[str, Any]:
    state, sentence = standing(token)
    # What is short comes first, then apps, then books.
    kind = Case(When(product_type="App", then=Value(0)), default=Value(1), output_field=IntegerField())
    assets = token.assets.order_by(Case(When(short_since=None, then=1), default=0), kind, "name", "adam_id")
    shown = Paginator(assets, PER_PAGE).get_page(row_number(request.GET.get("page")) or 1)
    totals = token.assets.aggregate(Sum("total"), Sum("assigned"), apps=Count("pk", filter=Q(product_type="App")))
    return {
        "token": token,
        "state": state,
        "sentence": sentence,
        "badge_html": standing_badge(token),
        "is_busy": state == "new" or token.started_at is not None,
        "mark": mark_of(token),
        "assets": _shown(token, list(shown)),
        "shown": shown,
        "apps": totals["apps"],
        "licences": totals["total__sum"] or 0,
        "used": totals["assigned__sum"] or 0,
        "given_out": LicenceAssignment.objects.filter(asset__token=token, is_ours=True).count(),
    }


def _shown(token: ContentToken, assets: list[ContentAsset]) -> list[ShownAsset]:
    """With three statements for any number."""
    known = App.objects.for_account(token.account_id).filter(itunes_store_id__in=[one.adam_id for one in assets])
    apps = {app.itunes_store_id: app for app in known}
    rows = LicenceAssignment.objects.filter(asset__in=assets, state__in=UNDER_WAY).order_by().values_list("asset")
    waiting = {
        row[0]: row[1:] for row in rows.annotate(waiting=Count("pk"), short=Count("pk", filter=Q(is_short=True)))
    }
    found = []
    for one in assets:
        app = apps.get(one.adam_id)
        name = app.name if app else one.name or _("Store ID %(adam_id)s") % {"adam_id": one.adam_id}
        found.append(ShownAsset(one, name, _kind(one), app, *waiting.get(one.pk, (0, 0))))
    return found


def _kind(asset: ContentAsset) -> str:
    words = [asset.product_type or _("Product"), ", ".join(asset.platforms)]
    if not asset.is_device_assignable:
        words.append(_("for people only"))
    return " · ".join(filter(None, words))


def totals_words(token: ContentToken) -> str:
    """For the list; the counts are annotations of its rows."""
    return _("%(used)s of %(licences)s used") % {
        "used": f"{token.used or 0:,}",
        "licences": count_of(token.licences or 0, "licence"),
    }
