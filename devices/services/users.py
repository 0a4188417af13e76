"""User accounts on devices."""

from devices.models import Device, DeviceUser
from devices.services.errors import NotPossible
from devices.services.sending import send
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.protocol.request_types.users import delete_user as delete_user_request


def require_deletable_users(device: Device) -> None:
    """Raises NotPossible where no user can be deleted, whoever it is. Source: Apple, "Delete User Command"."""
    is_shared_ipad = device.information.get("IsMultiUser") is True
    if not (device.is_mac or is_shared_ipad):
        raise NotPossible("Users can be deleted from supervised Macs and Shared iPads only.")
    if device.is_supervised is False:
        raise NotPossible("This device is not supervised: its users cannot be deleted.")


def delete_user(user: DeviceUser, actor: Actor) -> Command:
    """Queue DeleteUser: the account goes with its data. The next list of users tells that it is gone.

    Raises NotPossible, NotEnrolled, NotSupported.
    """
    require_deletable_users(user.device)
    return send(user.device, delete_user_request(user.username), actor=actor)
