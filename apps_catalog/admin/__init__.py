"""Pages about what devices should have: apps, assignment groups, and the operations that bring it to them."""

from apps_catalog.admin.apps import AppAdmin
from apps_catalog.admin.content_tokens import ContentTokenAdmin
from apps_catalog.admin.groups import AssignmentGroupAdmin
from apps_catalog.admin.operations import OperationAdmin
from apps_catalog.admin.profiles import ProfileAdmin

__all__ = ["AppAdmin", "AssignmentGroupAdmin", "ContentTokenAdmin", "OperationAdmin", "ProfileAdmin"]
