"""How a content token stands, in words."""

from django.utils.translation import gettext as _

from apps_catalog.models import ContentToken
from mdm.common.words import count_of
from mdm.events.expiry import WARN_DAYS


def standing(token: ContentToken) -> tuple[str, str]:
    """State ("expired", "failed", "leaving", "elsewhere", "expiring", "new", "valid") and a sentence."""
    if token.is_leaving:
        return "leaving", _("It is being removed: the licences that were given out here go back first.")
    if token.is_expired:
        return "expired", _("The content token has expired. No licence can be given out or back until it is renewed.")
    if token.error:
        return "failed", token.error
    if token.other_mdm:
        return (
            "elsewhere",
            _(
                "%(other_mdm)s manages this location. Pomona only shows what it owns: two that give out licences "
                "of one location undo each other's work."
            )
            % {"other_mdm": token.other_mdm},
        )
    if token.days_left <= WARN_DAYS[0]:
        return "expiring", _("The content token expires in %(days)s. Download a new one and renew it.") % {
            "days": count_of(token.days_left, "day")
        }
    if token.last_synced_at is None:
        return "new", _("Apple is asked what this location owns.")
    return "valid", _("Licences are given out before apps are installed, and given back when they are gone.")
