"""What people do with content tokens: add one, renew it, take its location over, ask for a sync, remove it.

Source: Apple, "Managing Apps and Books Through Web Services": a content token is base64 of JSON with token, expDate, orgName.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceState
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.licence_needs import WORKER
from apps_catalog.services.licence_release import remove_rows
from apps_catalog.vpp_answers import read_time
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.nudge import nudge_named
from mdm.common.text import clean_text
from mdm.common.tokens import new_token
from mdm.events.expiry import horizon, warn_once
from mdm.events.services import emit

MAX_TOKEN_BYTES = 16 * 1024
_NO_TOKEN = (
    "The file is not a content token: download it (.vpptoken) from Apple Business or School Manager, below Preferences, "  # noqa: S105
    "Payments and Billing."
)


class NoContentToken(CatalogError):
    """The file is none, is too old, or is one of another organization."""


@dataclass(frozen=True)
class TokenFile:
    """text: as Apple wants to be shown it."""

    text: str = field(repr=False)
    organization: str
    expires_at: datetime


def read_token(data: bytes) -> TokenFile:
    """Raises NoContentToken."""
    if len(data) > MAX_TOKEN_BYTES:
        raise NoContentToken("The file is too large for a content token.")
    text = b"".join(data.split())
    try:
        values = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise NoContentToken(_NO_TOKEN) from error
    expires_at = read_time(values.get("expDate")) if isinstance(values, dict) else None
    if expires_at is None or not isinstance(values.get("token"), str) or not values["token"]:
        raise NoContentToken(_NO_TOKEN)
    if expires_at <= timezone.now():
        raise NoContentToken(f"The content token expired on {expires_at:%Y-%m-%d}: download a new one from Apple.")
    organization = values.get("orgName")
    organization = clean_text(organization, 255) if isinstance(organization, str) else ""
    return TokenFile(text.decode(), organization, expires_at)


def add_token(account: Account, data: bytes, *, actor: Actor) -> ContentToken:
    """Store it, and let a worker ask Apple whose it is and what it owns. Raises NoContentToken."""
    given = read_token(data)
    with transaction.atomic():
        token = ContentToken.objects.create(
            account=account,
            token=given.text,
            organization_name=given.organization,
            expires_at=given.expires_at,
            notification_token=new_token(32),
            sync_due_at=timezone.now(),
        )
        _emit("content_token.added", token, actor, expires_at=given.expires_at.isoformat())
        transaction.on_commit(_nudge)
    return token


def renew_token(token: ContentToken, data: bytes, *, actor: Actor) -> ContentToken:
    """Put a new one of the same location in its place. That it is of that location, a worker checks with Apple before it
    changes anything. Raises NoContentToken.
    """
    given = read_token(data)
    if token.organization_name and given.organization and given.organization != token.organization_name:
        raise NoContentToken(
            f"This content token is of another organization ({given.organization}) than the one that it is to renew "
            f"({token.organization_name})."
        )
    with transaction.atomic():
        token = _locked(token)
        token.token, token.expires_at = given.text, given.expires_at
        token.organization_name = given.organization or token.organization_name
        token.sync_due_at, token.paused_until, token.attempts, token.error = timezone.now(), None, 0, ""
        token.save(
            update_fields=[
                "token",
                "expires_at",
                "organization_name",
                "sync_due_at",
                "paused_until",
                "attempts",
                "error",
            ]
        )
        _emit("content_token.renewed", token, actor, expires_at=given.expires_at.isoformat())
        transaction.on_commit(_nudge)
    return token


def request_sync(token: ContentToken, actor: Actor) -> None:
    """Let a worker compare it with Apple as soon as it can; also while it does, as it may be past what is new."""
    with transaction.atomic():
        ContentToken.objects.filter(pk=token.pk).update(sync_due_at=timezone.now(), paused_until=None)
        _emit("content_token.sync_requested", token, actor)
        transaction.on_commit(_nudge)


def take_over(token: ContentToken, actor: Actor) -> None:
    """Enter ourselves at Apple as what manages the location, in place of whatever does."""
    with transaction.atomic():
        ContentToken.objects.filter(pk=token.pk).update(takes_over=True, sync_due_at=timezone.now(), paused_until=None)
        _emit("content_token.takeover_requested", token, actor, from_mdm=token.other_mdm)
        transaction.on_commit(_nudge)


def remove_token(token: ContentToken, actor: Actor, *, gives_back: bool) -> None:
    """gives_back: the licences that were given out here go back to Apple first, and the token stays until they are; otherwise
    they stay with the devices. Either way apps of that location are installed without licences from now on.
    """
    ours = LicenceAssignment.objects.filter(asset__token=token, is_ours=True)
    with transaction.atomic():
        token = _locked(token)
        ours.filter(state=LicenceState.WANTED).delete()
        if not gives_back or not ours.exists():
            _emit("content_token.removed", token, actor, are_given_back=False)
            remove_rows(token)
            return
        ours.filter(state=LicenceState.ASSIGNED).update(state=LicenceState.LEAVING, due_at=timezone.now(), attempts=0)
        ContentToken.objects.filter(pk=token.pk).update(is_leaving=True, paused_until=None)
        _emit("content_token.leaving", token, actor, licences=ours.count())
        transaction.on_commit(_nudge)


def warn_expiring() -> int:
    """One line of the log for each mark that a token passes; running twice adds nothing."""
    return sum(
        warn_once(
            "content_token.expiring",
            token.account_id,
            token.expires_at,
            which={"content_token_id": token.pk, "expires_at": token.expires_at.isoformat()},
            location=str(token),
        )
        for token in ContentToken.objects.filter(expires_at__lte=horizon()).defer("token", "notification_token")
    )


def _locked(token: ContentToken) -> ContentToken:
    """As it is now. Raises ContentToken.DoesNotExist."""
    return ContentToken.objects.select_for_update().get(pk=token.pk)


def _nudge() -> None:
    nudge_named(WORKER)


def _emit(kind: str, token: ContentToken, actor: Actor, **facts: object) -> None:
    emit(kind, account_id=token.account_id, actor=actor, content_token_id=token.pk, location=str(token), **facts)
