"""Whether enrollment settings make sense: Apple's keys by themselves, and with what we do for the device."""

import re

from enrollment.models import DepSettings, PrimaryAccount
from mdm.protocol.dep_profile import complete
from mdm.protocol.dep_profile_checks import faults

# What people set; the rest of the row belongs to the worker.
FIELDS = (
    "device_group",
    "options",
    "requires_sign_in",
    "minimum_os",
    "admin_short_name",
    "admin_full_name",
    "admin_password",
    "admin_is_hidden",
    "primary_account",
    "primary_full_name",
    "primary_user_name",
    "locks_primary_account",
)
# Those whose devices can say that they update themselves first. Source: Apple, "MachineInfo".
MINIMUM_OS_PLATFORMS = {"iOS": "17.0", "macOS": "14.0", "tvOS": "17.0", "visionOS": "1.1"}
MAX_PASSWORD_LENGTH = 255
_SHORT_NAME = re.compile(r"[a-z_][a-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}")


def faults_of(settings: DepSettings) -> dict[str, str]:
    """Name of a field, or of one of Apple's keys → a sentence; empty if all is well."""
    return _group_faults(settings) | faults(settings.options) | _os_faults(settings) | _account_faults(settings)


def _group_faults(settings: DepSettings) -> dict[str, str]:
    if settings.device_group_id is None:
        return {"device_group": "Choose the group that devices join."}
    if settings.device_group.account_id != settings.account_id:
        return {"device_group": "There is no such device group."}
    return {}


def _os_faults(settings: DepSettings) -> dict[str, str]:
    for platform, version in settings.minimum_os.items():
        if platform not in MINIMUM_OS_PLATFORMS:
            return {"minimum_os": f"Devices of {platform} cannot be asked to update first."}
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            return {"minimum_os": f"{version} is no version of {platform}: write it like 17.5 or 14.6.1."}
    return {}


def _account_faults(settings: DepSettings) -> dict[str, str]:
    found = _length_faults(settings)
    if settings.primary_account not in PrimaryAccount.values:
        return found | {"primary_account": "Choose what the person gets."}
    has_admin = bool(settings.admin_short_name)
    if has_admin and not _SHORT_NAME.fullmatch(settings.admin_short_name):
        found["admin_short_name"] = "Small letters, digits, dots, dashes and underscores, beginning with a letter."
    if has_admin and not settings.admin_password:
        found["admin_password"] = "The administrator account needs a password."  # noqa: S105
    if settings.primary_account != PrimaryAccount.ADMINISTRATOR and not has_admin:
        found["admin_short_name"] = "A Mac needs an administrator: name one, or let the person be one."
    if settings.primary_user_name and not _SHORT_NAME.fullmatch(settings.primary_user_name):
        found["primary_user_name"] = "Small letters, digits, dots, dashes and underscores, beginning with a letter."
    if settings.locks_primary_account and not (settings.primary_full_name or settings.primary_user_name):
        found["locks_primary_account"] = "There is nothing to lock: give the names first."
    if asks_for_accounts(settings) and not complete(settings.options)["await_device_configured"]:
        found["await_device_configured"] = "Accounts of Macs are made while the Mac waits: let devices wait."
    return found


def asks_for_accounts(settings: DepSettings) -> bool:
    """Whether Setup Assistant of a Mac is told anything about accounts."""
    is_usual = settings.primary_account == PrimaryAccount.ADMINISTRATOR
    return bool(settings.admin_short_name or settings.primary_full_name or settings.primary_user_name or not is_usual)


def _length_faults(settings: DepSettings) -> dict[str, str]:
    limits = {
        name: DepSettings._meta.get_field(name).max_length
        for name in ("admin_short_name", "admin_full_name", "primary_full_name", "primary_user_name")
    } | {"admin_password": MAX_PASSWORD_LENGTH}
    return {
        name: f"At most {limit} characters."
        for name, limit in limits.items()
        if len(getattr(settings, name) or "") > limit
    }
