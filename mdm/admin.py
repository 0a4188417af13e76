"""Pages that several packages together know what to show on: `admin_account.py`; and the people, of the package sign_in."""

from mdm.admin_account import AccountSettingsAdmin
from mdm.sign_in.admin_invitations import PersonInvitationAdmin
from mdm.sign_in.admin_people import PeopleAdmin

__all__ = ["AccountSettingsAdmin", "PeopleAdmin", "PersonInvitationAdmin"]
