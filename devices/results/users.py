"""UserList. Source: Apple, "User List Command"."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from devices.models import Device, DeviceUser
from devices.results.facts import boolean, dictionaries, has_list, integer, jsonable, text
from devices.results.rows import replace_rows
from mdm.commands.models import Command

OWN_COLUMNS = {
    "UserName",
    "FullName",
    "UID",
    "UserGUID",
    "DataQuota",
    "DataUsed",
    "HasDataToSync",
    "HasSecureToken",
    "IsLoggedIn",
    "MobileAccount",
}
FIELDS = [
    "full_name",
    "uid",
    "user_guid",
    "data_quota",
    "data_used",
    "data_to_sync",
    "secure_token",
    "logged_in",
    "mobile_account",
    "details",
    "last_seen_at",
]


def apply(device: Device, answer: Mapping[str, Any], command: Command) -> None:
    if not has_list(answer, "Users"):
        return
    reported = [_row(device, item) for item in dictionaries(answer, "Users")]
    replace_rows(
        list(DeviceUser.objects.filter(device=device)),
        [row for row in reported if row.username],
        key=lambda row: row.username,
        fields=FIELDS,
    )


def _row(device: Device, item: Mapping[str, Any]) -> DeviceUser:
    return DeviceUser(
        account_id=device.account_id,
        device=device,
        username=text(item, "UserName"),
        full_name=text(item, "FullName"),
        uid=integer(item, "UID"),
        user_guid=text(item, "UserGUID", 64),
        data_quota=integer(item, "DataQuota"),
        data_used=integer(item, "DataUsed"),
        data_to_sync=boolean(item, "HasDataToSync") or False,
        secure_token=boolean(item, "HasSecureToken"),
        logged_in=boolean(item, "IsLoggedIn") or False,
        mobile_account=boolean(item, "MobileAccount") or False,
        details=jsonable({key: value for key, value in item.items() if key not in OWN_COLUMNS}),
        last_seen_at=timezone.now(),
    )
