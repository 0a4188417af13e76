"""All request types, put together from the family modules."""

import difflib

from mdm.protocol.request_types.apps import (
    APPLY_REDEMPTION_CODE,
    INSTALL_APPLICATION,
    INSTALL_ENTERPRISE_APPLICATION,
    INVITE_TO_PROGRAM,
    REMOVE_APPLICATION,
    VALIDATE_APPLICATIONS,
)
from mdm.protocol.request_types.cellular import REFRESH_CELLULAR_PLANS
from mdm.protocol.request_types.declarative import DECLARATIVE_MANAGEMENT
from mdm.protocol.request_types.errors import InvalidCommand
from mdm.protocol.request_types.information import (
    CONTENT_CACHING_INFORMATION,
    DEVICE_INFORMATION,
    RESTRICTIONS,
    SECURITY_INFO,
)
from mdm.protocol.request_types.lights_out import LOM_DEVICE_REQUEST, LOM_SETUP_REQUEST
from mdm.protocol.request_types.lists import (
    ACTIVE_NS_EXTENSIONS,
    CERTIFICATE_LIST,
    INSTALLED_APPLICATION_LIST,
    NS_EXTENSION_MAPPINGS,
    PROFILE_LIST,
    PROVISIONING_PROFILE_LIST,
)
from mdm.protocol.request_types.lock import (
    ACTIVATION_LOCK_BYPASS_CODE,
    CLEAR_ACTIVATION_LOCK_BYPASS_CODE,
    CLEAR_PASSCODE,
    CLEAR_RESTRICTIONS_PASSWORD,
    DEVICE_LOCK,
    ERASE_DEVICE,
    REQUEST_UNLOCK_TOKEN,
)
from mdm.protocol.request_types.logs import CANCEL_ENHANCED_LOG_COLLECTION, TRIGGER_ENHANCED_LOG_COLLECTION
from mdm.protocol.request_types.lost_mode import (
    DEVICE_LOCATION,
    DISABLE_LOST_MODE,
    ENABLE_LOST_MODE,
    PLAY_LOST_MODE_SOUND,
)
from mdm.protocol.request_types.managed_apps import (
    MANAGED_APPLICATION_ATTRIBUTES,
    MANAGED_APPLICATION_CONFIGURATION,
    MANAGED_APPLICATION_FEEDBACK,
    MANAGED_APPLICATION_LIST,
)
from mdm.protocol.request_types.media import INSTALL_MEDIA, MANAGED_MEDIA_LIST, REMOVE_MEDIA
from mdm.protocol.request_types.passwords import (
    ROTATE_FILEVAULT_KEY,
    SET_AUTO_ADMIN_PASSWORD,
    SET_FIRMWARE_PASSWORD,
    SET_RECOVERY_LOCK,
    VERIFY_FIRMWARE_PASSWORD,
    VERIFY_RECOVERY_LOCK,
)
from mdm.protocol.request_types.power import RESTART_DEVICE, SHUT_DOWN_DEVICE
from mdm.protocol.request_types.profiles import (
    INSTALL_PROFILE,
    INSTALL_PROVISIONING_PROFILE,
    REMOVE_PROFILE,
    REMOVE_PROVISIONING_PROFILE,
)
from mdm.protocol.request_types.schema import RequestType
from mdm.protocol.request_types.screen import (
    DISABLE_REMOTE_DESKTOP,
    ENABLE_REMOTE_DESKTOP,
    REQUEST_MIRRORING,
    STOP_MIRRORING,
)
from mdm.protocol.request_types.settings import SETTINGS_COMMAND
from mdm.protocol.request_types.setup import ACCOUNT_CONFIGURATION, DEVICE_CONFIGURED, USER_CONFIGURED
from mdm.protocol.request_types.updates import (
    AVAILABLE_OS_UPDATES,
    OS_UPDATE_STATUS,
    SCHEDULE_OS_UPDATE,
    SCHEDULE_OS_UPDATE_SCAN,
)
from mdm.protocol.request_types.users import DELETE_USER, LOG_OUT_USER, UNLOCK_USER_ACCOUNT, USER_LIST

