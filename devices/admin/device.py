"""The device list and the device page. `enrollment.admin` adds what has to do with enrolling, and registers it."""

from devices.admin.bulk import BulkPages
from devices.admin.list.pages import DeviceListPages
from devices.admin.page.downloads import AnswerPages
from devices.admin.page.pages import DevicePages
from devices.admin.page.secrets import SecretPages
from devices.admin.send_command import SendCommandPages
from mdm.accounts.admin_base import Page, ReadOnlyAdmin


class DeviceAdmin(DeviceListPages, BulkPages, DevicePages, SecretPages, SendCommandPages, AnswerPages, ReadOnlyAdmin):
    """Not registered by itself."""

    pages: tuple[Page, ...] = (
        *DeviceListPages.list_pages,
        *BulkPages.bulk_pages,
        *DevicePages.device_pages,
        *SendCommandPages.command_pages,
        *SecretPages.secret_pages,
        *AnswerPages.answer_pages,
    )
