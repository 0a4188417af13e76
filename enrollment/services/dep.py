"""What people and programs do with DEP servers: add, name, renew, sync and remove one. Syncing is `dep_sync.py`."""

from functools import partial

from django.db import transaction
from django.utils import timezone

from enrollment.models import DepKey, DepServer, DepSettings
from enrollment.services.dep_tokens import ServerToken, read_token
from enrollment.services.errors import EnrollmentError
from enrollment.tasks import sync_dep_servers
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.nudge import nudge
from mdm.events.services import emit


def add_server(account: Account, data: bytes, *, name: str, actor: Actor) -> DepServer:
    """Store the server token in the file (.p7m) that Apple gave out, and sync with it soon.

    A token with the consumer key of a server that is there renews that server. Raises EnrollmentError.
    """
    _check_name(name)
    token, key = _current_token(account, data)
    with transaction.atomic():
        server = _with_token(account, token, key)
        is_new = server.pk is None or server.removed_at is not None
        if server.removed_at is not None:  # a worker was about to tidy up: what it took is read again
            server.removed_at, server.sync_started_at, server.cursor = None, None, ""
            server.full_sync_started_at = None
        server.name = name
        _store_token(server, actor, "dep_server.created" if is_new else "dep_server.renewed")
    return server


def renew_server(server: DepServer, data: bytes, actor: Actor) -> DepServer:
    """Take a newer token of the same server at Apple. Raises EnrollmentError."""
    token, key = _current_token(server.account, data)
    if token.credentials.consumer_key != server.consumer_key:
        raise EnrollmentError(
            "This token belongs to another server at Apple: download the one of this server, or add it as a server of its own."
        )
    with transaction.atomic():
        renewed = _with_token(server.account, token, key)
        _store_token(renewed, actor, "dep_server.renewed")
    return renewed


def rename_server(server: DepServer, name: str, actor: Actor) -> None:
    """Raises EnrollmentError."""
    _check_name(name)
    with transaction.atomic():
        if DepServer.objects.filter(pk=server.pk).exclude(name=name).update(name=name):
            server.name = name
            emit("dep_server.renamed", account_id=server.account_id, actor=actor, name=name, dep_server_id=server.pk)


def remove_server(server: DepServer, actor: Actor) -> None:
    """It leaves every list now; a worker takes its settings back at Apple if it can, and deletes what it listed.

    Devices that enrolled stay; those that only awaited it go with the list. Nothing happens if somebody was faster.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = DepServer.objects.filter(pk=server.pk, removed_at=None)
        # Whoever syncs it at this moment loses it.
        if not rows.update(removed_at=now, sync_due_at=now, sync_started_at=None, sync_attempts=0, sync_error=""):
            return
        emit(
            "dep_server.removed",
            account_id=server.account_id,
            actor=actor,
            name=server.name,
            dep_server_id=server.pk,
        )
        transaction.on_commit(partial(nudge, sync_dep_servers))


def request_sync(server: DepServer, actor: Actor) -> None:
    """Let a worker ask Apple as soon as it can; also when a sync runs at this moment, which may be past what is new."""
    now = timezone.now()
    with transaction.atomic():
        waiting = DepServer.objects.filter(pk=server.pk).exclude(sync_due_at__lte=now)
        if waiting.update(sync_due_at=now):
            emit(
                "dep_server.sync_requested",
                account_id=server.account_id,
                actor=actor,
                name=server.name,
                dep_server_id=server.pk,
            )
        transaction.on_commit(partial(nudge, sync_dep_servers))


def _check_name(name: str) -> None:
    if not 0 < len(name) <= DepServer._meta.get_field("name").max_length:
        raise EnrollmentError("The server needs a name of 1 to 200 characters.")


def _current_token(account: Account, data: bytes) -> tuple[ServerToken, DepKey]:
    token, key = read_token(account, data)
    if token.expires_at <= timezone.now():
        raise EnrollmentError(
            f"The server token expired on {token.expires_at:%Y-%m-%d}: download a new one from Apple."
        )
    return token, key


def _store_token(server: DepServer, actor: Actor, kind: str) -> None:
    """Sync with it soon; what failed for the sake of the old one is tried at once."""
    now = timezone.now()
    server.sync_due_at, server.sync_attempts, server.sync_error = now, 0, ""
    server.save()
    DepSettings.objects.filter(server=server).exclude(attempts=0).update(due_at=now, attempts=0, error="")
    emit(
        kind,
        account_id=server.account_id,
        actor=actor,
        name=server.name,
        dep_server_id=server.pk,
        expires_at=server.token_expires_at.isoformat(),
    )
    transaction.on_commit(partial(nudge, sync_dep_servers))


def _with_token(account: Account, token: ServerToken, key: DepKey) -> DepServer:
    """The server of that consumer key, or a new one, with what the token says; not saved. It may be one that was removed."""
    given = token.credentials
    rows = DepServer.objects.filter(account=account).select_for_update()
    server = rows.filter(consumer_key=given.consumer_key).first()
    if server is None:
        server = DepServer(account=account, consumer_key=given.consumer_key)
    server.key = key
    server.consumer_secret = given.consumer_secret
    server.access_token = given.access_token
    server.access_secret = given.access_secret
    server.token_expires_at = token.expires_at
    return server
