"""Which device row an Authenticate message belongs to."""

from devices.models import Device
from devices.services.platforms import platform_of
from mdm.accounts.models import Account
from mdm.common import rows
from mdm.common.text import clean_text
from mdm.protocol.checkin import Authenticate

COLUMNS = (
    "serial_number",
    "imei",
    "meid",
    "device_name",
    "model",
    "model_name",
    "product_name",
    "os_version",
    "build_version",
)


def find_device(account_id: int, message: Authenticate) -> Device | None:
    """The device of that account which said this UDID or EnrollmentID before."""
    key = "enrollment_id" if message.key.is_user_enrollment else "udid"
    condition = f"account_id = %s AND {key} = %s AND removed_at IS NULL"
    return next(iter(rows.select(Device, condition, account_id, message.key.device_id)), None)


def make_device(account: Account, message: Authenticate, group_id: int) -> Device:
    """A device that nobody announced: it came through a group's link or with a trusted CA's certificate. Not saved yet."""
    name = message.device_name or message.serial_number or message.model_name or "New device"
    return Device(account=account, group_id=group_id, name=clean_text(name, 255))


def take_facts(device: Device, message: Authenticate) -> None:
    """Store what the message says about the device. Nothing else: others may be changing the row at this moment."""
    facts = {
        column: value
        for column in COLUMNS
        if (value := clean_text(getattr(message, column), Device._meta.get_field(column).max_length))
    }
    facts["enrollment_id" if message.key.is_user_enrollment else "udid"] = message.key.device_id
    facts["is_user_enrollment"] = message.key.is_user_enrollment
    for column, value in facts.items():
        setattr(device, column, value)
    if platform := platform_of(device.product_name, device.model_name):
        device.platform = facts["platform"] = platform
    if not device.name:
        device.name = facts["name"] = device.device_name or device.serial_number
    if device.pk:
        device.save(update_fields=facts)
    else:
        rows.insert(device)
