"""What an API key may do."""

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mdm.accounts.models import ApiKey


class ApiKeyAccess(BasePermission):
    """Any live key may read; writing needs a read-write key. Without a key: 401."""

    def has_permission(self, request: Request, view: object) -> bool:
        if request.auth is None:
            return False
        changes = request.method not in SAFE_METHODS or getattr(view, "changes_always", False)
        if changes and request.auth.access != ApiKey.Access.READ_WRITE:
            raise PermissionDenied("This API key is read-only.")
        return True