_ALL: tuple[RequestType, ...] = (
    DEVICE_INFORMATION,
    SECURITY_INFO,
    CONTENT_CACHING_INFORMATION,
    RESTRICTIONS,
    INSTALLED_APPLICATION_LIST,
    PROFILE_LIST,
    CERTIFICATE_LIST,
    PROVISIONING_PROFILE_LIST,
    ACTIVE_NS_EXTENSIONS,
    NS_EXTENSION_MAPPINGS,
    RESTART_DEVICE,
    SHUT_DOWN_DEVICE,
    LOM_DEVICE_REQUEST,
    LOM_SETUP_REQUEST,
    DEVICE_LOCK,
    ERASE_DEVICE,
    CLEAR_PASSCODE,
    REQUEST_UNLOCK_TOKEN,
    ACTIVATION_LOCK_BYPASS_CODE,
    CLEAR_ACTIVATION_LOCK_BYPASS_CODE,
    CLEAR_RESTRICTIONS_PASSWORD,
    ENABLE_LOST_MODE,
    DISABLE_LOST_MODE,
    DEVICE_LOCATION,
    PLAY_LOST_MODE_SOUND,
    INSTALL_PROFILE,
    REMOVE_PROFILE,
    INSTALL_PROVISIONING_PROFILE,
    REMOVE_PROVISIONING_PROFILE,
    INSTALL_APPLICATION,
    INSTALL_ENTERPRISE_APPLICATION,
    REMOVE_APPLICATION,
    VALIDATE_APPLICATIONS,
    APPLY_REDEMPTION_CODE,
    INVITE_TO_PROGRAM,
    MANAGED_APPLICATION_LIST,
    MANAGED_APPLICATION_ATTRIBUTES,
    MANAGED_APPLICATION_CONFIGURATION,
    MANAGED_APPLICATION_FEEDBACK,
    INSTALL_MEDIA,
    REMOVE_MEDIA,
    MANAGED_MEDIA_LIST,
    SETTINGS_COMMAND,
    SET_FIRMWARE_PASSWORD,
    VERIFY_FIRMWARE_PASSWORD,
    SET_RECOVERY_LOCK,
    VERIFY_RECOVERY_LOCK,
    SET_AUTO_ADMIN_PASSWORD,
    ROTATE_FILEVAULT_KEY,
    USER_LIST,
    DELETE_USER,
    LOG_OUT_USER,
    UNLOCK_USER_ACCOUNT,
    ACCOUNT_CONFIGURATION,
    DEVICE_CONFIGURED,
    USER_CONFIGURED,
    AVAILABLE_OS_UPDATES,
    SCHEDULE_OS_UPDATE,
    SCHEDULE_OS_UPDATE_SCAN,
    OS_UPDATE_STATUS,
    DECLARATIVE_MANAGEMENT,
    REFRESH_CELLULAR_PLANS,
    REQUEST_MIRRORING,
    STOP_MIRRORING,
    ENABLE_REMOTE_DESKTOP,
    DISABLE_REMOTE_DESKTOP,
    TRIGGER_ENHANCED_LOG_COLLECTION,
    CANCEL_ENHANCED_LOG_COLLECTION,
)

REQUEST_TYPES: dict[str, RequestType] = {request_type.name: request_type for request_type in _ALL}


def find(name: object) -> RequestType:
    """The request type of that name; raises InvalidCommand with the nearest name otherwise."""
    if isinstance(name, str) and name in REQUEST_TYPES:
        return REQUEST_TYPES[name]
    if not isinstance(name, str) or not name:
        raise InvalidCommand("A request type is needed, such as DeviceInformation")
    near = difflib.get_close_matches(name[:100], REQUEST_TYPES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidCommand(f"Unknown request type {name[:100]!r}{hint}")
