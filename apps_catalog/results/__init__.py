"""What devices answer about apps of the catalogue. Source: Apple, the commands named at each function.

An acknowledged install is a promise, not an app: the app counts as installed when an inventory shows it.
"""

from apps_catalog.results.commands import accepted, configuration_refused, configured, not_removed, refused, removed
from apps_catalog.results.feedback import feedback
from apps_catalog.results.reports import listed, managed

__all__ = [
    "accepted",
    "configuration_refused",
    "configured",
    "feedback",
    "listed",
    "managed",
    "not_removed",
    "refused",
    "removed",
]
