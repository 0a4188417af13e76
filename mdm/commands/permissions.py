"""Who may send which command: what destroys or interrupts is for administrators."""

from mdm.accounts.permissions import Action
from mdm.protocol.request_types import REQUEST_TYPES, RequestType


def needed_for(request_type: RequestType) -> Action:
    return Action.DESTROY if request_type.destructive else Action.MANAGE_DEVICES


def is_destructive(name: str) -> bool:
    """By its name; a request type that the catalogue does not know may do anything."""
    known = REQUEST_TYPES.get(name)
    return known is None or known.destructive


def needed_for_name(name: str) -> Action:
    return Action.DESTROY if is_destructive(name) else Action.MANAGE_DEVICES
