"""The accounts that Setup Assistant makes on a Mac, as the enrollment settings of its DEP server say.

Source: Apple, "Account Configuration Command".
"""

from typing import Any

from devices.services.errors import NotPossible
from enrollment.models import DepSettings, PrimaryAccount
from enrollment.services.ade_settings import settings_of
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import Prepared, recipe
from mdm.protocol.password_hash import password_hash
from mdm.protocol.request_types import to_command
from mdm.protocol.request_types.setup import account_configuration

REQUEST_TYPE, RECIPE = "AccountConfiguration", "account_configuration"


def account_orders(channel: Channel) -> list[Prepared]:
    """What to queue first for a Mac that waits in Setup Assistant, with its device loaded; nothing where nothing is set.

    A recipe: the password stays where it is until the Mac fetches the command, and its hash takes time.
    """
    if not channel.awaiting_configuration or channel.is_user_channel or not channel.device.is_mac:
        return []
    settings = settings_of(channel.device)
    return [recipe(REQUEST_TYPE, RECIPE)] if settings and _says_something(settings) else []


def accounts_for(command: Command) -> dict[str, Any]:
    """The keys of AccountConfiguration, of this moment. Raises NotPossible where the settings went meanwhile."""
    device = Channel.objects.select_related("device").get(pk=command.channel_id).device
    settings = settings_of(device)
    if settings is None or not _says_something(settings):
        raise NotPossible("The enrollment settings of the device's DEP server name no accounts any more.")
    has_admin = bool(settings.admin_short_name)
    request = account_configuration(
        admin_accounts=[_admin(settings)] if has_admin else [],
        # Without an administrator beside them these would leave a Mac that nobody can administer.
        skip_primary_account=has_admin and settings.primary_account == PrimaryAccount.NONE,
        primary_account_is_regular_user=has_admin and settings.primary_account == PrimaryAccount.STANDARD,
        primary_full_name=settings.primary_full_name or None,
        primary_user_name=settings.primary_user_name or None,
        lock_primary_account=settings.locks_primary_account and _names_primary(settings),
    )
    return to_command(request.request_type, request.parameters)


def _admin(settings: DepSettings) -> dict[str, Any]:
    return {
        "shortName": settings.admin_short_name,
        "fullName": settings.admin_full_name or settings.admin_short_name,
        "passwordHash": password_hash(settings.admin_password) if settings.admin_password else None,
        "hidden": settings.admin_is_hidden,
    }


def _names_primary(settings: DepSettings) -> bool:
    return bool(settings.primary_full_name or settings.primary_user_name)


def _says_something(settings: DepSettings) -> bool:
    return bool(settings.admin_short_name) or _names_primary(settings)
