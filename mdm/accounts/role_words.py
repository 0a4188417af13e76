"""The four roles in a sentence each, for forms and pages."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mdm.accounts.models import Role

ROLE_HELP: dict[Role, Promise] = {
    Role.OWNER: _("Everything, and who may work in this account."),
    Role.ADMIN: _("Devices, also locking and erasing them, and all settings."),
    Role.OPERATOR: _("Enrolls devices, moves them and sends commands that destroy nothing."),
    Role.READ_ONLY: _("Sees everything, changes nothing."),
}
