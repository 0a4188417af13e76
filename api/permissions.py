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
        changes = request.method not in SAFE_METHODS or view.changes_always
        if may_use(key, view.section, changes=changes):
            return True
        if key.access == ApiKey.Access.LIMITED:
            verb, scope = ("change", WRITE) if changes else ("read", READ)
            raise PermissionDenied(
                f"This API key may not {verb} {view.section}: it lacks the scope {view.section}:{scope}."
            )
        raise PermissionDenied("This API key is read-only.")
