"""How a DEP server stands, and warnings before its token runs out."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from enrollment.dep_client import TERMS_NOT_SIGNED
from enrollment.models import DepServer, DepSettings
from mdm.common.words import duration
from mdm.events.expiry import FIRST_WARNING, horizon, warn_once


def warn_expiring_tokens() -> int:
    """One log entry for each passed mark of a token; running twice adds nothing."""
    rows = DepServer.objects.filter(token_expires_at__lte=horizon(), removed_at=None)
    return sum(
        warn_once(
            "dep_server.token_expiring",
            server.account_id,
            server.token_expires_at,
            which={"dep_server_id": server.pk, "token_expires_at": server.token_expires_at.isoformat()},
            name=server.name,
        )
        for server in rows.only("account_id", "name", "token_expires_at")
    )


def standing(server: DepServer) -> tuple[str, str]:
    """State ("expired", "terms", "failing", "expiring", "waiting", "valid") and a sentence."""
    left = server.token_expires_at - timezone.now()
    if left <= timedelta():
        return "expired", (
            "The server token has expired: nothing reaches Apple until it is renewed. Devices that are enrolled do not "
            "notice; new ones do not appear."
        )
    if server.sync_error == TERMS_NOT_SIGNED:
        return "terms", server.sync_error
    if server.sync_error:
        return "failing", server.sync_error
    if left <= FIRST_WARNING:
        return (
            "expiring",
            _("The server token expires in %(left)s. Download a new one for the same server at Apple.")
            % {"left": duration(left)},
        )
    if server.last_synced_at is None:
        return "waiting", _("The first sync is under way: a worker reads the list of devices.")
    return "valid", _("The list of devices is kept up to date. The token expires in %(left)s.") % {
        "left": duration(left)
    }


def settings_standing(settings: DepSettings | None) -> tuple[str, str]:
    """State ("missing", "removing", "failing", "waiting", "valid") and a sentence."""
    if settings is None:
        return "missing", _("Without enrollment settings the listed devices are set up as if they were nobody's.")
    if settings.removed_at:
        return "removing", settings.error or _("The settings are being taken back from the devices at Apple.")
    if settings.error:
        return "failing", settings.error
    if not settings.profile_uuid:
        return "waiting", _("A worker makes the settings known to Apple.")
    return "valid", _("Apple knows the settings. New devices get them by themselves.")
