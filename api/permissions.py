"""What an API key may do."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mdm.accounts.api_scopes import READ, WRITE, may_use
from mdm.accounts.models import ApiKey


class ApiKeyAccess(BasePermission):
    """The key's access, and for a limited key its scope in the view's `section`. Without a key: 401."""

    def has_permission(self, request: Request, view: object) -> bool:
        key: ApiKey | None = request.auth
        if key is None:
            return False
        demand_section(key, view.section, changes=request.method not in SAFE_METHODS or view.changes_always)
        return True


def demand_section(key: ApiKey, section: str, *, changes: bool) -> None:
    """Raises PermissionDenied, with the reason. Views that do something in another section too ask for that by themselves."""
    if may_use(key, section, changes=changes):
        return
    if key.access == ApiKey.Access.LIMITED:
        verb, scope = ("change", WRITE) if changes else ("read", READ)
        raise PermissionDenied(f"This API key may not {verb} {section}: it lacks the scope {section}:{scope}.")
    raise PermissionDenied("This API key is read-only.")
