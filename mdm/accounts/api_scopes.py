"""Sections of the REST API, and whether a key may read or write in one."""

from django.utils.translation import gettext_lazy

from mdm.accounts.models import ApiKey

READ = "read"
WRITE = "write"

# Name in a key's scopes → what it opens, in words.
SECTIONS: dict[str, str] = {
    "account": gettext_lazy("Account"),
    "apps": gettext_lazy("Apps, their installs and managed configurations"),
    "assignment_groups": gettext_lazy("Assignment groups"),
    "commands": gettext_lazy("Raw commands and pushes"),
    "custom_attributes": gettext_lazy("Custom attributes and their values"),
    "dep_servers": gettext_lazy("DEP servers and DEP devices"),
    "device_groups": gettext_lazy("Device groups"),
    "devices": gettext_lazy("Devices, their actions, apps and users"),
    "enrollments": gettext_lazy("Enrollments and invitations"),
    "logs": gettext_lazy("Logs"),
    "operations": gettext_lazy("Changes for many devices, their progress"),
    "profiles": gettext_lazy("Profiles"),
    "push_certificate": gettext_lazy("Push certificate"),
    "scripts": gettext_lazy("Scripts and script jobs"),
    "webhooks": gettext_lazy("Webhooks"),
}


def may_use(key: ApiKey, section: str, *, changes: bool) -> bool:
    if key.access == ApiKey.Access.LIMITED:
        granted = key.scopes.get(section)
        return granted == WRITE or (granted == READ and not changes)
    return key.access == ApiKey.Access.READ_WRITE or not changes
