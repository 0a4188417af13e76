"""How a content token stands, in words."""

from apps_catalog.models import ContentToken
from mdm.events.expiry import WARN_DAYS


def standing(token: ContentToken) -> tuple[str, str]:
    """State ("expired", "failed", "leaving", "elsewhere", "expiring", "new", "valid") and a sentence."""
    if token.is_leaving:
        return "leaving", "It is being removed: the licences that were given out here go back first."
    if token.is_expired:
        return "expired", "The content token has expired. No licence can be given out or back until it is renewed."
    if token.error:
        return "failed", token.error
    if token.other_mdm:
        return (
            "elsewhere",
            f"{token.other_mdm} manages this location. Pomona only shows what it owns: two that give out licences of one "
            "location undo each other's work.",
        )
    if token.days_left <= WARN_DAYS[0]:
        return "expiring", f"The content token expires in {token.days_left} days. Download a new one and renew it."
    if token.last_synced_at is None:
        return "new", "Apple is asked what this location owns."
    return "valid", "Licences are given out before apps are installed, and given back when they are gone."
