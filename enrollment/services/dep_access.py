"""Talking to Apple with a server's token, and what all such work has in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone

from enrollment.dep_client import DepClient, TokenExpired
from enrollment.models import DepServer
from enrollment.oauth1 import Credentials

ASSIGNER = "enrollment.tasks.assign_dep_profiles"
# A worker ends a task after 15 minutes: what takes longer is done in several turns.
TURN_SECONDS = 600.0
FIRST_RETRY_SECONDS = 60
LONGEST_RETRY_SECONDS = 2 * 3600.0
MOST_ATTEMPTS = 1000  # counted no further


@contextmanager
def client_of(server: DepServer) -> Iterator[DepClient]:
    """Raises TokenExpired without asking Apple if the token has run out by our clock."""
    if server.token_expires_at <= timezone.now():
        raise TokenExpired(
            f"The server token expired on {server.token_expires_at:%Y-%m-%d}: download a new one from Apple and add it."
        )
    credentials = Credentials(server.consumer_key, server.consumer_secret, server.access_token, server.access_secret)
    with DepClient(settings.DEP_URL, credentials, ca_file=settings.DEP_CA_FILE) as client:
        yield client


def lock_server(server: DepServer) -> bool:
    """Within a transaction: nobody else writes to the server's devices meanwhile. False if it is gone."""
    rows = DepServer.objects.select_for_update(no_key=True).filter(pk=server.pk).values_list("pk", flat=True)
    return rows.first() is not None
