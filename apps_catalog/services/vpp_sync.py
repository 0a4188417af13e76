"""Comparing a location with what Apple has of it: who manages it, what it owns, who has which licence."""

from django.conf import settings
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from apps_catalog.models import ContentToken
from apps_catalog.services.vpp_assets import count_assets
from apps_catalog.services.vpp_assignments import Changes, read_assignments
from apps_catalog.services.vpp_lease import hold, holding
from apps_catalog.vpp_answers import NOTIFICATION_ERRORS, ClientConfig, Refused
from apps_catalog.vpp_client import Notifications, VppClient
from mdm.events.models import Level
from mdm.events.services import emit

OUR_NAME = "Pomona"


def compare(token: ContentToken, client: VppClient, until: float) -> Changes:
    """Raises VppError, TakenOver, TurnIsOver. until: of time.monotonic(), when to leave the rest for later."""
    _settle_manager(token, client)
    client.checks_manager = not token.other_mdm
    count_assets(token, client)
    return read_assignments(token, client, until)


def _settle_manager(token: ContentToken, client: VppClient) -> None:
    """Enter ourselves where nobody is entered, or where somebody wanted that. Source: "Identify the Current MDM Client"."""
    config = client.client_config()
    _store_location(token, config)
    is_free = config.mdm_id in ("", token.mdm_id)
    if not is_free and not token.takes_over:
        _note_other(token, config)
        return
    wanted = _notifications(token, client)
    is_entered = config.mdm_id == token.mdm_id
    if is_entered and config.notification_url == wanted.url and not token.notification_error:
        hold(token, is_ours=True, other_mdm="", takes_over=False)
        return
    error = _enter(token, client, wanted)
    with holding(
        token,
        is_ours=True,
        other_mdm="",
        takes_over=False,
        notification_url="" if error else wanted.url,
        notification_error=error,
    ):
        if not is_free:
            emit(
                "content_token.taken_over",
                account_id=token.account_id,
                content_token_id=token.pk,
                location=str(token),
                from_mdm=config.mdm_name or config.mdm_id,
            )


def _enter(token: ContentToken, client: VppClient, wanted: Notifications) -> str:
    """Returns why Apple sends no notifications; empty where it does, or is not to. They are of use, but not needed."""
    metadata = settings.BASE_URL[:255]
    try:
        client.set_client_config(name=OUR_NAME, metadata=metadata, notifications=wanted if wanted.url else None)
    except Refused as error:
        if not wanted.url or error.number not in NOTIFICATION_ERRORS:
            raise
        client.set_client_config(name=OUR_NAME, metadata=metadata, notifications=None)
        return str(error)
    return ""


def _notifications(token: ContentToken, client: VppClient) -> Notifications:
    """Apple sends them to https addresses only."""
    url = settings.BASE_URL + reverse("licence-notifications", args=[token.notification_key])
    is_possible = settings.IS_HTTPS and len(url) <= client.limits.notification
    return Notifications(url if is_possible else "", token.notification_token)


def _store_location(token: ContentToken, config: ClientConfig) -> None:
    """A token that was renewed has to be of the same location: its licences are those that we know."""
    if token.location_id and config.location_id != token.location_id:
        raise Refused(
            f"This content token is of another location ({config.location_name or config.location_id}): renew it with one of "
            f"{token}, and add the other one by itself."
        )
    facts = {"location_id": config.location_id, "location_name": config.location_name, "country": config.country}
    if all(getattr(token, name) == value for name, value in facts.items()):
        return
    others = ContentToken.objects.filter(account_id=token.account_id, location_id=config.location_id)
    if other := others.exclude(pk=token.pk).first():
        raise Refused(
            f"The location of this content token is here already, as {other}: remove this one and renew that."
        )
    try:
        hold(token, **facts)
    except IntegrityError as error:  # added twice at the same moment
        raise Refused("The location of this content token is here already.") from error


def _note_other(token: ContentToken, config: ClientConfig) -> None:
    other = config.mdm_name or config.mdm_id
    is_news = token.other_mdm != other
    with holding(token, is_ours=False, other_mdm=other):
        if is_news:
            emit(
                "content_token.managed_elsewhere",
                account_id=token.account_id,
                level=Level.WARNING,
                content_token_id=token.pk,
                location=str(token),
                by=other,
            )


def log_synced(token: ContentToken, changes: Changes, *, is_first: bool) -> None:
    """Nothing where nothing has changed: it is looked at every few hours."""
    if is_first or changes.added or changes.lost:
        emit(
            "content_token.synced",
            account_id=token.account_id,
            content_token_id=token.pk,
            location=str(token),
            assigned_elsewhere=changes.added,
            taken_back_elsewhere=changes.lost,
            at=timezone.now().isoformat(),
        )
