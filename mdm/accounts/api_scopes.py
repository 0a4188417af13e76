"""Sections of the REST API, and whether a key may read or write in one."""

from mdm.accounts.models import ApiKey

READ = "read"
WRITE = "write"

# Name in a key's scopes → what it opens, in words.
SECTIONS: dict[str, str] = {
    "account": "Account",
    "apps": "Apps, their installs and managed configurations",
    "assignment_groups": "Assignment groups",
    "commands": "Raw commands and pushes",
    "custom_attributes": "Custom attributes and their values",
    "dep_servers": "DEP servers and DEP devices",
    "device_groups": "Device groups",
    "devices": "Devices, their actions, apps and users",
    "enrollments": "Enrollments and invitations",
    "logs": "Logs",
    "operations": "Changes for many devices, their progress",
    "profiles": "Profiles",
    "push_certificate": "Push certificate",
    "scripts": "Scripts and script jobs",
    "webhooks": "Webhooks",
}


def may_use(key: ApiKey, section: str, *, changes: bool) -> bool:
    if key.access == ApiKey.Access.LIMITED:
        granted = key.scopes.get(section)
        return granted == WRITE or (granted == READ and not changes)
    return key.access == ApiKey.Access.READ_WRITE or not changes
